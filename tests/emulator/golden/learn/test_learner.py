"""The learner: plain against a naive model and against the compiled one, state by state."""

import dataclasses

import numpy as np
import pytest

from emulator.golden.learn import Learner
from emulator.golden.learn.fast import FastLearner
from emulator.spec import Geometry
from emulator.spec.errors import ProgramError, SpecError
from emulator.spec.learning import Learning, program_of
from emulator.spec.noise import gaussian_table
from tests.naive.learning import Naive
from tests.random_learning import random_learning
from tests.stimulus import random_inputs

GEOMETRY = Geometry(rows=16, lanes=8, noise=True)


def drawn(
    seed: int,
    *,
    sizes: tuple[int, ...] = (),
    slots: int | None = None,
    corner: bool = False,
    tuned: bool = False,
    transfer: bool = False,
) -> Learning:
    rng = np.random.default_rng(seed)
    chosen = sizes or tuple(int(v) for v in rng.integers(2, 40, rng.integers(2, 5)))
    return random_learning(
        GEOMETRY, rng, sizes=chosen, slots=slots, corner=corner, tuned=tuned, transfer=transfer
    )


def samples(learning: Learning, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return random_inputs(learning.program, rng, count), rng.integers(0, learning.outputs, count)


BESIDE = {
    "": {},
    "tuned": {"tuned": True},
    "transfer": {"transfer": True},
    "both": {"tuned": True, "transfer": True},
}
"""What layers have besides weights."""


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_plain_is_the_naive_model(seed: int, corner: bool, beside: str) -> None:
    sizes = ((5, 4), (20, 6, 3), (3, 2, 5, 4), (18, 3))[seed]
    learning = drawn(seed, sizes=sizes, corner=corner, **BESIDE[beside])
    x, labels = samples(learning, seed, 6)
    plain = Learner(learning, seed=11 + seed)
    naive = Naive(learning, 11 + seed, list(gaussian_table()))
    plain.learn(x, labels, first_update=40)
    for i, (sample, label) in enumerate(zip(x, labels, strict=True)):
        naive.update(sample.tolist(), int(label), 40 + i)
    for a, b in zip(plain.states, naive.states, strict=True):
        assert a.tolist() == b
    assert (plain.states[-1] != learning.layers[-1].states).any()


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize(("seed", "slots"), [(0, 1), (1, 2), (2, 15), (0, 31)])
def test_compiled_is_the_plain_one(seed: int, slots: int, corner: bool, beside: str) -> None:
    pytest.importorskip("numba", reason="needs ndrite[fast]")
    learning = drawn(100 + seed, slots=slots, corner=corner, **BESIDE[beside])
    x, labels = samples(learning, seed, 12)
    for noise in (True, False):
        plain, fast = (kind(learning, seed=5, noise=noise) for kind in (Learner, FastLearner))
        first = (1 << 32) - 6
        assert plain.learn(x, labels, first_update=first) == fast.learn(x, labels, first_update=first)
        for a, b in zip(plain.states, fast.states, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_ecrams_of_neurons_move_and_choose_their_curves() -> None:
    learning = drawn(31, sizes=(20, 8, 4), slots=31, tuned=True)
    learner = Learner(learning, seed=2)
    before = learner.program().layers[0].curve
    x, labels = samples(learning, 3, 60)
    learner.learn(x, labels)
    row = learner.states[0][21]
    assert (row != learning.layers[0].states[21]).any()
    tuned = learning.layers[0].tuned
    step = np.clip((row + 65536) / 2 ** (17 - tuned.bits), 0, 2**tuned.bits - 1).astype(int)
    np.testing.assert_array_equal(learner.program().layers[0].curve, tuned.first + step)
    assert (learner.program().layers[0].curve != before).any()


def test_updates_may_come_in_any_portions() -> None:
    """Update i under a seed does the same whatever ran before, and states are all that is kept."""
    learning = drawn(7)
    x, labels = samples(learning, 1, 12)
    whole, part = Learner(learning, seed=3), Learner(learning, seed=3)
    counts = whole.learn(x, labels)
    first = part.learn(x[:5], labels[:5])
    rest = Learner(learning, seed=3, states=part.states)
    assert first + rest.learn(x[5:], labels[5:], first_update=5) == counts
    for a, b in zip(whole.states, rest.states, strict=True):
        np.testing.assert_array_equal(a, b)
    assert counts.updates == 12
    assert all(counts.pulses)


def test_a_program_of_the_states_is_what_learns() -> None:
    """Its sums are those of the forward pass, biases included."""
    learning = drawn(21, sizes=(20, 6, 4))
    program = program_of(learning)
    assert program.layers[0].weights.shape == (20, 6)
    assert np.abs(program.layers[0].weights).max() <= 255
    learner = Learner(learning)
    np.testing.assert_array_equal(learner.program().layers[1].bias, program.layers[1].bias)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (9, np.zeros(2, int), r"uint8 \(2, 9\); accepted: uint8 \(n, 10\)"),
        (10, np.array([0, 4]), r"labels are 0..4; accepted: classes 0..3"),
        (10, np.zeros(3, int), r"integers \(2,\)"),
        (10, np.zeros(2), "float64"),
    ],
)
def test_samples_that_are_refused_move_nothing(inputs: int, labels: np.ndarray, message: str) -> None:
    learner = Learner(drawn(3, sizes=(10, 4)))
    before = learner.states[0].copy()
    with pytest.raises(SpecError, match=message):
        learner.learn(np.zeros((2, inputs), np.uint8), labels)
    np.testing.assert_array_equal(before, learner.states[0])


def test_refused() -> None:
    learning = drawn(3, sizes=(10, 4))
    with pytest.raises(SpecError, match="seed is -1"):
        Learner(learning, seed=-1)
    worse = dataclasses.replace(learning.layers[0], states=learning.layers[0].states + (1 << 18))
    for change, message in (
        ({"slots": 32}, r"slots is 32; accepted: 1..31"),
        ({"layers": (worse,)}, r"layer 0.states"),
    ):
        with pytest.raises(ProgramError, match=message):
            dataclasses.replace(learning, **change)
