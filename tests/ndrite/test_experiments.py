"""Experiments: a smoke run of each, and the runner's promises."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ndrite.cli.main import BAD_INPUT, OK, run
from ndrite.experiments import NAMES, runner
from tests.marks import long_where

RESULTS = Path("docs/results")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    long_where({"ecram", "kan", "recovery", "adaptation", "loss", "shapes", "valley"}.__contains__, NAMES),
)
def test_smoke(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name not in ("xor", "insitu", "cost"):
        pytest.importorskip("torch")
    assert run(["experiment", name, "--smoke", "-o", str(tmp_path)]) == OK
    value = json.loads((tmp_path / f"{name}.json").read_text())
    assert value["smoke"]
    assert all("seed" in r for r in value["runs"])
    assert value["tables"][0]["rows"]
    assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{name}.json", f"{name}.svg"]
    assert value["tables"][0]["title"].split()[0] in capsys.readouterr().out


class Counting:
    """An experiment of four runs that fails in the third, once."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.fail = True

    def runs(self, smoke: bool) -> list[dict[str, Any]]:
        return [{"seed": i} for i in range(4)]

    def run(self, seed: int) -> dict[str, Any]:
        if seed == 2 and self.fail:
            raise KeyboardInterrupt
        self.done.append(seed)
        return {"value": seed * 0.1}

    def tables(self, results: list[dict[str, Any]]) -> list[runner.Table]:
        return [runner.Table("t", ("mean",), [(runner.percent([r["value"] for r in results]),)])]

    def draw(self, results: list[dict[str, Any]], figure: Any) -> None:
        figure.subplots().plot([r["value"] for r in results])


def test_a_stopped_experiment_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    monkeypatch.setattr(runner, "load", lambda name: counting)
    with pytest.raises(KeyboardInterrupt):
        runner.execute("xor", tmp_path)
    assert not (tmp_path / "xor.json").exists()
    counting.fail = False
    results, tables = runner.execute("xor", tmp_path, resume=True)
    assert counting.done == [0, 1, 2, 3]
    assert [r["value"] for r in results] == pytest.approx([0, 0.1, 0.2, 0.3])
    # mean 15, standard deviation 12.91, t 3.182, 4 values
    assert tables[0].rows[0][0] == "15.00 ± 20.54"
    runner.execute("xor", tmp_path)
    assert counting.done == [0, 1, 2, 3] * 2, "without --resume everything is run again"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    long_where(
        {"kan", "loss"}.__contains__,
        sorted(path.stem for path in RESULTS.glob("*.json") if path.stem in NAMES),
    ),
)
def test_committed_tables_are_of_their_runs(name: str, tmp_path: Path) -> None:
    shutil.copy(RESULTS / f"{name}.json", tmp_path)
    assert run(["experiment", name, "--redraw", "-o", str(tmp_path)]) == OK
    drawn, kept = (json.loads((folder / f"{name}.json").read_text()) for folder in (tmp_path, RESULTS))
    assert drawn == kept
    assert (tmp_path / f"{name}.svg").stat().st_size > 10_000


def test_redraw_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path)
    assert run(["experiment", "xor", "--redraw", "-o", folder]) == BAD_INPUT
    assert "xor.json: no such file" in capsys.readouterr().err
    (tmp_path / "xor.json").write_text(json.dumps({"command": "", "smoke": True, "runs": [{"seed": 1}]}))
    assert run(["experiment", "xor", "--redraw", "-o", folder]) == BAD_INPUT
    assert "not results of xor" in capsys.readouterr().err
    assert run(["experiment", "xor", "--redraw", "--smoke", "-o", folder]) == BAD_INPUT
    assert "--redraw runs nothing" in capsys.readouterr().err


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "xor", "-o", str(tmp_path / "none")]) == BAD_INPUT
    assert "output folder is" in capsys.readouterr().err
    (tmp_path / ".xor.runs.json").write_text("{")
    assert run(["experiment", "xor", "--smoke", "--resume", "-o", str(tmp_path)]) == BAD_INPUT
    assert "not kept runs" in capsys.readouterr().err
