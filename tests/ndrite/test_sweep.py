"""Sweeps: plans, resuming after SIGKILL of a worker."""

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import Dense, Meaning, Network, load_network, zoo
from ndrite.runs import Run
from ndrite.runs.run import RunError
from ndrite.runs.workers import Here
from ndrite.samples import judging_set
from ndrite.shell.main import INTERRUPTED, OK, run
from ndrite.sweeps.fields import SweepError
from ndrite.sweeps.plan import load_plan, plan_of
from ndrite.sweeps.run import run_sweep
from ndrite.verbs.sweep import MEASURES, Grid
from tests.chips import changed, random_network, samples
from tests.extras import needs
from tests.system.serving import MAIN

pyarrow = needs("pyarrow")

PLAN = """
chip: wan2022
networks: [small.npz]
grid:
  cell.stuck_low_percent: [0, 2, 5]
seeds: 2
count: 200
samples: 64
"""
SWEEP = "sweep plan.yaml -o out"


def prepared(folder: Path) -> Path:
    """The folder, with a network of 784-10 (nearest class means) and a plan of six points."""
    x, labels = judging_set("fashion-mnist")
    means = np.stack([x[1000:][labels[1000:] == c].mean(axis=0) for c in range(10)], axis=1) / 255
    dense = Dense(weights=2 * means, bias=-(means**2).sum(axis=0))
    meaning = Meaning(data_set="fashion-mnist")
    Network.chain(name="small", layers=(dense,), meaning=meaning).save(folder / "small.npz")
    (folder / "plan.yaml").write_text(PLAN)
    return folder


@pytest.fixture
def folder(here: Path) -> Path:
    """A working folder with both."""
    return prepared(here)


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the plan's results in ``out``, computed once for all tests."""
    made = prepared(tmp_path_factory.mktemp("swept"))
    with contextlib.chdir(made):
        assert run(SWEEP.split()) == OK
    return made


@pytest.fixture
def swept(computed: Path, here: Path) -> Path:
    """A working folder with them."""
    shutil.copytree(computed, here, dirs_exist_ok=True)
    return here


