"""Commands on the golden board and about FPGA boards, their manners; tests/system
runs them on RTL."""

import errno
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.boards.fpga import TARGETS
from ndrite.boards.fpga.registry import BUILDABLE
from ndrite.boards.fpga.reports import KEYS, load
from ndrite.boards.golden import GoldenBoard
from ndrite.emulator.golden import Core
from ndrite.emulator.spec import Program
from ndrite.shell import terminal
from ndrite.shell.main import BAD_INPUT, COMMANDS, DEVICE, FAILED_CHECK, OK, main, run
from tests.system.serving import MAIN


def test_infer_writes_golden_outputs(folder: Path, program: Program, prints: Any) -> None:
    x = np.load("x.npy")
    for options, how in (
        ("--board golden:tiny --seed 9 --first-index 4", {"seed": 9, "first_index": 4}),
        ("--no-noise", {"noise": False}),
    ):
        prints(f"infer program.npz --inputs x.npy {options} -o y.npy")
        y = np.load("y.npy")
        assert y.dtype == np.int32
        np.testing.assert_array_equal(y, Core(program).infer(x, **how))
        assert sorted(p.name for p in folder.iterdir()) == ["program.npz", "x.npy", "y.npy"]


def test_selftest_reports_a_wrong_board(monkeypatch: Any, capsys: Any) -> None:
    right = GoldenBoard.infer

    def wrong(self: GoldenBoard, x: Any, **options: Any) -> Any:
        return right(self, x, **options) + (x[:, :1] == 255)

    monkeypatch.setattr(GoldenBoard, "infer", wrong)
    assert run(["board", "selftest", "golden:tiny"]) == FAILED_CHECK
    out, err = capsys.readouterr()
    assert "inference 1, output 0: board" in out.replace("\n", " ") or "FAIL" in out
    assert "checks failed" in err


GROUPS = [([], COMMANDS), *(([name], of[1]) for name, of in COMMANDS.items() if not isinstance(of, str))]
EVERY = [[*before, name] for before, known in GROUPS for name, of in known.items() if isinstance(of, str)]


@pytest.mark.parametrize("words", EVERY, ids="-".join)
def test_every_command_has_help_with_an_example(words: list[str], prints: Any) -> None:
    """And a line for each of its options: what the docstring leaves out, the help would."""
    text = prints([*words, "--help"])
    listed = re.search(rf"^  {words[-1]} (.*\n(?: {{4,}}.*\n)*)", prints([*words[:-1], "--help"]), re.M)
    assert listed
    assert listed[1].endswith(".\n")
    assert f"Example: ndrite {' '.join(words)}" in text
    entries = re.split(r"^  (?=-)", text.partition("\nOptions:\n")[2], flags=re.M)[1:]
    assert entries
    assert not [entry for entry in entries if not re.search(r"[a-z]{2,}.*[.;]", entry.partition("  ")[2])]


def test_the_overview_fits_a_screen(prints: Any) -> None:
    lines = prints("--help").splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in COMMANDS)
    assert "uart:PORT" in prints("board") + prints("chip")
    assert prints("").count("ndrite ") >= 5


def ndrite(*arguments: str, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(line, input=given, capture_output=True, env=os.environ | variables, check=False)


@pytest.mark.slow
def test_completion_of_commands_and_options() -> None:
    words = {"COMP_WORDS": "ndrite ", "COMP_CWORD": "1", "_NDRITE_COMPLETE": "bash_complete"}
    found = ndrite(**words).stdout.decode().split()
    assert {f"plain,{name}" for name in COMMANDS} <= set(found)
    script = ndrite(_NDRITE_COMPLETE="fish_source").stdout.decode()
    assert "_NDRITE_COMPLETE=fish_complete" in script
    words |= {"COMP_WORDS": "ndrite infer --in", "COMP_CWORD": "2"}
    assert "plain,--inputs" in ndrite(**words).stdout.decode()


@pytest.mark.slow
def test_standard_streams(folder: Path, program: Program, capsysbinary: Any, monkeypatch: Any) -> None:
    line = ["infer", "program.npz", "--inputs", "-", "-o", "-"]
    done = ndrite(*line, given=Path("x.npy").read_bytes())
    assert done.returncode == OK, done.stderr
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), Core(program).infer(np.load("x.npy")))
    assert b"5 inferences" in done.stderr
    assert run(["-q", *line[:3], "x.npy", *line[4:]]) == OK
    assert capsysbinary.readouterr() == (done.stdout, b"")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"nothing")))
    assert run(line) == BAD_INPUT
    assert b"standard input: not a NumPy .npy file" in capsysbinary.readouterr().err
    assert run([*line[:3], "x.npy", *line[4:], "--json"]) == BAD_INPUT


