"""Every example of every command's help runs, from a clean folder.

What cannot run here and what is made shorter is listed below by its text. An example
that is neither run nor listed fails the test.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

from ndrite.shell.main import OK, run
from tests.docs.given import shorter, write_files, write_onnx
from tests.docs.test_blocks import execute
from tests.extras import needs
from tests.ndrite.test_commands import EVERY
from tests.system.serving import Server

ELSEWHERE = {
    "ndrite board flash ulx3s-85f": "needs a board",
    "ndrite board bringup ulx3s-85f --port /dev/ttyUSB0": "needs a board; see tests/ndrite/test_bringup.py",
    "ndrite board build ulx3s-85f --seeds 4": "hours; tests/boards/test_build.py builds a small design",
    "ndrite board serve --link /tmp/ndrite": "runs until Ctrl-C; tests/system/test_serve.py",
    "ndrite board serve --udp": "runs until Ctrl-C; tests/system/test_udp.py",
    "ndrite evaluate mine --board udp:127.0.0.1": "needs that; tests/system/test_udp.py",
    "ndrite board scrub mine --board uart:/dev/ttyUSB0 --every 60": "runs on; tests/trust/test_lifetime.py",
}
NEEDS = {"compile": ("onnx", "torch"), "sweep": ("pyarrow",)} | dict.fromkeys(
    ("cost", "explain", "place", "train"), ("torch",)
)


def examples(command: list[str]) -> list[str]:
    """The commands of a help's example, what makes their files first."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run([*command, "--help"]) == OK
    text = re.search(r"Example.*\nOptions:", out.getvalue(), re.S)[0]
    given = re.findall(r"^\s*(?:Example: )?((?:\w+ \| )?ndrite \w.*)$", text, re.M)
    return [re.split(r"  +\(", line.strip())[0] for line in given]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that examples name."""
    monkeypatch.chdir(tmp_path)
    write_files()
    return tmp_path


SLOW = ("demo", "report")
LONG = (
    "atlas",
    "bringup",
    "info",
    "selftest",
    "calibrate",
    "demo",
    "evaluate",
    "explain",
    "infer",
    "report",
    "serve",
)


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Of the examples of one command."""
    return [mark for mark, names in ((pytest.mark.slow, SLOW), (pytest.mark.long, LONG)) if name in names]


CASES = [pytest.param(command, marks=marks(command[-1])) for command in EVERY]


@pytest.mark.parametrize("command", CASES, ids=lambda c: "-".join(c))
def test_help_examples(command: list[str], files: Path) -> None:
    for package in NEEDS.get(command[0], ()):
        needs(package)
    if command[0] == "calibrate":  # neurons that can be tuned
        assert run(["compile", "float.npz", "--chip", "dendritic-ndr+ecram-pair", "-o", "mine"]) == OK
    if command[0] == "compile":
        write_onnx(Path("model.onnx"))
    lines = [line for line in examples(command) if line not in ELSEWHERE]
    uart = any("uart:" in line for line in lines)
    with Server("64-lane", Path("board")) if uart else contextlib.nullcontext():
        for line in lines:
            execute(re.sub(r"> \S+/", "> ", shorter(line)), OK)