def steady(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row is the same in every run."""
    return {k: v for k, v in row.items() if k != "seconds"}


def table(folder: Path) -> list[dict[str, Any]]:
    return [steady(row) for row in pyarrow.parquet.read_table(folder / "results.parquet").to_pylist()]


def test_points_are_keyed_by_what_decides_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan(folder / "plan.yaml")
    assert len(plan.points) == len({p.run.key for p in plan.points}) == 6
    assert plan.axes == ("cell.stuck_low_percent", "seed")
    (folder / "wider.yaml").write_text(PLAN.replace("[0, 2, 5]", "[5, 0, 1, 2]"))
    wider = {p.run.key for p in load_plan(folder / "wider.yaml").points}
    assert {p.run.key for p in plan.points} < wider
    (folder / "other.yaml").write_text(PLAN.replace("count: 200", "count: 201"))
    assert not {p.run.key for p in load_plan(folder / "other.yaml").points} & wider
    monkeypatch.setattr("ndrite.runs.run.code_digest", lambda module: "99")
    assert not {p.run.key for p in load_plan(folder / "plan.yaml").points} & wider


OWN = "inputs: x.npy\nlabels: y.npy\n" + PLAN.replace("wan2022", "ideal")
"""The plan with samples of its own."""


@pytest.fixture
def own(folder: Path) -> Path:
    """own.yaml: three classes that the network tells apart by one input each."""
    labels = np.random.default_rng(0).integers(0, 3, 400)
    weights = np.eye(3, dtype=np.float32)[[1, 2, 0]]  # input k speaks for class k + 1
    Network.chain(name="own", layers=(Dense(weights, np.zeros(3), None),)).save(folder / "small.npz")
    np.save(folder / "x.npy", 255 * np.eye(3, dtype=np.uint8)[labels])
    np.save(folder / "y.npy", (labels + 1) % 3)
    (folder / "own.yaml").write_text(OWN)
    return folder / "own.yaml"


@pytest.mark.parametrize(
    ("plan", "change", "match"),
    [
        (PLAN, ("chip: wan2022", ""), "chip is missing"),
        (PLAN, ("seeds: 2", "seeds: 0"), "seeds is 0"),
        (PLAN, ("seeds: 2", "sedes: 2"), "field sedes is unknown"),
        (PLAN, ("count: 200", "count: 20000"), "count is 20000; accepted: an integer, 1..10000"),
        (PLAN, ("cell.stuck_low_percent", "cell.stuck"), "grid field cell.stuck is unknown"),
        (PLAN, ("[0, 2, 5]", "[0, 200]"), "stuck_low_percent is 200"),
        (PLAN, ("[0, 2, 5]", "3"), "grid.cell.stuck_low_percent is 3"),
        (PLAN, ("[0, 2, 5]", "[]"), r"grid.cell.stuck_low_percent is \[\]; accepted: a list of values"),
        (
            PLAN.replace("cell.stuck_low_percent: [0, 2, 5]", "neuron.temperature_K: [300.0, 400.0]"),
            ("wan2022", "dendritic-ndr"),
            "grid.neuron.temperature_K is 400.0; accepted: 300.0, the value that the chip's other fields",
        ),
        (PLAN, ("small.npz", "none.npz"), "existing file"),
        (PLAN, ("seeds: 2", "trials: 3"), "trials is 3; accepted: 1, unless chips"),
        (PLAN, ("chip: wan2022", "chip: [}"), "not YAML"),
        (OWN, ("labels: y.npy", ""), "inputs alone; accepted: inputs and labels, or neither"),
        (OWN, ("x.npy", "none.npy"), "inputs is none.npy; accepted: an existing .npy file"),
        (OWN, ("y.npy", "x.npy"), "labels is uint8"),
        (OWN, ("count: 200", "count: 337"), r"inputs is \(400, 3\); accepted: \(n, ...\), n at least 401"),
        (OWN, ("count: 200", "count: 400"), r"inputs is \(400, 3\); accepted: \(n, ...\), n at least 464"),
        (OWN, ("x.npy", "plan.yaml"), "plan.yaml: not a NumPy array"),
    ],
)
def test_bad_plans_are_named(own: Path, plan: str, change: tuple[str, str], match: str) -> None:
    bad = own.with_name("bad.yaml")
    bad.write_text(plan.replace(*change))
    with pytest.raises(RunError, match=match) as refused:
        load_plan(bad)
    assert plan is OWN or "bad.yaml" in str(refused.value)


def test_a_plan_that_varies_more_takes_up_what_is_done(own: Path) -> None:
    """The rows are named by this plan's axes, whichever plan they were computed for."""
    fewer = OWN.replace("cell.stuck_low_percent: [0, 2, 5]", "cell.levels: [8]")
    more = fewer.replace("cell.levels: [8]", "cell.levels: [8]\n  cell.weight_bits: [9, 8]")
    bits = []
    for text in (fewer, more, fewer):
        own.write_text(text)
        bits.append([row.get("cell.weight_bits") for row in ndrite.sweep(own).rows])
    assert bits == [[None, None], [9, 9, 8, 8], [None, None]]


def test_the_on_off_ratio_sets_the_least_conductance_of_every_point(here: Path) -> None:
    chip = {"cell.g_max_uS": [40.0, 20.0], "cell.on_off_ratio": [10.0, 5.0]}
    Path("mine.yaml").write_text("cell: {on_off_ratio: 8.0}\n")
    points = plan_of({"chip": "wan2022+mine.yaml", "grid": chip}).points
    assert [point.run.parameters["chip"]["cell"]["g_min_uS"] for point in points] == [4.0, 8.0, 2.0, 4.0]


def test_the_plans_own_samples_are_judged_on(own: Path) -> None:
    """The ones after those that calibrate, which are labelled wrongly."""
    point = load_plan(own).points[0]
    labels = np.load("y.npy")
    np.save("y.npy", np.append((labels[:64] + 1) % 3, labels[64:]))
    row = load_plan(own).points[0].run.perform()
    assert (row["accuracy"], row["accuracy_float"], row["count"]) == (1, 1, 200)
    np.save("y.npy", labels)
    np.save("y.npy", (np.load("y.npy") + 1) % 3)
    own.write_text(OWN.replace("count: 200", "count: 336"))  # all that are left
    assert load_plan(own).points[0].run.perform()["count"] == 336
    own.write_text(OWN)
    other = load_plan(own).points[0]
    assert other.run.key != point.run.key
    assert other.run.perform()["accuracy"] == 0


@pytest.mark.filterwarnings("error")
def test_a_point_guesses_one_output_in_silence(own: Path) -> None:
    """No warning for every point that its labels 0 and 1 were taken for two classes."""
    Network.chain((Dense(np.eye(3, 1, dtype=np.float32), np.full(1, -0.5), None),)).save("small.npz")
    np.save("y.npy", (np.load("x.npy")[:, 0] > 0).astype(int))
    row = load_plan(own).points[0].run.perform()
    assert (row["accuracy"], row["accuracy_float"], row["count"]) == (1, 1, 200)


def test_a_data_set_with_fewer_samples_is_refused(folder: Path) -> None:
    """Fewer than the plan says are not judged on, let alone none."""
    (folder / "all.yaml").write_text(PLAN.replace("count: 200", "count: 10000"))
    with pytest.raises(SweepError, match=r"count is 10064; accepted: at most 10000, the test samples of fa"):
        load_plan(folder / "all.yaml").points[0].run.perform()


@pytest.mark.parametrize("file", ["small.npz", "x.npy", "y.npy"])
def test_a_file_that_changes_after_the_plan_was_read_is_refused(own: Path, file: str) -> None:
    """What is computed with is what the key says."""
    point = load_plan(own).points[0]
    Path(file).write_bytes(Path(file).read_bytes() + b"more")
    with pytest.raises(RunError, match=f"{file} has changed since the plan was read"):
        point.run.perform()


def test_a_network_that_cannot_be_read_is_named(own: Path) -> None:
    network = own.with_name("small.npz")
    network.write_bytes(b"torn")
    with pytest.raises(EmulatorError, match=f"^{network.resolve()}: "):
        load_plan(own).points[0].run.perform()


def test_networks_of_one_name_are_told_apart_and_unused_fields_said(own: Path, prints: Any) -> None:
    (own.parent / "b").mkdir()
    other = Network.chain(name="other", layers=(Dense(np.eye(3, dtype=np.float32), np.zeros(3), None),))
    other.save(own.parent / "b" / "small.npz")
    text = OWN.replace("[small.npz]", "[small.npz, b/small.npz]").replace(
        "cell.stuck_low_percent", "ecram.states"
    )
    own.write_text(text.replace("[0, 2, 5]", "[4]").replace("ideal", "dendritic-ndr"))
    told = prints("sweep own.yaml")
    assert "│ small.npz   │ 100.00" in told
    assert "│ b/small.npz │   0.00" in told
    assert "note: not used of the chip: neuron and ecram" in told.replace("\n", " ")


@pytest.mark.slow
def test_command_equals_the_points_alone(swept: Path, said: Any, prints: Any) -> None:
    got = said(f"{SWEEP} -p front.png")
    assert len(got["rows"]) == 6
    assert (swept / "front.png").read_bytes().startswith(b"\x89PNG")
    assert all(row["basis"] == "modelled" for row in got["rows"])
    assert any(row["front"] for row in got["rows"])
    for row, point in zip(got["rows"], load_plan(swept / "plan.yaml").points, strict=True):
        alone = steady(point.run.perform())
        assert {k: row[k] for k in alone} == alone
    # Nothing is computed twice: now not even a worker is started.
    before = points(swept)
    prints(SWEEP)
    assert points(swept) == before


def test_several_boards_give_the_rows_of_one(own: Path) -> None:
    alone, shared = (
        ndrite.sweep(own, output=name, board=board)
        for name, board in (("alone", "golden:"), ("shared", ["golden:", "golden:8-lane"]))
    )
    assert [steady(row) for row in shared.rows] == [steady(row) for row in alone.rows]


@pytest.mark.parametrize(
    ("name", "needs"), [("small.npz", ()), ("model.onnx", ("onnx",)), ("model.pt", ("onnx", "torch"))]
)
def test_workers_need_what_a_point_imports(own: Path, name: str, needs: tuple[str, ...]) -> None:
    """Not what writes the table."""
    shutil.copy("small.npz", own.with_name(name)) if name != "small.npz" else None
    own.write_text(OWN.replace("small.npz", name))
    assert load_plan(own).needs == ("ndrite.sweeps.run", *needs)


def test_a_row_is_what_the_other_verbs_say_of_its_die(here: Path) -> None:
    """Two layers, on the samples after those that calibrate; the die, the reads and the
    cost of its seed."""
    network = random_network((12, 9, 4))
    network.save(here / "two.npz")
    x = samples(network, 600)
    labels = np.roll(network.forward(x / np.float32(255)).argmax(axis=1), 20)
    np.save("x.npy", x)
    np.save("y.npy", labels)
    plan = {"chip": "wan2022", "networks": ["two.npz"], "inputs": "x.npy", "labels": "y.npy", "seeds": [7]}
    (point,) = plan_of(plan | {"grid": {"readout.adc_bits": [6]}, "samples": 64, "count": 500}).points
    row = point.run.perform()
    chip = changed("wan2022", readout={"adc_bits": 6})
    found = ndrite.compile("two.npz", chip, samples=x[:64], seed=7, codes=True)
    judged = ndrite.evaluate(found, x[64:564], labels[64:564], codes=True, seed=7)
    cost = ndrite.cost(found, x[64:96], codes=True).total
    report = map_network(load_network("two.npz"), chip, x[:64], seed=7).report
    assert row == {
        "count": 500,
        "trials": 1,
        "chips": 1,
        **dict.fromkeys(("accuracy", "accuracy_min", "accuracy_max"), judged.accuracy),
        "accuracy_half_interval_95": None,
        "accuracy_float": judged.accuracy_float,
        "snr_db": report.layers[1].snr_db,
        "programmed_error": report.layers[0].programmed_error,
        **{name: getattr(cost, name)[1] for name in ("energy_pJ", "latency_ns", "area_um2")},
        "unused": "",
        "tag": f"{found.program.tag:08x}",
        "seconds": row["seconds"],
    }
    assert 0 < row["seconds"] < 60
    assert (
        row["accuracy"] != plan_of(plan | {"samples": 64, "count": 500}).points[0].run.perform()["accuracy"]
    )


def test_what_a_plan_leaves_out_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of({"chip": "ideal"})
    (point,) = plan.points
    assert (plan.name, plan.axes, plan.learns, plan.modules) == ("sweep", (), False, False)
    told = {name: point.run.parameters[name] for name in ("seed", "count", "trials", "chips", "samples")}
    assert told == {"seed": 0, "count": 1000, "trials": 1, "chips": 0, "samples": 512}
    assert plan_of({"chip": "ideal", "chips": 1, "trials": 2}).points[0].run.parameters["trials"] == 2
    assert Path(point.run.parameters["network"].path) == zoo.float_network().resolve()
    monkeypatch.setattr("ndrite.sweeps.plan.POINTS_MAX", 6)
    grid = {"cell.levels": [4, 8], "readout.adc_bits": [6, 7, 8]}
    assert len(plan_of({"chip": "ideal", "grid": grid}).points) == 6
    with pytest.raises(SweepError, match="number of points is 12; accepted: at most 6"):
        plan_of({"chip": "ideal", "grid": grid, "seeds": 2})


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([(5, 0.9), (1, 0.5), (2, 0.4), (3, 0.8), (3, 0.7), (9, 0.9)], [(1, 0.5), (3, 0.8), (5, 0.9)]),
        # Of two settings of one energy the better mean, whichever has the best die.
        ([(1, 0.5, 0.9), (1, 0.8, 0.8)], [(1, 0.8)]),
    ],
)
def test_the_front_is_what_none_beats(
    points: list[tuple[float, ...]], front: list[tuple[float, ...]]
) -> None:
    """Settings: their energy, and the accuracy of each die."""
    levels, dies = range(2, 2 + len(points)), len(points[0]) - 1
    plan = plan_of({"chip": "wan2022", "grid": {"cell.levels": list(levels)}, "seeds": dies})
    rows = [
        dict.fromkeys(MEASURES, 0.0) | {"energy_pJ": energy, "accuracy": a, "cell.levels": n, "seed": seed}
        for n, (energy, *accuracies) in zip(levels, points, strict=True)
        for seed, a in enumerate(accuracies)
    ]
    assert [(row["energy_pJ"], row["accuracy"]) for row in Grid(plan, rows, Path()).front()] == front


