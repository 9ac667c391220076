"""A simulated board that learns, behind packets: the golden model's states,
whatever the link does."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.boards.learning import LearningBoard
from ndrite.boards.sim.link import SimLink
from ndrite.boards.sim.sizing import sized_learning
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.learning.insitu import Course, follow
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.errors import GeometryError, SpecError
from ndrite.emulator.spec.learning import Learning, Steps
from ndrite.host import Device, IdentityError, NotProgrammedError
from ndrite.sweeps.plan import plan_of
from ndrite.sweeps.trained import learn_point, prepared, samples_of
from ndrite.url import connect_learner
from ndrite.verbs.atlas import FULL, RATES, RULES
from tests.faulty_link import FaultRates, FaultyLink
from tests.random_learning import STEPS, random_learning, random_steps, with_laws
from tests.stimulus import random_inputs
from tests.system.serving import Served

pytestmark = pytest.mark.long

MEASURED = """
ecram:
  model: step-table
  w_min: -0.9
  w_max: 1.1
  step_up_table: [0.05, 0.04, 0.03, 0.01, 0.0]
  step_down_table: [0.01, 0.02, 0.03, 0.035, 0.06]
  noise_up_table: [0.01, 0.01, 0.02, 0.02, 0.0]
  noise_down_table: [0.0, 0.01]
  step_variation_percent: 20
"""
"""A device with a table of five parts, and half as many deviations as steps one way."""
SERVE = """
import json, sys
from ndrite.boards.sim.serve_udp import serve_udp
from ndrite.emulator.spec import Geometry
shape = Geometry(**json.loads(sys.argv[1]))
serve_udp(shape, host="127.0.0.1", port=0, announce=lambda url: print(url, flush=True), learns=True)
"""
BASE = Geometry(rows=16, lanes=16, curves=16)


def learning(seed: int, *, corner: bool = False) -> Learning:
    """Of even seeds with neurons that are tuned, of every third with fast devices."""
    rng = np.random.default_rng(seed)
    how = {"tuned": seed % 2 == 0, "transfer": seed % 3 == 0}
    return random_learning(BASE, rng, sizes=(20, 8, 5), corner=corner, **how)


def tabled(what: Learning, steps: Callable[[np.random.Generator], Steps], share: float = 1.0) -> Learning:
    """``what`` with step tables for a ``share`` of its laws."""
    rng = np.random.default_rng(what.die_seed)
    changed = with_laws(
        what.layers,
        lambda law: dataclasses.replace(law, steps=steps(rng) if rng.random() < share else None),
    )
    return dataclasses.replace(what, layers=changed)


SHAPE = sized_learning(learning(0))
"""Holds all of them: one geometry is compiled once."""


STEPPED = sized_learning(tabled(learning(0), random_steps))
"""The same with step tables."""


@pytest.fixture(scope="module")
def stepped() -> Iterator[LearningBoard]:
    with LearningBoard(SimLink(STEPPED, learns=True)) as found:
        yield found


@pytest.fixture(scope="module")
def board() -> Iterator[LearningBoard]:
    with LearningBoard(SimLink(SHAPE, learns=True)) as found:
        yield found


def begun(board: LearningBoard, what: Learning, count: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Samples and classes for a board that is programmed here, and the
    golden model beside it."""
    rng = np.random.default_rng(count)
    board.program_learning(what, seed=seed)
    x, labels = random_inputs(what.program, rng, count), rng.integers(0, what.outputs, count)
    return x, labels, make_learner(what, seed=seed)


