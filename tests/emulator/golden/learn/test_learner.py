"""The learner against a naive model and the compiled one, state by state; statistics
of what is drawn."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.learn import Learner, make_learner
from ndrite.emulator.golden.learn.devices import column_thresholds, key_of, slots, trains
from ndrite.emulator.golden.learn.errors import converted, derivative, hidden_error
from ndrite.emulator.golden.learn.fast import FastLearner
from ndrite.emulator.golden.noise import words
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.errors import SpecError
from ndrite.emulator.spec.learning import (
    CODE_SHIFT,
    DOMAIN_CYCLE,
    DOMAIN_DEVICE,
    DOMAIN_TRAIN,
    Counts,
    Learning,
    pulse_constant,
)
from ndrite.emulator.spec.noise import gaussian_table
from tests.marks import long_where
from tests.naive.learning import Naive, clip, rshift_round
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
"""What layers have besides weights, devices whose pulses are taken one after the
other, and tables."""
SLOTS = [(0, 1), (1, 2), (2, 15), (0, 31)]
SLOTS_IN_BETWEEN = SLOTS[2:3]
"""Seeds and numbers of time slots in a pulse train."""


class Counting(Naive):
    """Counts right answers and the pulses of each layer."""

    def __init__(self, learning: Learning, seed: int) -> None:
        super().__init__(learning, seed, list(gaussian_table()))
        self.right, self.pulses, self.sums = 0, [0] * len(learning.layers), [0]

    def forward(self, i: int, x: list[int], update: int) -> list[int]:
        self.sums = super().forward(i, x, update)
        return self.sums

    def move(self, law: Any, i: int, row: int, m: int, n: int, up: bool, update: int) -> None:
        self.pulses[i] += n
        super().move(law, i, row, m, n, up, update)

    def learn(self, x: np.ndarray, labels: np.ndarray, first_update: int) -> Counts:
        for i, (sample, label) in enumerate(zip(x, labels, strict=True)):
            self.update(sample.tolist(), int(label), first_update + i)
            self.right += self.sums.index(max(self.sums)) == label
        return Counts(len(x), self.right, tuple(self.pulses))


def is_naive(learning: Learning, seed: int, count: int = 6) -> None:
    """The plain learner counts and does what the naive one does."""
    x, labels = samples(learning, seed, count)
    plain, naive = Learner(learning, seed=11 + seed), Counting(learning, 11 + seed)
    assert plain.learn(x, labels, first_update=40) == naive.learn(x, labels, 40)
    for a, b in zip(plain.states, naive.states, strict=True):
        assert a.tolist() == b
    assert (plain.states[-1] != learning.layers[-1].states).any()


def is_compiled(learning: Learning, seed: int, first: int) -> None:
    """The compiled learner counts and does what the plain one does, with read
    noise and without."""
    x, labels = samples(learning, seed, 12)
    for noise in (True, False):
        plain, fast = (kind(learning, seed=5, noise=noise) for kind in (Learner, FastLearner))
        assert plain.learn(x, labels, first_update=first) == fast.learn(x, labels, first_update=first)
        for a, b in zip(plain.states, fast.states, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("beside", BESIDE, ids=" + ".join)
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("seed", long_where((0, 3).__contains__, range(4)))
def test_plain_is_the_naive_model(seed: int, corner: bool, beside: dict[str, bool]) -> None:
    sizes = ((5, 4), (20, 6, 3), (3, 2, 5, 4), (18, 3))[seed]
    is_naive(drawn(seed, sizes=sizes, corner=corner, **beside), seed)


@pytest.mark.parametrize("beside", BESIDE, ids=" + ".join)
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize(("seed", "slots"), long_where(SLOTS_IN_BETWEEN.__contains__, SLOTS))
def test_compiled_is_the_plain_one(seed: int, slots: int, corner: bool, beside: dict[str, bool]) -> None:
    is_compiled(drawn(100 + seed, slots=slots, corner=corner, **beside), seed, (1 << 32) - 6)


def with_parts(learning: Learning, **changes: Any) -> Learning:
    """Every layer with ``changes``; those of its ECRAMs, fast devices and tiles are
    dictionaries, of which what such a part does not have is left out."""
    layers = []
    for layer in learning.layers:
        fields = dict(changes)
        for name in ("tuned", "transfer"):
            part, of = getattr(layer, name), fields.pop(name, {})
            if part is not None:
                known = {field.name for field in dataclasses.fields(part)}
                fields[name] = dataclasses.replace(part, **{k: v for k, v in of.items() if k in known})
        layers.append(dataclasses.replace(layer, **fields))
    return dataclasses.replace(learning, layers=tuple(layers))


def with_curves(learning: Learning, nodes: np.ndarray) -> Learning:
    """Neurons whose curves go straight through codes ``nodes`` (Q, segments + 1)."""
    bits = learning.program.layers[0].table_bits
    nodes = nodes << bits
    curves = {"curve_base": nodes[:, :-1].astype(np.int32), "curve_slope": np.diff(nodes).astype(np.int32)}
    return dataclasses.replace(learning, program=dataclasses.replace(learning.program, **curves))


def beyond_codes(learning: Learning) -> Learning:
    """Curves that leave the codes and come back, and touch their ends."""
    rng, (curves, segments) = np.random.default_rng(0), learning.program.curve_base.shape
    return with_curves(learning, rng.choice([-90, -1, 0, 1, 128, 254, 255, 256, 400], (curves, segments + 1)))


def faint(learning: Learning) -> Learning:
    """Every error and every reading gives pulses, and many of them are of one step:
    outputs are 254 or 253, one ECRAM's state more gives one code more or less, and fast
    devices are a code off their references."""
    curves, segments = learning.program.curve_base.shape
    nodes = np.repeat(254 - np.arange(curves)[:, None] % 2, segments + 1, axis=1)
    often = {"rate": 65535, "shift": 0, "threshold": 1, "every": 1, "ratio": 1}
    learning = with_parts(
        with_curves(learning, nodes), column_rate=65535, column_shift=0, tuned=often, transfer=often
    )
    layers, rng = [], np.random.default_rng(0)
    for layer, of in zip(learning.layers, learning.program.layers, strict=True):
        states, first = layer.states.copy(), layer.fast_row(of.inputs)
        states[first:] = rng.integers(-1, 2, states[first:].shape) << CODE_SHIFT
        layers.append(dataclasses.replace(layer, states=states))
    return dataclasses.replace(learning, layers=tuple(layers))


def slow(learning: Learning) -> Learning:
    """Hidden columns and ECRAMs have the least probability of a pulse, and errors of
    less than a code."""
    least = {"back_bits": 4, "slope_shift": 29}
    slowed = with_parts(learning, **least, column_shift=63, tuned={"shift": 63})
    last = dataclasses.replace(learning.layers[-1], **least)
    return dataclasses.replace(learning, layers=(*slowed.layers[:-1], last))


def saturated(learning: Learning) -> Learning:
    """The neurons before the last layer are at the end of their curves, so that no
    error comes back through them; the layer before has errors of read noise alone."""
    layers = list(learning.layers)
    bias = np.full(layers[-2].columns, 1 << 29, np.int32)
    layers[-2] = dataclasses.replace(layers[-2], bias=bias, back_sigma=60_000)
    return dataclasses.replace(learning, layers=tuple(layers))


UNUSUAL = [
    (beyond_codes, {}),
    (beyond_codes, {"tuned": True}),
    (faint, {}),
    (faint, {"coarse": True}),
    (faint, {"tuned": True}),
    (faint, {"transfer": True}),
    (faint, {"coarse": True, "transfer": True}),
    (faint, {"tiles": True}),
    (slow, {"tuned": True}),
    (saturated, {}),
    (partial(with_parts, back_sigma=9000, back_var=0), {}),  # noise of converters alone
]
"""Learning programs that random ones hardly come to."""


@pytest.mark.parametrize(("change", "beside"), UNUSUAL)
def test_plain_is_the_naive_model_at_ends_of_ranges(change: Any, beside: dict[str, bool]) -> None:
    is_naive(change(drawn(7, sizes=(5, 6, 4, 3), slots=9, **beside)), 7)


@pytest.mark.parametrize(("change", "beside"), UNUSUAL)
def test_compiled_is_the_plain_one_at_ends_of_ranges(change: Any, beside: dict[str, bool]) -> None:
    """The layers have 17, 16 and 31 rows, in tiles of 16."""
    is_compiled(change(drawn(7, sizes=(17, 16, 31, 3), slots=8, **beside)), 7, 3)


@pytest.mark.parametrize("kind", [Learner, FastLearner], ids=["plain", "compiled"])
def test_a_learner_begins_with_seed_0_noise_and_update_0(kind: Any) -> None:
    learning = drawn(3, sizes=(10, 4), noise=True)
    x, labels = samples(learning, 3, 8)
    usual, told = kind(learning), kind(learning, seed=0, noise=True)
    usual.learn(x, labels)
    told.learn(x, labels, first_update=0)
    np.testing.assert_array_equal(usual.states[0], told.states[0])
    assert (usual.states[0] != learning.layers[0].states).any()


@pytest.mark.parametrize("kind", [Learner, FastLearner], ids=["plain", "compiled"])
@pytest.mark.parametrize(
    ("x", "labels", "accepted"),
    [
        (np.zeros((3, 9), np.uint8), np.zeros(3, int), r"uint8 \(n, 10\)"),
        (np.zeros((3, 10), np.uint8), np.zeros(2, int), r"integers \(3,\)"),
        (np.zeros((3, 10), np.uint8), np.full(3, 4), r"classes 0\.\.3"),
    ],
)
def test_samples_that_do_not_fit_change_no_state(kind: Any, x: Any, labels: Any, accepted: str) -> None:
    learner = kind(SMALL)
    with pytest.raises(SpecError, match=accepted):
        learner.learn(x, labels)
    np.testing.assert_array_equal(learner.states[0], SMALL.layers[0].states)


@pytest.mark.parametrize("kind", [Learner, FastLearner], ids=["plain", "compiled"])
def test_of_equal_sums_the_first_is_the_answer(kind: Any) -> None:
    learning = drawn(3, sizes=(10, 4), noise=False)
    layer = learning.layers[0]
    equal = {"states": np.zeros_like(layer.states), "bias": np.zeros_like(layer.bias)}
    learning = dataclasses.replace(learning, layers=(dataclasses.replace(layer, **equal),))
    program = learning.program.with_layers(
        [dataclasses.replace(learning.program.layers[0], offset=np.zeros(4, np.int16))]
    )
    learning = dataclasses.replace(learning, program=program)
    x = random_inputs(learning.program, np.random.default_rng(0), 1)
    right = [kind(learning).learn(x, np.array([label])).right for label in range(4)]
    assert right == [1, 0, 0, 0]


@pytest.mark.parametrize("kind", [Learner, FastLearner], ids=["plain", "compiled"])
@pytest.mark.parametrize("beside", [{}, {"transfer": True}, {"tiles": True}], ids=" + ".join)
def test_without_noise_a_learner_is_one_of_a_program_without_any(kind: Any, beside: dict[str, bool]) -> None:
    noisy = drawn(5, sizes=(10, 6, 4), noise=True, noisy_readings=bool(beside), **beside)
    silent = with_parts(noisy, back_sigma=0, back_var=0, transfer={"read_sigma": 0})
    layers = [dataclasses.replace(layer, sigma_out=0, var_cell=0) for layer in noisy.program.layers]
    silent = dataclasses.replace(silent, program=noisy.program.with_layers(layers))
    x, labels = samples(noisy, 5, 8)
    without, other, noise = kind(noisy, noise=False), kind(silent), kind(noisy)
    for learner in (without, other, noise):
        learner.learn(x, labels)
    for a, b in zip(without.states, other.states, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(without.states, noise.states, strict=True))


@pytest.mark.parametrize(
    ("numba", "kind"), [(False, Learner), (True, FastLearner)], ids=["without numba", "with numba"]
)
def test_make_learner_passes_everything_on(numba: bool, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the learner in loops where numba is there."""
    monkeypatch.setattr("ndrite.emulator.golden.learn.available", lambda: numba)
    learning = drawn(3, sizes=(10, 4), noise=True)
    states = [layer.states // 2 for layer in learning.layers]
    x, labels = samples(learning, 3, 4)
    for options in ({}, {"seed": 7}, {"noise": False}, {"states": states}):
        learner, told = make_learner(learning, **options), Learner(learning, **options)
        assert type(learner) is kind
        for one in (learner, told):
            one.learn(x, labels)
        np.testing.assert_array_equal(learner.states[0], told.states[0])


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


def test_a_neuron_has_a_slope_inside_its_voltages_and_codes() -> None:
    """At every voltage, of curves that leave the codes."""
    learning = beyond_codes(drawn(7, sizes=(5, 6, 4, 3)))
    program, layer, shift = learning.program, learning.program.layers[0], 12
    f, h = layer.segment_bits, layer.table_bits
    for v in range(-2048, 2048):
        segment, r = divmod(v + 2048, 1 << f)
        wanted = []
        for q, scale in zip(layer.curve.tolist(), layer.scale.tolist(), strict=True):
            base, slope = int(program.curve_base[q, segment]), int(program.curve_slope[q, segment])
            inside = -2048 < v < 2047 and 0 <= rshift_round((base << f) + slope * r, f + h) <= 255
            wanted.append(clip(rshift_round(slope * scale, shift), -(1 << 17), (1 << 17) - 1) * inside)
        voltages = np.full(layer.outputs, v)
        found = derivative(voltages, layer, program.curve_base, program.curve_slope, shift)
        assert found.tolist() == wanted, v


def test_errors_of_0_have_exponent_0() -> None:
    error, exponent = hidden_error(np.array([3, -5]), np.zeros(2, int))
    assert (error.tolist(), exponent) == ([0, 0], 0)


@pytest.mark.parametrize("shift", [0, 1, 20, 63])
def test_the_probability_of_a_columns_pulse_is_of_its_error(shift: int) -> None:
    errors = np.array([0, 1, -1, 2, 100, -255])
    for exponent in (-70, -64, -63, -20, -1, 0, 1, 19, 20, 21, 64):
        chances = [min(65536, abs(e) * 40_000 // 2 ** max(0, shift - exponent)) for e in errors.tolist()]
        assert column_thresholds(errors, exponent, 40_000, shift).tolist() == chances


def test_a_slot_has_a_pulse_where_its_number_is_below_the_threshold() -> None:
    key = key_of(8, DOMAIN_TRAIN, 1, 2, 0)
    numbers = slots(*words(key, 0, np.arange(50)))[:, 0].astype(np.int64)
    assert (trains(numbers, key, 1) == 0).all()
    assert (trains(numbers + 1, key, 1) == 1).all()


@pytest.mark.parametrize(("sigma", "variance"), [(0, 0), (9000, 0), (0, 9000)])
def test_either_noise_of_the_backward_product_is_enough(sigma: int, variance: int) -> None:
    layer = dataclasses.replace(SMALL.layers[0], back_sigma=sigma, back_var=variance, back_bits=12)
    layer = dataclasses.replace(layer, back_gain=1, back_shift=4)
    sums, error, key = np.arange(-20, 20) * 100, np.array([100, -50]), key_of(8, DOMAIN_TRAIN, 1, 2, 0)
    same = converted(sums, error, layer, None) == converted(sums, error, layer, key)
    assert same.all() == (sigma == variance == 0)


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
    (lambda: Learner(SMALL, seed=1 << 64), "seed is 18446744073709551616"),
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
    """Rows, columns, updates and seeds, and rectangles of devices: every bit
    against every other."""
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