def test_figures_are_shown_in_the_units_that_their_column_names() -> None:
    plan = plan_of({"chip": "wan2022", "grid": {"cell.levels": [8]}})
    row = {"accuracy": 0.5, "energy_pJ": 2e3, "latency_ns": 3e3, "area_um2": 4e6, "snr_db": 7.0}
    *_, table = Grid(plan, [row | {"cell.levels": 8}], Path()).tables()
    assert table.rows == [("cell.levels 8", "50", "2", "3", "4", "7")]
    units = [label.partition(" (")[0].partition(", ")[2] for label in table.header[1:]]
    assert units == ["%", "nJ", "us", "mm2", "dB"]


def test_a_sweep_of_which_a_point_failed_is_an_error_once_all_others_are_done(here: Path) -> None:
    plan = plan_of({"chip": "ideal", "grid": {"cell.levels": [4, 8, 16]}})
    points = tuple(
        point._replace(
            run=Run("tests.ndrite.runs_work:note", {"folder": ".", "number": number, "fails": [1]})
        )
        for number, point in enumerate(plan.points)
    )
    plan, table = dataclasses.replace(plan, points=points), Path("out/results.parquet")
    first = "1 of 3 points failed; .* first failure: cell.levels 8, .*: ValueError: number 1 fails"
    with pytest.raises(RunError, match=first):
        run_sweep(plan, Path("out"), Here())
    assert (len(list(Path().glob("*.done"))), table.exists()) == (2, False)
    Path("mended").touch()
    seen: list[tuple[int, int]] = []
    (row,) = run_sweep(
        plan, Path("shared"), Here(), share=(2, 3), progress=lambda *counts: seen.append(counts)
    )
    assert seen == [(0, 1), (1, 1)]
    assert (row["cell.levels"], Path("shared/results.parquet").exists()) == (8, False)
    rows = run_sweep(plan, Path("out"), Here())
    assert [(row["cell.levels"], row["square"]) for row in rows] == [(4, 0), (8, 1), (16, 4)]
    assert pyarrow.parquet.read_table(table).to_pylist() == rows


