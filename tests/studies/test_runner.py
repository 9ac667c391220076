"""The runner's promises: what is kept, taken up, drawn anew and refused; and a smoke
run of each study."""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.spec.state_file import StateError
from ndrite.results import Table
from ndrite.runs import open_workers
from studies import runner
from studies.published import publication
from studies.runner import STUDIES
from studies.runs import Runs
from studies.table import interval, over_seeds
from tests.extras import needs
from tests.marks import long_where
from tests.studies.conftest import BAD_INPUT, OK, OUTSIDE, run

RESULTS = Path("docs/results")
LONG = {"causes", "xor", "depth", "ecram", "kan", "recovery", "adaptation", "loss"}
WITHOUT_TORCH = {"causes", "xor", "insitu", "cost", "neuron", "cmo-hfox"}
WITHOUT_TORCH |= {"few-states", "reram-tiki-taka", "reference-error"}


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares whose place says the class: what a network learns in one epoch."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    x = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(x, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[9 * row : 9 * row + 8, 7 * column : 7 * column + 6] = 255
    return x.reshape(count, 784), labels


@pytest.mark.slow
@pytest.mark.parametrize("name", long_where(LONG.__contains__, STUDIES))
def test_smoke(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name not in WITHOUT_TORCH:
        needs("torch")
    for module in ("neurram_mnist", "published_rules"):
        monkeypatch.setattr(f"studies.{module}.whole_mnist", lambda: (*digits(2000), *digits(300)))
    result = run(name, "--smoke", "-o", str(tmp_path))
    assert result.exit_code == OK, result.output
    value = json.loads((tmp_path / f"{name}.json").read_text())
    assert value["smoke"]
    assert value["tables"][0]["rows"]
    assert value["tables"][0]["title"] in result.output
    written = {f"{name}.json"} | ({f"{name}.svg"} if "figure" in STUDIES[name] else set())
    written |= {runner.PAGE} if publication(name) else set()
    assert {path.name for path in tmp_path.iterdir()} == written, "no runs are left over"


@pytest.mark.slow
@pytest.mark.parametrize("name", long_where({"depth", "kan", "loss", "recovery"}.__contains__, STUDIES))
def test_committed_results_are_of_their_runs(name: str, tmp_path: Path) -> None:
    """Of all studies: tables, verdicts and page are made again from the committed runs.

    To the last digit shown and no further: sums of floats differ between processors in
    the bits behind it.
    """
    for path in RESULTS.glob("*.json"):
        shutil.copy(path, tmp_path)
    assert run(name, "--redraw", "-o", str(tmp_path)).exit_code in (OK, OUTSIDE)
    same(*((folder / f"{name}.json").read_text() for folder in (tmp_path, RESULTS)))
    assert not json.loads((RESULTS / f"{name}.json").read_text())["smoke"]
    if "figure" in STUDIES[name]:
        assert (tmp_path / f"{name}.svg").stat().st_size > 10_000
    if publication(name) is not None:
        same(*((folder / runner.PAGE).read_text() for folder in (tmp_path, RESULTS)))


def same(drawn: str, kept: str) -> None:
    """Equal words, and numbers that differ by one in the last of two decimals at most."""
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
    assert re.sub(r" +|-{2,}", " ", number.sub("#", drawn)) == re.sub(r" +|-{2,}", " ", number.sub("#", kept))
    ours, theirs = ([float(found) for found in number.findall(text)] for text in (drawn, kept))
    assert len(ours) > 10
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=0.0101)


@pytest.mark.parametrize("name", STUDIES)
def test_committed_runs_are_the_grid(name: str) -> None:
    """Each once; at least three seeds where anything is drawn more than once."""
    plan = json.loads(json.dumps(runner.grid(name, False)))
    kept = json.loads((RESULTS / f"{name}.json").read_text())["runs"]
    # A point of a published chip has a number in the grid and a name in its result.
    keys = [set(p) - {"point"} for p in plan]
    assert len({json.dumps(p, sort_keys=True) for p in plan}) == len(plan) == len(kept)
    for parameters, names in zip(plan, keys, strict=True):
        assert any(names <= set(r) and all(r[key] == parameters[key] for key in names) for r in kept)
    assert len({p["seed"] for p in plan}) >= 3 or name in ("xor", "cost", "neuron")


