"""The learner against a naive model and the compiled one, state by state; statistics of what is drawn."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.learn import Learner, make_learner
from ndrite.emulator.golden.learn.devices import key_of, trains
from ndrite.emulator.golden.learn.errors import hidden_error
from ndrite.emulator.golden.learn.fast import FastLearner
from ndrite.emulator.golden.noise import words
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.errors import SpecError
from ndrite.emulator.spec.learning import DOMAIN_CYCLE, DOMAIN_DEVICE, DOMAIN_TRAIN, Learning, pulse_constant
from ndrite.emulator.spec.noise import gaussian_table
from tests.marks import long_where
from tests.naive.learning import Naive
from tests.random_learning import random_learning
from tests.refusals import refused
from tests.stimulus import random_inputs

GEOMETRY = Geometry(rows=16, lanes=8, noise=True)


def drawn(seed: int, *, sizes: tuple[int, ...] = (), **options: Any) -> Learning:
    """Of so many neurons, or of any; ``options`` as for ``random_learning``."""
    rng = np.random.default_rng(seed)
    chosen = sizes or tuple(int(v) for v in rng.integers(2, 40, rng.integers(2, 5)))
    return random_learning(GEOMETRY, rng, sizes=chosen, **options)


def samples(learning: Learning, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return random_inputs(learning.program, rng, count), rng.integers(0, learning.outputs, count)


BESIDE = (
    {},
    {"tuned": True},
    {"transfer": True},
    {"tuned": True, "transfer": True},
    {"coarse": True},
    {"coarse": True, "tuned": True, "transfer": True},
    {"tabled": True},
    {"tabled": True, "coarse": True, "transfer": True},
    {"tiles": True},
    {"coarse": True, "tuned": True, "tiles": True},
    {"transfer": True, "noisy_readings": True},
    {"tuned": True, "tiles": True, "noisy_readings": True},
)
"""What layers have besides weights, devices whose pulses are taken one after the other, and tables."""
SLOTS = [(0, 1), (1, 2), (2, 15), (0, 31)]
SLOTS_IN_BETWEEN = SLOTS[1:3]
"""Seeds and numbers of time slots in a pulse train."""


@pytest.mark.parametrize("beside", BESIDE, ids=" + ".join)
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("seed", long_where((0, 3).__contains__, range(4)))
def test_plain_is_the_naive_model(seed: int, corner: bool, beside: dict[str, bool]) -> None:
    sizes = ((5, 4), (20, 6, 3), (3, 2, 5, 4), (18, 3))[seed]
    learning = drawn(seed, sizes=sizes, corner=corner, **beside)
    x, labels = samples(learning, seed, 6)
    plain = Learner(learning, seed=11 + seed)
    naive = Naive(learning, 11 + seed, list(gaussian_table()))
    plain.learn(x, labels, first_update=40)
    for i, (sample, label) in enumerate(zip(x, labels, strict=True)):
        naive.update(sample.tolist(), int(label), 40 + i)
    for a, b in zip(plain.states, naive.states, strict=True):
        assert a.tolist() == b
    assert (plain.states[-1] != learning.layers[-1].states).any()


@pytest.mark.parametrize("beside", BESIDE, ids=" + ".join)
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize(("seed", "slots"), long_where(SLOTS_IN_BETWEEN.__contains__, SLOTS))
def test_compiled_is_the_plain_one(seed: int, slots: int, corner: bool, beside: dict[str, bool]) -> None:
    learning = drawn(100 + seed, slots=slots, corner=corner, **beside)
    x, labels = samples(learning, seed, 12)
    for noise in (True, False):
        plain, fast = (kind(learning, seed=5, noise=noise) for kind in (Learner, FastLearner))
        first = (1 << 32) - 6
        assert plain.learn(x, labels, first_update=first) == fast.learn(x, labels, first_update=first)
        for a, b in zip(plain.states, fast.states, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [Learner, FastLearner, make_learner])
def test_tiles_go_on_from_their_states(kind: Any) -> None:
    """The rows that are due follow from the number of the update alone."""
    learning = drawn(6, sizes=(5, 4, 3), tiles=True)
    x, labels = samples(learning, 6, 30)
    whole, half = kind(learning, seed=5), kind(learning, seed=5)
    whole.learn(x, labels, first_update=7)
    half.learn(x[:13], labels[:13], first_update=7)
    rest = kind(learning, seed=5, states=half.states)
    rest.learn(x[13:], labels[13:], first_update=20)
    for a, b, first in zip(whole.states, rest.states, half.states, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != first).any()
    other, silent = kind(learning, seed=6), kind(learning, seed=5, noise=False)
    for learner in (other, silent):
        learner.learn(x, labels, first_update=7)
        assert any((a != b).any() for a, b in zip(learner.states, whole.states, strict=True))


@pytest.mark.parametrize("top", [1, 2, 127, 128, 255, 256, 257, 1023, 100_000])
def test_the_largest_error_has_eight_bits(top: int) -> None:
    sums = np.array([top, -top // 3, 0, -1])
    error, exponent = hidden_error(sums, np.ones(4, int))
    assert 128 <= np.abs(error).max() <= 255
    np.testing.assert_allclose(error * 2.0**exponent, sums, atol=2.0 ** max(exponent, 0))


SMALL = drawn(3, sizes=(10, 4))
PIECE = dataclasses.replace(SMALL.program, first_product=3)
TILED = drawn(3, sizes=(10, 4), tiles=True)
SLOW = dataclasses.replace(TILED.layers[0].transfer, count=4, every=65535, ratio=255)
ROWS = np.zeros((9 * 11, 4), np.int32)
BEYOND = dataclasses.replace(SMALL.layers[0], states=SMALL.layers[0].states + (1 << 18))


def given(inputs: int, labels: np.ndarray) -> None:
    """Nothing moves."""
    learner = Learner(SMALL)
    try:
        learner.learn(np.zeros((2, inputs), np.uint8), labels)
    finally:
        np.testing.assert_array_equal(learner.states[0], SMALL.layers[0].states)


test_refused = refused(
    SpecError,
    (given, 9, np.zeros(2, int), r"uint8 \(2, 9\); accepted: uint8 \(n, 10\)"),
    (given, 10, np.array([0, 4]), r"labels are 0..4; accepted: classes 0..3"),
    (given, 10, np.zeros(3, int), r"integers \(2,\)"),
    (given, 10, np.zeros(2), "float64"),
    (lambda: Learner(SMALL, seed=-1), "seed is -1"),
    (lambda: dataclasses.replace(SMALL, slots=32), r"slots is 32; accepted: 1..31"),
    (lambda: dataclasses.replace(SMALL, program=PIECE), r"program.first_product is 3; accepted: 0"),
    (lambda: dataclasses.replace(SMALL, layers=(BEYOND,)), r"layer 0.states"),
    (
        lambda: dataclasses.replace(
            TILED, layers=(dataclasses.replace(TILED.layers[0], transfer=SLOW, states=ROWS),)
        ),
        r"updates between readings of W\(1\) is 1086660410625; accepted: below 2\^32",
    ),
)


DRAWS = 1 << 14


def bits(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The 32 bits of words, (..., 32)."""
    word = x.astype(np.uint32) << 16 | y
    return (word[..., None] >> np.arange(32)) & 1