def test_a_picture_is_refused_before_the_work(folder: Path, fails: Any) -> None:
    told = "picture is front.jpg; accepted: a name that ends in .png, .svg, .pdf"
    fails("sweep plan.yaml -p front.jpg", told)
    assert not (folder / "plan").exists()
    fails("sweep none.yaml", "none.yaml")


def test_virtual_chips_in_a_point(folder: Path) -> None:
    (folder / "chips.yaml").write_text(PLAN + "chips: 3\ntrials: 2\n")
    point = load_plan(folder / "chips.yaml").points[0]
    row = point.run.perform()
    assert row["chips"] == 3
    assert row["accuracy_min"] <= row["accuracy"] <= row["accuracy_max"]
    # The chips of the point's seed.
    point = load_plan(folder / "chips.yaml").points[1]
    (x, labels), seed = judging_set("fashion-mnist"), point.axes["seed"]
    whole = ndrite.compile("small.npz", "wan2022", samples=x[:64], seed=seed, nominal=True, codes=True)
    wafer = ndrite.campaign(whole, x[64:264], labels[64:264], codes=True, chips=3, trials=2, seed=seed)
    row = point.run.perform()
    each = wafer.accuracy_per_chip
    assert (row["accuracy_min"], row["accuracy_max"]) == (each.min(), each.max())
    assert row["accuracy"] == pytest.approx(each.mean())


