"""The commands on the golden board; tests/system runs them on RTL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emulator.golden import Core
from emulator.spec import Program
from ndrite.cli.main import COMMANDS, FAILED_CHECK, OK, run


def test_infer_writes_golden_outputs(folder: Path, program: Program) -> None:
    x = np.load(folder / "x.npy")
    options = ["--board", "golden:tiny", "--seed", "9", "--first-index", "4", "-o", "y.npy"]
    assert run(["infer", "program.npz", "--inputs", "x.npy", *options]) == OK
    y = np.load(folder / "y.npy")
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, Core(program).infer(x, seed=9, first_index=4))
    assert sorted(p.name for p in folder.iterdir()) == ["program.npz", "x.npy", "y.npy"]


def test_infer_without_noise(folder: Path, program: Program) -> None:
    x = np.load(folder / "x.npy")
    assert run(["infer", "program.npz", "--inputs", "x.npy", "--no-noise", "-o", "y.npy"]) == OK
    np.testing.assert_array_equal(np.load(folder / "y.npy"), Core(program).infer(x, noise=False))


def test_infer_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["inferences"] == 5


def test_info_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "golden:tiny", "--json"]) == OK
    report = json.loads(capsys.readouterr().out)
    assert report["geometry"]["lanes"] == 4


def test_selftest_of_the_golden_board(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["selftest", "golden:tiny", "--json"]) == OK
    report = json.loads(capsys.readouterr().out)
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
    assert run(["selftest", "golden:tiny"]) == FAILED_CHECK
    out, err = capsys.readouterr()
    assert "inference 1, output 0: board" in out.replace("\n", " ") or "FAIL" in out
    assert "checks failed" in err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == OK
    assert f"Example: ndrite {name}" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ndrite.cli.main import run; run(['--help']); "
        "heavy = {'matplotlib', 'amaranth', 'scipy', 'torch'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