def same_states(board: LearningBoard, golden: Any) -> None:
    for a, b in zip(board.states(), golden.states, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_board_has_the_golden_models_states(board: LearningBoard, seed: int, corner: bool) -> None:
    x, labels, golden = begun(board, learning(seed, corner=corner), 40, seed)
    first = (1 << 32) - 9 if seed == 4 else 7  # numbers of updates begin anew
    assert board.learn(x, labels, first_update=first) == golden.learn(x, labels, first_update=first)
    same_states(board, golden)


@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_some_laws_have_step_tables(stepped: LearningBoard, seed: int, corner: bool) -> None:
    what = tabled(learning(seed, corner=corner), random_steps, 2 / 3)
    x, labels, golden = begun(stepped, what, 40, seed)
    assert stepped.learn(x, labels, first_update=7) == golden.learn(x, labels, first_update=7)
    same_states(stepped, golden)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("steps", STEPS)
def test_step_tables_after_many_updates(stepped: LearningBoard, steps: str, coarse: bool) -> None:
    """Also of devices whose pulses are taken one after the other."""
    what = tabled(learning(2), STEPS[steps])
    if coarse:
        layers = with_laws(what.layers, lambda law: dataclasses.replace(law, step_shift=1))
        what = dataclasses.replace(what, layers=layers)
    x, labels, golden = begun(stepped, what, 100 if coarse else 400, 5)
    assert stepped.learn(x, labels) == golden.learn(x, labels)
    same_states(stepped, golden)
    moved = [(s != layer.states).any() for s, layer in zip(golden.states, what.layers, strict=True)]
    assert all(moved) or steps == "none"  # where a pulse changes nothing but brings states within bounds


def test_a_board_without_step_tables_refuses_them(board: LearningBoard) -> None:
    with pytest.raises(GeometryError, match=r"devices of layer 0 is step-table; accepted: linear-step"):
        board.program_learning(tabled(learning(1), random_steps))


ATLAS = {"device.states": (2, 65_536), "device.asymmetry": (0.0, 0.5), "device.noise": (0.0, 10.0)}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Samples of 20 inputs and 5 classes, in files."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("labelled")
    np.save(folder / "x.npy", rng.integers(0, 256, (60, 20), np.uint8))
    np.save(folder / "y.npy", np.arange(60) % 5)
    return {"inputs": str(folder / "x.npy"), "labels": str(folder / "y.npy")}


@pytest.mark.parametrize("rule", ["stochastic", "manhattan", "tiki-taka", "agad"])
def test_a_board_has_the_states_of_the_atlas(
    board: LearningBoard, labelled: dict[str, str], rule: str
) -> None:
    """Three places at random, whose row has a digest of the states that its seed led to."""
    rng = np.random.default_rng(len(rule))
    for _ in range(3):
        place = {axis: [float(rng.uniform(*ends))] for axis, ends in ATLAS.items()}
        place["device.states"] = [float(np.exp(rng.uniform(*np.log(ATLAS["device.states"]))))]
        how = {"hidden": "8", "samples": 30, "held_out": 10, "epochs": 2, "rule": rule}
        content = {"chip": "ideal", "learn": how | {"rates": [0.1]}, "seeds": [7], **labelled}
        (point,) = plan_of(content | {"grid": place | {"array.rows": [16]}}).points
        row = learn_point(**point.run.parameters)
        assert states_digest(board, dict(point.run.parameters), row["rate"]) == row["states_digest"]


def states_digest(board: LearningBoard, given: dict[str, Any], rate: float) -> str:
    """Digest of the states that a board is left with by a point of one seed."""
    (seed,), learned = given["seeds"], samples_of(given).learned
    board.program_learning(prepared(given, rate, seed).learning, seed=seed)
    follow(board, Course(), learned, epochs=given["learn"]["epochs"], seed=seed)
    content = b"".join(layer.astype("<i4").tobytes() for layer in board.states())
    return hashlib.sha256(content).hexdigest()[:16]


POINTS = int(os.environ.get("NDRITE_ATLAS", "15"))


@pytest.mark.long
def test_points_of_the_atlas_have_the_same_states_on_gateware() -> None:
    """64-32-10, drawn from all places of `ndrite atlas --full`, 40 updates each."""
    rng = np.random.default_rng(63)
    learn = {"rates": [0.1], "samples": 40, "epochs": 1}
    largest = plan_of({"chip": "ideal", "learn": learn | {"rule": "agad"}}).points[0].run.parameters
    geometry = sized_learning(prepared(dict(largest), 0.1, 0).learning)
    with LearningBoard(SimLink(geometry, learns=True)) as board:
        for seed in range(POINTS):
            grid: dict[str, Any] = {axis: [float(rng.choice(values))] for axis, values in FULL.items()}
            how = learn | {"rule": str(rng.choice(RULES)), "rates": [float(rng.choice(RATES))]}
            (point,) = plan_of({"chip": "ideal", "learn": how, "grid": grid, "seeds": [seed]}).points
            row = learn_point(**point.run.parameters)
            assert states_digest(board, dict(point.run.parameters), row["rate"]) == row["states_digest"]


def test_it_goes_on_from_states_written_to_it(board: LearningBoard) -> None:
    what = learning(3)
    x, labels, golden = begun(board, what, 20, seed=1)
    assert golden.learn(x[:8], labels[:8]).updates == 8
    board.program_learning(what, seed=1, states=[s.copy() for s in golden.states])
    assert board.learn(x[8:], labels[8:], first_update=8) == golden.learn(x[8:], labels[8:], first_update=8)
    same_states(board, golden)


def test_what_is_sent_twice_is_done_once() -> None:
    """A link that loses, damages and repeats frames: every update is applied once, in order."""
    what = learning(1)
    link = FaultyLink(SimLink(SHAPE, learns=True), FaultRates(), seed=5)
    with LearningBoard(link, timeout_s=0.05, attempts=50) as board:
        x, labels, golden = begun(board, what, 60, seed=2)
        link.rates = FaultRates.per_byte(1 / 500)
        assert board.learn(x, labels) == golden.learn(x, labels)
        link.rates = FaultRates()
        same_states(board, golden)
        assert board.session.statistics.resyncs


@pytest.mark.long
def test_through_the_kernels_sockets() -> None:
    """As a board on Ethernet is opened to learn."""
    what = learning(4)
    shape = json.dumps(dataclasses.asdict(sized_learning(what)))
    with Served(SERVE, shape) as server, connect_learner(server.said.strip()) as board:
        assert isinstance(board, LearningBoard)
        x, labels, golden = begun(board, what, 30, seed=2)
        assert board.learn(x, labels) == golden.learn(x, labels)
        same_states(board, golden)


def test_no_other_update_than_the_next_is_done(board: LearningBoard) -> None:
    """And the latest ones are answered again, not repeated."""
    x, labels, golden = begun(board, learning(1), 3, seed=2)
    assert board.learn(x, labels, first_update=10) == golden.learn(x, labels, first_update=10)
    payload = np.concatenate([labels.astype("<u2").view(np.uint8).reshape(3, 2), x], axis=1)
    for first, done in ((10, True), (9, False), (14, False)):
        y = np.zeros((3, 3), np.int32)
        board.channel.infer(payload[:1], first, y[:1], lambda more: None)
        assert (y[0, 0] >= 0) == done
    assert y[0].tolist() == [-1, -1, -1]
    same_states(board, golden)


def test_refused(board: LearningBoard) -> None:
    x, labels, golden = begun(board, learning(2), 4)
    with pytest.raises(SpecError, match=r"classes 0..4"):
        board.learn(x, labels + 5)
    wide = random_learning(Geometry(rows=32, lanes=32), np.random.default_rng(1), sizes=(9, 20))
    with pytest.raises(GeometryError, match="the widest layer is 20; accepted: at most 16"):
        board.program_learning(wide)
    same_states(board, golden)
    board.write_register("program_tag", 0)
    with pytest.raises(NotProgrammedError):
        board.learn(x, labels)


def test_other_hosts_refuse_it(board: LearningBoard) -> None:
    with pytest.raises(IdentityError, match="not an ndrite device that infers: it learns"):
        Device(SimLink(board.geometry, learns=True))


def test_a_host_of_other_records_refuses_it(board: LearningBoard) -> None:
    class Other(LearningBoard):
        register_maps = (1, 1)

    with pytest.raises(IdentityError, match=r"device has register map 0x.*: rebuild the gateware"):
        Other(SimLink(board.geometry, learns=True))


@pytest.mark.long
@pytest.mark.parametrize("board", ["sim:", "sim-udp:"])
@pytest.mark.parametrize(
    "of",
    [
        {"chip": "wan2022"},
        {"chip": "dendritic-ndr", "neuron_rate": 0.01},
        {"chip": "wan2022", "rule": "tiki-taka", "rate": 0.05, "reference_error": 0.1},
        {"chip": "wan2022", "rule": "agad", "rate": 0.05},
        {"chip": "wan2022", "device": "rram-gong2018"},
        {"chip": "wan2022", "device": "measured.yaml", "rule": "agad"},
    ],
)
def test_the_command_gives_the_same_die_on_gateware(
    board: str, of: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("measured.yaml").write_text(MEASURED)
    given = {"data": "digits", "hidden": "16", "samples": 60, "epochs": 1} | of
    golden, gateware = (ndrite.learn(board=url, **given) for url in ("golden:", board))
    assert gateware.compiled.program.tag == golden.compiled.program.tag
    assert gateware.summary == golden.summary
