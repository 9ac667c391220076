"""PWL tables of curves and of functions of codes: error bound, optimality, exact
arithmetic, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndrite.emulator.device.ndr.curves import Bell, Esaki, tunnel
from ndrite.emulator.device.ndr.pwl import CODES, SEGMENTS, fit_pwl
from ndrite.emulator.device.ndr.window import HIGHS, LOWS, Window, _inside, _several, _tails, choose_window
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.neuron import neuron
from ndrite.emulator.mapping.curves import Curves, placed
from ndrite.emulator.network.activation import NAMED
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.steps import Table
from tests.emulator.spec.test_program import layer
from tests.refusals import refused

SHAPES = {
    "tunnel": tunnel,
    "esaki": lambda u: np.clip(Esaki().shape(u), 0, 1),
    "bell": Bell(0.1, 1e-3, 0.05).shape,
    **NAMED,
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_error_is_within_the_window_estimate_and_reported_truly(name):
    shape = SHAPES[name]
    window = choose_window(shape)
    wanted = np.clip(255 * np.array([[1.0], [0.37]]) * shape(window.values()), 0, 255)
    table = fit_pwl(wanted)
    got = table.evaluate().astype(float)
    np.testing.assert_allclose(table.error_lsb, np.abs(got - wanted).max(axis=1))
    if name == "tunnel":
        assert (window.low, got[0, : CODES // 32].max()) == (0.0, 0), "off below zero volts, exactly"
        assert max(table.max_error_lsb, window.tail_lsb) < 4.5
    # A line within half the spread about the chord exists; rounding of output, base and
    # slope adds < 0.6.
    pieces = np.pad(wanted, ((0, 0), (0, 1)), mode="edge")
    f = CODES // SEGMENTS
    for q, curve in enumerate(pieces):
        chords = np.interp(np.arange(CODES + 1), np.arange(0, CODES + 1, f), curve[::f])
        spread = (curve - chords)[:CODES].reshape(SEGMENTS, f)
        assert table.error_lsb[q] <= np.ptp(spread, axis=1).max() / 2 + 0.6


@pytest.mark.parametrize("name", [*SHAPES, "jump"])
def test_no_window_is_better_than_the_chosen_one(name):
    """Of all that are tried, each looked at closely: the first with the least error."""
    shape = SHAPES.get(name, lambda u: np.where(u < 1.3, u / 2, 0.1).clip(0, 1))
    windows = [Window(low, float(high), SEGMENTS, 0.0) for low in LOWS for high in HIGHS]
    errors = np.maximum(_tails(_several(shape), windows), _inside(_several(shape), windows, 1.0))
    best, chosen = windows[errors.argmin()], choose_window(shape)
    assert (chosen.low, chosen.high) == (best.low, best.high)


@pytest.mark.parametrize("segments", [16, 64])
def test_a_window_spans_all_segments_but_the_first(segments):
    window = Window(-1.0, 3.0, segments, 0.0)
    u = window.values()
    assert u[CODES // segments] == pytest.approx(-1.0), "the first segment lies below"
    assert 2 * u[-1] - u[-2] == pytest.approx(3.0)
    assert u[round(window.zero) + 2048] == pytest.approx(0.0, abs=1 / window.per_unit)


@pytest.mark.parametrize("name", ["tunnel", "bell", "sigmoid", "tanh"])
def test_tails_are_what_the_window_leaves_out(name):
    """Beyond either end the curve is held: the largest difference there, in output
    steps, up to 40 units."""
    shape = SHAPES[name]
    window = choose_window(shape)
    first, last = window.values()[[0, -1]]
    below, above = np.linspace(-40, first, 20_001), np.linspace(last, 40, 20_001)
    left = np.abs(shape(below) - shape(first)).max()
    right = np.abs(shape(above) - shape(last)).max()
    assert window.tail_lsb == pytest.approx(255 * max(left, right), abs=0.01)


def test_slopes_are_rounded_to_the_nearest():
    slopes = fit_pwl(np.arange(0, 255, 7.3)[:, None] * np.linspace(0, 1, CODES)).slope
    wanted = np.arange(0, 255, 7.3)[:, None] / (CODES - 1) * (CODES // SEGMENTS) * 64
    assert np.abs(slopes - wanted).max() <= 0.501


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_tables_evaluate_as_the_golden_neuron_does(seed):
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0, 255, (3, 9))
    wanted = np.array([np.interp(np.arange(CODES), np.linspace(0, CODES, 9), row) for row in knots])
    table = fit_pwl(wanted)
    neurons = layer(1, 3, curve=np.arange(3, dtype=np.uint16))
    v = np.repeat(np.arange(-2048, 2048)[:, None], 3, axis=1)
    np.testing.assert_array_equal(neuron(v, neurons, table.base, table.slope).T, table.evaluate())


test_refusals = refused(
    CompileError,
    (fit_pwl, np.full(CODES, 256.0), "curves reach 256.0..256.0; accepted: 0..255"),
    (fit_pwl, np.zeros(5), r"curves have shape \(1, 5\); accepted: \(Q, 4096\)"),
    (fit_pwl, np.full(CODES, np.nan), "accepted: 0..255"),
)


X = np.arange(256)


def computed(values: np.ndarray) -> np.ndarray:
    """What the golden model makes of every code, (Q, 256)."""
    offset, scale, wanted = placed(values)
    table = fit_pwl(wanted)
    count = len(values)
    step = Table(
        sources=(0,),
        channel=np.zeros(count, np.int32),
        offset=offset,
        scale=scale,
        curve=np.arange(count).astype(np.uint16),
    )
    program = Program(
        name="t", rows=128, shape=(1, 1, 1), steps=(step,), curve_base=table.base, curve_slope=table.slope
    )
    return Core(program).infer(X.astype(np.uint8)[:, None]).T


def test_a_kink_costs_little_wherever_it_lies() -> None:
    """A device that is off below code ``k``, rises 12 steps a code at most and falls again."""
    kinks = np.arange(0.0, 200.0, 3.37)
    values = 255 * tunnel(5.0 * (X / 255 - kinks[:, None] / 255))
    error = np.abs(computed(values) - values).max(axis=1)
    assert error.max() < 6
    assert error.mean() < 2.8
    # Without moving the codes: a kink in the middle of a segment of 8 codes.
    v = np.arange(4096) / 16
    plain = fit_pwl(np.array([np.interp(v, X, row) for row in values])).evaluate()[:, ::16]
    assert np.abs(plain - values).max() > 10


def test_a_smooth_function_keeps_the_whole_table() -> None:
    values = 127.5 * (1 + np.sin(X[None] / 40))
    offset, scale, _ = placed(values)
    assert (offset[0], scale[0]) == (-128, 16)
    assert np.abs(computed(values) - values).max() < 1.0


def test_tables_have_the_function_at_every_code_and_straight_lines_between() -> None:
    """A table with a boundary at a kink (scale 15) is bent between the two
    codes beside the kink."""
    values = np.random.default_rng(0).uniform(0, 255, (20, 256))
    offset, scale, wanted = placed(values)
    places = (X + offset[:, None].astype(int)) * scale[:, None].astype(int) + 2048
    np.testing.assert_allclose(np.take_along_axis(wanted, places, axis=1), values, atol=1e-9)
    whole = values.copy()
    whole[:, 1:-1] = np.linspace(whole[:, 1], whole[:, -2], 254, axis=1)  # bends at codes 1 and 254 alone
    offset, scale, wanted = placed(whole)
    plain = scale == 16
    assert plain.any()
    codes = np.arange(255 * 16) / 16
    between = np.array([np.interp(codes, X, row) for row in whole[plain]])
    np.testing.assert_allclose(wanted[plain, : len(codes)], between, atol=1e-9)


def test_every_code_stays_inside_the_table() -> None:
    kinks = np.arange(-20.0, 280.0)
    values = np.clip(9.0 * (X - kinks[:, None]), 0, 255)
    offset, scale, _ = placed(values)
    voltage = (X + offset[:, None].astype(int)) * scale[:, None].astype(int)
    assert voltage.min() >= -2048
    assert voltage.max() <= 2047
    assert set(scale.tolist()) == {15, 16}


def test_straight_lines_are_exact() -> None:
    values = np.array([X * 1.0, 255.0 - X, np.full(256, 77.0)])
    np.testing.assert_array_equal(computed(values), values)
    offset, scale, _ = placed(np.full((1, 256), 77.0))
    assert (offset.tolist(), scale.tolist()) == ([-128], [16]), "a constant has no kink"


def test_equal_curves_share_a_table_unless_each_has_its_own() -> None:
    curves, wanted = Curves(), np.full((2, CODES), 77.0)
    assert curves.fit(wanted)[0].tolist() == [0, 0]
    assert curves.fit(wanted, each=True)[0].tolist() == [1, 2]
    assert curves.add(curves.base[:1], curves.slope[:1]).tolist() == [3]
    assert curves.add(curves.base[:1], curves.slope[:1], each=False).tolist() == [0]
    for table in (Curves().base, Curves().slope):
        np.testing.assert_array_equal(table, np.zeros((1, SEGMENTS)))


def test_a_program_has_65536_curves_at_most() -> None:
    curves, tables = Curves(), np.zeros((1 << 16, SEGMENTS), np.int32)
    assert curves.add(tables, tables)[-1] == 65_535
    with pytest.raises(CompileError, match="number of curves is 65537; accepted: at most 65536"):
        curves.add(tables[:1], tables[:1])


def test_a_segment_begins_at_the_kink_near_the_middle() -> None:
    """By trying all offsets that keep the codes in the table: the first of
    those nearest to -128."""
    kinks = np.arange(3.0, 251.9, 0.3)
    kinks = kinks[
        (kinks % 8 > 1.2) & (kinks % 8 < 6.8) & (kinks % 1 > 0.01)
    ]  # plain segments begin elsewhere
    offset, scale, _ = placed(np.maximum(X - kinks[:, None], 0.0) / 2)
    offsets = np.arange(-136, -118)
    for kink, chosen, step in zip(np.ceil(kinks).astype(int), offset, scale, strict=True):
        segments = ((np.array([kink - 1, kink])[:, None] + offsets) * 15 + 2048) // 128
        possible = offsets[segments[0] != segments[1]]
        assert (chosen, step) == (possible[np.abs(possible + 128).argmin()], 15), kink
