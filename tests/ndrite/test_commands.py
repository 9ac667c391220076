"""The commands on the golden board; tests/system runs them on RTL."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.golden import Core
from emulator.spec import Program
from ndrite.shell.main import COMMANDS, FAILED_CHECK, OK, run


def test_infer_writes_golden_outputs(folder: Path, program: Program) -> None:
    x = np.load(folder / "x.npy")
    options = ["--board", "golden:tiny", "--seed", "9", "--first-index", "4", "-o", "y.npy"]
    assert run(["infer", "program.npz", "--inputs", "x.npy", *options]) == OK
    y = np.load(folder / "y.npy")
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, Core(program).infer(x, seed=9, first_index=4))
    assert sorted(p.name for p in folder.iterdir()) == ["program.npz", "x.npy", "y.npy"]
    assert run(["infer", "program.npz", "--inputs", "x.npy", "--no-noise", "-o", "y.npy"]) == OK
    np.testing.assert_array_equal(np.load(folder / "y.npy"), Core(program).infer(x, noise=False))


def test_info_json(said: Any) -> None:
    report = said(["board", "info", "golden:tiny"])
    assert report["geometry"]["lanes"] == 4


def test_selftest_of_the_golden_board(said: Any) -> None:
    report = said(["board", "selftest", "golden:tiny"])
    assert report["failed"] == 0
    assert len(report["checks"]) == 16


def test_selftest_reports_a_wrong_board(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from boards.golden import GoldenBoard

    right = GoldenBoard.infer
    monkeypatch.setattr(
        GoldenBoard, "infer", lambda self, x, **options: right(self, x, **options) + (x[:, :1] == 255)
    )
    assert run(["board", "selftest", "golden:tiny"]) == FAILED_CHECK
    out, err = capsys.readouterr()
    assert "inference 1, output 0: board" in out.replace("\n", " ") or "FAIL" in out
    assert "checks failed" in err


EVERY = [
    [*before, name]
    for before, known in [
        ([], COMMANDS),
        *([[n], w[1]] for n, w in COMMANDS.items() if not isinstance(w, str)),
    ]
    for name, what in known.items()
    if isinstance(what, str)
]


@pytest.mark.parametrize("words", EVERY, ids="-".join)
def test_every_command_has_help_with_an_example(words: list[str], prints: Any) -> None:
    """And a line for each of its options: what the docstring leaves out, the help would."""
    text = prints([*words, "--help"])
    assert f"Example: ndrite {' '.join(words)}" in text
    entries = re.split(r"^  (?=-)", text.partition("\nOptions:\n")[2], flags=re.M)[1:]
    assert entries
    assert not [entry for entry in entries if not re.search(r"[a-z]{2,}.*[.;]", entry.partition("  ")[2])]


def test_the_overview_fits_a_screen(capsys: pytest.CaptureFixture[str], prints: Any) -> None:
    lines = prints(["--help"]).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in COMMANDS)
    assert run(["board"]) == run(["chip"]) == OK
    assert "uart:PORT" in capsys.readouterr().out
    assert run([]) == OK
    assert capsys.readouterr().out.count("ndrite ") >= 5


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ndrite.shell.main import run; run(['--help']); "
        "heavy = {'matplotlib', 'amaranth', 'scipy', 'torch'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