def biased(found: np.ndarray) -> float:
    """Largest deviation of a bit's mean from a half, in its standard errors; (n, bits)."""
    return float(np.abs(found.mean(axis=0) - 0.5).max() * 2 * np.sqrt(len(found)))


LIMIT = 5.0
"""Standard errors; the largest of 1,024 pairs is beyond with a probability of 6e-4."""


@pytest.mark.long
def test_words_of_neighbours_are_uncorrelated() -> None:
    """Rows, columns, updates and seeds, and rectangles of devices: every bit against every other."""
    side = 1 << 7
    key = key_of(5, DOMAIN_CYCLE, 0, 0)
    k, m = np.arange(side + 1)[:, None], np.arange(side + 1)
    here = bits(*words(key, k, m))
    flat = here[:-1, :-1].reshape(-1, 32)
    assert biased(flat) < LIMIT
    others = {
        "row": here[1:, :-1],
        "column": here[:-1, 1:],
        "both": here[1:, 1:],
        "update": bits(*words(key_of(5, DOMAIN_CYCLE, 0, 1), k[:-1], m[:-1])),
        "seed": bits(*words(key_of(4, DOMAIN_CYCLE, 0, 0), k[:-1], m[:-1])),
        **{
            f"pulse {i}": bits(
                *words(key ^ np.array([pulse_constant(i), 0, 0, 0], np.uint16), k[:-1], m[:-1])
            )
            for i in (1, 2, 30)
        },
        "domain": bits(*words(key_of(5, DOMAIN_DEVICE, 0, 0), k[:-1], m[:-1])),
    }
    for name, other in others.items():
        pairs = (flat[:, :, None] ^ other.reshape(-1, 1, 32)).reshape(len(flat), -1)
        assert biased(pairs) < LIMIT, name
    rectangle = here[:-1, :-1] ^ here[1:, :-1] ^ here[:-1, 1:] ^ here[1:, 1:]
    assert biased(rectangle.reshape(-1, 32)) < LIMIT


def test_slots_of_a_train_are_independent() -> None:
    keys = (key_of(8, DOMAIN_TRAIN, 1, update, 0) for update in range(DRAWS // 64))
    drawn = np.concatenate([trains(np.full(64, 1 << 15), key, 31) for key in keys])
    found = drawn[:, None] >> np.arange(31) & 1
    assert biased(found) < LIMIT
    pairs = found[:, :, None] ^ found[:, None, :]
    upper = np.triu_indices(31, 1)
    assert biased(pairs[:, *upper]) < LIMIT
    assert biased(found[1:] ^ found[:-1]) < LIMIT