def children(pid: int) -> list[int]:
    """Processes below ``pid``, all generations."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(entry.name), *children(int(entry.name))]
    return found


def computes(pid: int) -> bool:
    """Whether a process is a worker."""
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@contextlib.contextmanager
def started(folder: Path, plan: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep into ``out`` by two workers, one point of which is done.

    The plan has so much to do that a busy machine does not end it while the test looks away.
    """
    (folder / "plan.yaml").write_text(plan)
    line = [sys.executable, "-c", MAIN, "sweep", "plan.yaml", "-o", "out", "--workers", "2"]

    with subprocess.Popen(line, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not points(folder):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no result within two minutes"
            time.sleep(0.02)
        yield process


def points(folder: Path) -> dict[Path, int]:
    """Rows that are done, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "out" / "runs").glob("*.run")}


PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers through /proc")


@PROC
@pytest.mark.long
@pytest.mark.slow
def test_a_killed_worker_loses_nothing(folder: Path) -> None:
    shipped = PLAN.replace("networks: [small.npz]\n", "").replace("seeds: 2", "seeds: 4")
    with started(folder, shipped) as process:
        kept = points(folder)
        os.kill(next(filter(computes, children(process.pid))), signal.SIGKILL)
        assert "lost a local process" in process.communicate(timeout=300)[1]
    assert process.returncode == OK
    assert 1 <= len(kept) < 12
    assert run(["sweep", "plan.yaml", "-o", "whole"]) == OK
    assert table(folder / "out") == table(folder / "whole")
    assert kept.items() <= points(folder).items()


@PROC
@pytest.mark.slow
def test_an_interrupt_ends_the_sweep_and_its_workers(folder: Path) -> None:
    with started(folder, PLAN.replace("seeds: 2", "seeds: 400")) as process:
        workers = children(process.pid)
        # As a terminal does: to all of them at once.
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == INTERRUPTED, said
    assert said.endswith("ndrite: interrupted\n")
    assert len(workers) >= 2
    assert not [worker for worker in workers if Path(f"/proc/{worker}/exe").exists()]
    assert len(points(folder)) < 1200


@PROC
@pytest.mark.slow
def test_a_worker_that_is_still_starting_leaves_ctrl_c_alone(folder: Path, monkeypatch: Any) -> None:
    def interrupted(given: Any, **options: Any) -> Any:
        for worker in children(os.getpid()):
            os.kill(worker, signal.SIGINT)
        return wait(given, **options)

    monkeypatch.setattr("ndrite.runs.engine.wait", interrupted)
    assert run([*SWEEP.split(), "--workers", "2"]) == OK


@pytest.mark.slow
def test_an_edited_result_is_refused(swept: Path, fails: Any, prints: Any) -> None:
    before = table(swept / "out")
    point = next((swept / "out" / "runs").glob("*.run"))
    point.write_bytes(re.sub(rb'"accuracy": [\d.]+', b'"accuracy": 0.999', point.read_bytes()))
    fails(SWEEP, f"{point.name}: changed since it was written (checksum differs); delete")
    point.write_bytes(b"nothing")
    fails(SWEEP, point.name, "delete it")
    point.unlink()
    prints(SWEEP)
    assert table(swept / "out") == before