def test_a_stopped_study_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    stops = [2]

    def of_seed(seed: int) -> dict[str, Any]:
        if seed in stops:
            raise KeyboardInterrupt
        done.append(seed)
        return {"value": seed * 0.1}

    def tables(found: Runs) -> list[Table]:
        return [Table("t", ("curve", "%"), [("all", over_seeds([100 * r["value"] for r in found]))])]

    def execute(**options: Any) -> Any:
        with open_workers() as workers:
            return runner.execute("xor", tmp_path, workers, **options)

    monkeypatch.setattr("studies.xor.run", of_seed)
    monkeypatch.setattr("studies.xor.tables", tables)
    monkeypatch.setattr(runner, "grid", lambda name, smoke: [{"seed": i} for i in range(4)])
    with pytest.raises(KeyboardInterrupt):
        execute()
    assert not (tmp_path / "xor.json").exists()
    stops.clear()
    kept = next(path for path in (tmp_path / ".xor.runs/runs").iterdir() if b": 0.1" in path.read_bytes())
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b": 0.1", b": 0.9"))
    with pytest.raises(StateError, match="checksum differs"):
        execute()
    kept.write_bytes(whole)
    assert execute(share=(2, 2)) is None, "the share of the third run is missing"
    result = execute()
    assert done == [0, 1, 3, 2]
    assert [r["value"] for r in result.value["runs"]] == pytest.approx([0, 0.1, 0.2, 0.3])
    # mean 15, standard deviation 12.91, t 3.182, 4 values
    assert result.tables[0].rows[0][1] == "15.00 ± 20.54"
    assert interval(result.tables[0].rows[0][1]) == pytest.approx((15.0, -5.54, 35.54))
    assert not (tmp_path / ".xor.runs").exists()


@pytest.fixture
def two_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two studies of the same run, in no time; the first of them fails while
    ``fails`` holds its name."""
    studies = {name: {**STUDIES["xor"], "module": "xor"} for name in ("one", "two")}
    monkeypatch.setattr(runner, "STUDIES", studies)
    monkeypatch.setattr(runner, "grid", lambda name, smoke: [{"seed": i, "of": name} for i in range(4)])
    monkeypatch.setattr("studies.xor.tables", lambda found: [Table("t", ("a",), [("b",)])])
    monkeypatch.setattr(runner, "draw", lambda *given: None)


@pytest.mark.usefixtures("two_studies")
def test_all_that_is_stale_is_run_though_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    fails = ["one"]

    def work(of: str, seed: int) -> dict[str, Any]:
        if of in fails:
            raise ValueError("no")
        done.append((of, seed))
        return {"value": seed}

    monkeypatch.setattr("studies.xor.run", work)
    folder = ("-o", str(tmp_path))
    listed = run("--stale", *folder)
    assert (listed.exit_code, "one" in listed.output, "two" in listed.output) == (OK, True, True)
    result = run("--all", *folder)
    assert (result.exit_code, "4 of 4 runs failed" in result.output) == (BAD_INPUT, True)
    assert done == [("two", i) for i in range(4)]
    fails.clear()
    for part in ("1/2", "2/2"):
        assert run("--all", *folder, "--shard", part).exit_code == OK
    assert done[4:] == [("one", i) for i in (0, 2, 1, 3)]
    value = json.loads((tmp_path / "one.json").read_text())
    assert value["core_seconds"] >= 0
    for change, stale in (({}, []), ({"code": "of before", "core_seconds": 7200.0}, [("one", 2.0)])):
        (tmp_path / "one.json").write_text(json.dumps(value | change))
        assert runner.stale(tmp_path) == stale
    told = " ".join(run("--stale", *folder).output.split())
    assert "two" not in told
    assert "2 of the 1 that are known" in told
    (tmp_path / "one.json").write_text(json.dumps(value | {"smoke": True}))
    assert [name for name, _ in runner.stale(tmp_path)] == ["one"], "a smoke run's figures mean nothing"
    assert "take no NAME" in run("xor", "--all", *folder).output


def test_workers_of_a_study_need_what_it_trains_with() -> None:
    for name in STUDIES:
        assert ("torch" in runner.needs([name])) == (name not in WITHOUT_TORCH), name


def test_redraw_runs_nothing(tmp_path: Path) -> None:
    folder = ("-o", str(tmp_path))
    assert "xor.json: no such file" in run("xor", "--redraw", *folder).output
    (tmp_path / "xor.json").write_text(json.dumps({"command": "", "smoke": True, "runs": [{"seed": 1}]}))
    result = run("xor", "--redraw", *folder)
    assert (result.exit_code, "not results of xor" in result.output) == (BAD_INPUT, True)
    assert "--redraw runs nothing" in run("xor", "--redraw", "--smoke", *folder).output


def test_refusals(tmp_path: Path) -> None:
    assert run("none").exit_code == BAD_INPUT
    assert "output folder is" in run("xor", "-o", str(tmp_path / "none")).output
    result = run("xor", "--smoke", "--shard", "3/2", "-o", str(tmp_path))
    assert (result.exit_code, "shard is '3/2'; accepted: i/n" in result.output) == (BAD_INPUT, True)
    listed = run()
    assert listed.exit_code == OK
    assert all(name in listed.output for name in STUDIES)


def test_nothing_of_the_product_is_a_study() -> None:
    """What the wheel has of this repository, by its packages."""
    from setuptools import find_packages

    settings = tomllib.loads(Path("pyproject.toml").read_text())
    packages = find_packages(include=settings["tool"]["setuptools"]["packages"]["find"]["include"])
    assert "ndrite" in packages
    assert not [name for name in packages if name.partition(".")[0] in ("studies", "tests", "benchmarks")]
