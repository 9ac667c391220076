"""Manners: completion, colour, quiet and verbose, standard input and output."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from emulator.golden import Core
from emulator.spec import Program
from ndrite.shell import terminal
from ndrite.shell.main import BAD_INPUT, COMMANDS, OK, run

pytestmark = pytest.mark.slow


def ndrite(*arguments: str, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    code = "import sys; from ndrite.shell import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=given,
        capture_output=True,
        env={**os.environ, **variables},
        check=False,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == OK
    assert f"_NDRITE_COMPLETE={shell}_complete" in capsys.readouterr().out.replace('"', "")


def test_completion_of_commands_and_options() -> None:
    words = {"COMP_WORDS": "ndrite ", "COMP_CWORD": "1", "_NDRITE_COMPLETE": "bash_complete"}
    found = ndrite(**words).stdout.decode().split()
    assert {f"plain,{name}" for name in COMMANDS} <= set(found)
    words |= {"COMP_WORDS": "ndrite infer --in", "COMP_CWORD": "2"}
    assert "plain,--inputs" in ndrite(**words).stdout.decode()


def test_the_bash_script_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == OK
    (tmp_path / "ndrite").write_text(capsys.readouterr().out)
    assert subprocess.run(["bash", "-n", str(tmp_path / "ndrite")], check=False).returncode == 0


def test_standard_input_and_output(
    folder: Path,
    program: Program,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = ["infer", "program.npz", "--inputs", "-", "-o", "-"]
    done = ndrite(*line, given=(folder / "x.npy").read_bytes())
    assert done.returncode == OK, done.stderr
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), Core(program).infer(np.load("x.npy")))
    assert b"5 inferences" in done.stderr
    assert run(["-q", *line[:3], "x.npy", *line[4:]]) == OK
    assert capsysbinary.readouterr() == (done.stdout, b"")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"nothing")))
    assert run(line) == BAD_INPUT
    assert b"standard input: not a NumPy .npy file" in capsysbinary.readouterr().err
    assert run([*line[:3], "x.npy", *line[4:], "--json"]) == BAD_INPUT


def test_verbose_says_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for option in ([], ["-v"]):
        assert run([*option, "infer", "none.npz", "--inputs", "x.npy", "-o", "y.npy"]) == BAD_INPUT
        said.append(capsys.readouterr().err)
    assert "Traceback" not in said[0]
    assert "Traceback" in said[1]
    assert said[1].endswith(said[0])
    assert run(["-q", "-v", "board", "info", "golden:"]) == BAD_INPUT


def test_no_colour(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for name, coloured in (("FORCE_COLOR", True), ("NO_COLOR", False)):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert run(["chip", "list"]) == OK
        assert ("\x1b[" in capsys.readouterr().out) == coloured


def test_a_line_at_times_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads a log sees that long work goes on, and what."""
    monkeypatch.setattr(terminal, "EVERY_S", 0.05)
    with terminal.progress_bar("chips") as report:
        report(3, 9)
        time.sleep(0.2)
    assert "chips: 3 of 9, 0 s so far\n" in capsys.readouterr().err
    time.sleep(0.1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "quiet", True)
    with terminal.progress_bar("chips"):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