@pytest.mark.slow
def test_verbose_says_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for option in ([], ["-v"]):
        assert run([*option, "infer", "none.npz", "--inputs", "x.npy", "-o", "y.npy"]) == BAD_INPUT
        said.append(capsys.readouterr().err)
    assert "Traceback" not in said[0]
    assert "Traceback" in said[1]
    assert said[1].endswith(said[0])
    assert run(["-q", "-v", "board", "info", "golden:"]) == BAD_INPUT


@pytest.mark.slow
@pytest.mark.parametrize(("name", "coloured"), [("FORCE_COLOR", True), ("NO_COLOR", False)])
def test_colour(name: str, coloured: bool, prints: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv(name, "1")
    assert ("\x1b[" in prints("chip list")) == coloured


def test_a_locale_that_lacks_letters(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.yaml").write_text("name: mine\ncell: {levels: {value: 4, source: Größe}}\n")
    written = io.BytesIO()
    printed = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr("sys.stdout", printed)
    with pytest.raises(SystemExit) as ended:
        main(["chip", "show", "ideal+mine.yaml"])
    assert ended.value.code == OK
    printed.flush()
    assert b"Gr\\xf6\\xdfe" in written.getvalue()


def test_a_full_folder_of_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch, fails: Any) -> None:
    def full(*given: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    fails("cost", f"{tempfile.gettempdir()}: No space left on device")


@pytest.mark.slow
def test_a_line_at_times_where_stderr_is_no_terminal(monkeypatch: Any, capsys: Any) -> None:
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


def test_the_table_fits_80_columns_and_quotes_no_speed_that_leaves_the_multipliers_out(
    prints: Any, said: Any
) -> None:
    table, rows = prints("board list"), said("board list")["boards"]
    assert [row["board"] for row in rows] == list(BUILDABLE)
    assert all(set(KEYS) <= set(row) for row in rows)
    assert max(map(len, table.splitlines())) <= 80
    reports = [report for name in TARGETS if (report := load(name))]
    gowin = [report for report in reports if report["family"] == "gowin"]
    assert gowin
    assert not [report["board"] for report in gowin if str(report["fmax_mhz"]) in table]
    missed = [report["board"] for report in reports if not report["timing_met"]]
    assert [line.split()[1] for line in table.splitlines() if "!" in line and "│" in line] == missed
    assert bool(missed) == ("timing is not met" in table)


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        ("build none", "accepted: ulx3s-25f", BAD_INPUT),
        ("build ulx3s-25f --part 45k", "accepted for ulx3s-25f: 12k", BAD_INPUT),
        ("build ulx3s-85f --address 10.0.0.2", "ulx3s-85f is not", BAD_INPUT),
        ("build colorlight-i9-udp --address 10.0.0", "'10.0.0'; accepted: IPv4", BAD_INPUT),
        (
            "build colorlight-i9-udp --address 239.0.0.1",
            "accepted: a single host, not broadcast or multicast",
            BAD_INPUT,
        ),
        ("build colorlight-i9-udp --mac 02:00:00", "accepted: six bytes", BAD_INPUT),
        ("build colorlight-i9-udp --mac 03:00:00:00:00:01", "first byte even", BAD_INPUT),
        ("build ulx3s-25f -o .", ". would be replaced and is not a build", BAD_INPUT),
        ("build ulx3s-25f -o kept", "kept would be replaced and is not a build; accepted: a new", BAD_INPUT),
        ("scrub none --board golden: --every inf", "every is inf; accepted: 0..31536000", BAD_INPUT),
        ("serve --at 0.0.0.0:1", "at is '0.0.0.0:1'; accepted: at only together with udp", BAD_INPUT),
        ("serve --udp --link port", "link and udp exclude each other", BAD_INPUT),
        ("bringup", "board and port are needed", BAD_INPUT),
        ("bringup ulx3s-85f", "board and port are needed", BAD_INPUT),
        ("bringup no-board --simulated", "no-board", BAD_INPUT),
        ("bringup --simulated -o no/folder/r.md", "no/folder", BAD_INPUT),
        ("flash none", "accepted: ulx3s-25f", BAD_INPUT),
        ("flash ulx3s-85f --folder nowhere", "ndrite board build ulx3s-85f", DEVICE),
        (
            "flash ulx3s-85f --folder torn",
            "torn/report.json is not the report of a build; run: ndrite",
            BAD_INPUT,
        ),
    ],
)
def test_errors_are_one_line(words: str, told: str, code: int, here: Path, fails: Any) -> None:
    for file in ("kept/thesis.tex", "torn/ulx3s-85f.bit", "torn/report.json"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text("[]")
    fails(f"board {words}", told, code=code)
