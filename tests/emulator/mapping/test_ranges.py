"""Converters: rules of the arithmetic kept, range used, clipping counted,
mismatch, trimming."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndrite.emulator.golden.array import readout
from ndrite.emulator.mapping import Mitigation
from ndrite.emulator.mapping.ranges import (
    GAIN_CORRECTION,
    AdcRange,
    build,
    column_sums,
    design,
    fitted_gain,
    placed,
    row_voltages,
    trim,
)
from tests.chips import changed
from tests.emulator.spec.test_program import layer


def calibrate(sums, *, adc_bits, dac_bits, policy, ratio=None):
    readout = {"adc_bits": adc_bits, "range_policy": policy}
    chip = changed("ideal", readout=readout, input={"dac_bits": dac_bits})
    return design(sums, np.zeros((1, sums.shape[3]), np.int16), chip, Mitigation(), ratio)


def layer_of(sums, ranges, adc_bits, dac_bits):
    fields = {"gain": ranges.gain, "offset": ranges.offset, "shift": ranges.shift}
    return layer(1, sums.shape[3], dac_bits=dac_bits, adc_bits=adc_bits, **fields)


@given(
    seed=st.integers(0, 2**32 - 1),
    adc_bits=st.sampled_from([4, 8, 12]),
    dac_bits=st.sampled_from([1, 4, 8]),
    size=st.sampled_from([1, 300, 3e4]),
)
@settings(max_examples=40, deadline=None)
def test_conversion_error_is_the_steps_rounding(seed, adc_bits, dac_bits, size):
    rng = np.random.default_rng(seed)
    spread, centre = size * np.array([1, 0.2, 3]), size * np.array([0, 1, -1])
    sums = np.rint(rng.uniform(-1, 1, (2, 8 // dac_bits, 60, 3)) * spread + centre).astype(np.int64)
    ranges = calibrate(sums, adc_bits=adc_bits, dac_bits=dac_bits, policy="column")
    assert 0 <= ranges.shift <= 47
    assert ranges.gain.max() >= 1 << 14 or ranges.shift == 47, "the gains use most of their 16 bits"
    converters = layer_of(sums, ranges, adc_bits, dac_bits)
    got = (readout(sums[0, 0], converters, 0) - ranges.offset.astype(np.int64)) * ranges.lsb
    bound = 1 << (adc_bits - 1)
    inside = np.abs(readout(sums[0, 0], converters, 0) + 0.5) < bound - 0.5
    assert (np.abs(got - sums[0, 0])[inside] <= 0.5001 * np.broadcast_to(ranges.lsb, got.shape)[inside]).all()


def test_clipping_is_counted_as_the_golden_readout_clips():
    rng = np.random.default_rng(0)
    sums = np.rint(rng.normal(size=(1, 1, 5000, 4)) * 1000).astype(np.int64)
    ranges = calibrate(sums, adc_bits=4, dac_bits=8, policy="column")
    narrow, wide = (readout(sums[0, 0], layer_of(sums, ranges, bits, 8), 0) for bits in (4, 12))
    assert ranges.clipped > 0
    assert ranges.clipped == pytest.approx((narrow != wide).mean(), abs=1e-4)


def test_output_layers_get_equal_logit_steps():
    rng = np.random.default_rng(1)
    sums = np.rint(rng.normal(size=(1, 1, 500, 5)) * 1000).astype(np.int64)
    unit = np.array([1, 0.5, 0.3, 2, 1.1])
    ranges = calibrate(sums, adc_bits=8, dac_bits=8, policy="column", ratio=unit)
    step = ranges.lsb * unit
    assert np.ptp(step) / step.mean() < 1e-3
    # The column with the largest logits decides.
    half = np.ptp(sums[0, 0], axis=0) / 2
    assert 0.39 < step.mean() * 255 / 2 / (half * unit).max() < 1.06
    assert np.ptp(calibrate(sums, adc_bits=8, dac_bits=8, policy="layer").gain) == 0


def weighted_error(sums, ranges, adc_bits, dac_bits):
    """Mean square (M,) of what the golden converters leave of the sums, slices at
    their place values."""
    converters = layer_of(sums, ranges, adc_bits, dac_bits)
    total = 0.0
    for t, j in np.ndindex(sums.shape[:2]):
        # ``readout`` returns the code at its place value.
        place = 1 << (j * dac_bits)
        got = (readout(sums[t, j], converters, j) / place - ranges.offset) * ranges.lsb
        total = total + np.square((got - sums[t, j]) * place).mean(axis=0)
    return total / np.prod(sums.shape[:2])


def at_factor(sums, ranges, factor):
    """A range about the same middle, ``factor`` of its span."""
    gain = ranges.gain / factor
    offset = np.rint((ranges.offset + 0.5) / factor - 0.5)
    return AdcRange(gain, offset, ranges.shift, 0.0)


@pytest.mark.parametrize(
    ("dac_bits", "wide", "unit"), [(8, 1.0, None), (4, 1.0, None), (4, 1.6, None), (8, 1.0, [0.05, 1.0])]
)
def test_no_other_range_loses_less(dac_bits, wide, unit):
    """Slices count by the square of their place value, clipping and rounding by what
    they really cost. One range for all is chosen in equal steps: a column of large sums
    that stand for small logits decides not."""
    rng = np.random.default_rng(0)
    if unit is None:
        sums = rng.normal(size=(1, 8 // dac_bits, 4000, 3)) * 2000
        sums[:, 0] *= wide  # where it counts least
    else:
        sums = np.stack([rng.uniform(-2e4, 2e4, 4000), 1e3 * rng.normal(size=4000)], axis=-1)[None, None]
    sums = np.rint(sums).astype(np.int64)
    ratio = None if unit is None else np.array(unit)
    ranges = calibrate(sums, adc_bits=4, dac_bits=dac_bits, policy="column", ratio=ratio)

    def lost(of):
        error = weighted_error(sums, of, 4, dac_bits)
        return error if ratio is None else (error * ratio**2).sum()

    for factor in (0.7, 0.8, 1.25, 1.4):
        assert (lost(at_factor(sums, ranges, factor)) > lost(ranges) * 0.995).all()


@pytest.mark.parametrize(("adc_bits", "dac_bits"), [(4, 8), (6, 4), (8, 2)])
@pytest.mark.parametrize("policy", ["column", "layer"])
def test_of_the_ranges_tried_the_one_of_least_error_is_taken(adc_bits, dac_bits, policy):
    """Clipping squared, and steps over the root of 12, summed by hand at the
    slices' place values."""
    rng, codes = np.random.default_rng(3), 2**adc_bits - 1
    sums = np.rint(rng.normal(size=(2, 8 // dac_bits, 60, 150)) * 1e4 * rng.uniform(1, 2, 150)).astype(
        np.int64
    )
    places = 4.0 ** (dac_bits * np.arange(8 // dac_bits))[None, :, None, None]
    low, high = sums.min(axis=(0, 1, 2)), sums.max(axis=(0, 1, 2))
    halves, errors = (high - low) / 2 * np.linspace(1.05, 0.4, 14)[:, None], []
    if policy == "layer":
        halves = np.repeat(halves.max(axis=1, keepdims=True), 150, axis=1)
    for half in halves:
        beyond = np.square(np.maximum(np.abs(sums - (low + high) / 2) - half, 0)) * places
        errors.append(beyond.mean(axis=(0, 1, 2)) + np.square(2 * half / codes) / 12 * places.mean())
    errors = np.array(errors) if policy == "column" else np.sum(errors, axis=1, keepdims=True).repeat(150, 1)
    wanted = halves[errors.argmin(axis=0), np.arange(150)]
    ranges = calibrate(sums, adc_bits=adc_bits, dac_bits=dac_bits, policy=policy)
    np.testing.assert_allclose(ranges.lsb * codes / 2, wanted, rtol=1e-4)
    assert (wanted < halves[1]).any()


@pytest.mark.parametrize("seed", range(4))
def test_of_columns_in_equal_steps_errors_count_by_the_square_of_their_logits(seed):
    """Where the two kinds of columns want different ranges: ten have outliers,
    and small ratios."""
    rng, codes = np.random.default_rng(seed), 15
    ratio = np.repeat([0.2, 1.0], [10, 30])
    sums = rng.normal(size=(1, 1, 400, 40)) * 1e3
    sums[..., :10] *= np.where(rng.random((400, 10)) < 0.05, 5, 1)
    sums = np.rint(sums / ratio).astype(np.int64)
    flat = sums[0, 0]
    middle, half = (flat.max(0) + flat.min(0)) / 2, np.ptp(flat, axis=0) / 2
    best = []
    for factor in np.linspace(1.05, 0.4, 14):
        wide = factor * (half * ratio).max() / ratio
        beyond = np.square(np.maximum(np.abs(flat - middle) - wide, 0)).mean(axis=0)
        best.append((np.sum((beyond + np.square(2 * wide / codes) / 12) * ratio**2), factor))
    ranges = calibrate(sums, adc_bits=4, dac_bits=8, policy="column", ratio=ratio)
    wanted = min(best)[1] * (half * ratio).max() / ratio
    np.testing.assert_allclose(ranges.lsb * codes / 2, wanted, rtol=1e-3)


def test_a_range_far_from_zero_is_no_finer_than_its_offset_can_say():
    """12 bits: sums that hardly move about 50,000 want an offset of thousands of
    steps; 2047 is the end."""
    sums = np.rint(5e4 + np.random.default_rng(0).uniform(-30, 30, (1, 1, 500, 2))).astype(np.int64)
    sums[..., 1] *= -1
    ranges = calibrate(sums, adc_bits=12, dac_bits=8, policy="column")
    assert ranges.clipped == 0
    assert np.abs(ranges.offset.astype(int)).min() > 1500, "as fine as it can"
    converters = layer_of(sums, ranges, 12, 8)
    got = (readout(sums[0, 0], converters, 0) - ranges.offset.astype(np.int64)) * ranges.lsb
    assert (np.abs(got - sums[0, 0]) <= 0.51 * ranges.lsb + 1e-9).all()


def test_a_dead_column_leaves_the_others_their_gain_bits():
    sums = np.zeros((1, 1, 100, 3), np.int64)
    sums[..., 0] = np.random.default_rng(0).integers(-64_000, 64_000, 100)
    sums[..., 1] = np.random.default_rng(1).integers(-64, 64, 100)
    ranges = calibrate(sums, adc_bits=8, dac_bits=8, policy="column")
    # A 64th of the widest range, and of that the least factor tried.
    assert ranges.gain.max() / ranges.gain.min() < 1.05 * 64 / 0.4
    assert calibrate(sums * 0, adc_bits=8, dac_bits=8, policy="column").lsb.max() < 1


@pytest.mark.parametrize("centre", [0.0, 300.0, 333.0, -777.0, 1234.0])
def test_both_ends_of_an_even_range_are_in_it(centre):
    """Codes are -128..127: the middle of a range is half a step below code 0, or
    its top is cut off."""
    sums = np.rint(centre + np.linspace(-1000, 1000, 2001))[None, None, :, None].astype(np.int64)
    ranges = calibrate(sums, adc_bits=4, dac_bits=8, policy="column")
    codes = readout(sums[0, 0], layer_of(sums, ranges, 4, 8), 0)[:, 0]
    below, above = (codes == -8).sum(), (codes == 7).sum()
    # An even load: neither end takes more than what its own width explains.
    step = float(ranges.lsb[0])
    assert max(below, above) < 1.75 * step


def chip_with(rows=128, dac_bits=8, **readout):
    return changed("wan2022", array={"rows": rows}, input={"dac_bits": dac_bits}, readout=readout)


def a_range(gain, offset=0):
    columns = len(gain)
    return AdcRange(np.array(gain, np.uint16), np.full(columns, offset, np.int16), 8, 0.0)


@pytest.mark.parametrize(("dac_bits", "largest"), [(8, 255), (4, 15), (1, 1)])
@pytest.mark.parametrize("kind", ["first", "last"])
def test_a_range_without_samples_is_the_largest_sum_of_any_tile(dac_bits, largest, kind):
    """Tiles are converted one by one: the worst of them counts, wherever it is,
    not all together."""
    codes = np.tile(np.array([3, -5, 1], np.int16), (24, 1))
    worst = slice(0, 8) if kind == "first" else slice(16, 24)
    codes[worst, 0] = np.array([200, -100] * 4)
    sums = np.zeros((3, 8 // dac_bits, 20, 3), np.int64)
    chip = chip_with(rows=8, dac_bits=dac_bits)
    got = design(sums, codes, chip, Mitigation(range_calibration=False), None)
    bound = largest * np.array([4 * 200 + 4 * 100, 8 * 5, 8 * 1])
    np.testing.assert_allclose(got.lsb * 255, 2 * np.maximum(bound, bound.max() / 64), rtol=2e-3)
    assert (got.offset == 0).all()


def test_mismatch_stays_within_what_gain_and_offset_can_be():
    chip = chip_with(gain_mismatch_percent=30.0, offset_mismatch_lsb=64.0)
    drawn = np.random.default_rng(0).standard_normal((2, 4000))
    low = build(a_range([1] * 4000, -2040), chip, drawn)
    high = build(a_range([65_000] * 4000, 2040), chip, drawn)
    assert (low.gain.min(), low.offset.min()) == (1, -2048)
    assert (high.gain.max(), high.offset.max()) == (65_535, 2047)


def test_trimming_multiplies_the_gain():
    got = trim(a_range([1000, 2000, 1, 65_535], 7), np.array([1.5, 0.5, 0.25, 4.0]))
    assert got.gain.tolist() == [1500, 1000, 1, 65_535]
    assert got.offset.tolist() == [7] * 4


def test_a_columns_gain_is_fitted_about_its_means_and_limited():
    linear = np.random.default_rng(0).normal(size=(500, 5))
    wanted = linear * [1.25, 100.0, 0.01, -3.0, 1.0] + [50.0, 0, 0, 0, 0]
    linear[:, 4] = 7.0  # dead
    got = fitted_gain("column", wanted, linear)
    low, high = GAIN_CORRECTION
    assert (low, high) == (0.25, 4.0)
    np.testing.assert_allclose(got, [1.25, high, low, low, 1.0])


def test_a_common_gain_weights_columns_by_their_neurons():
    wanted = np.random.default_rng(0).normal(size=(500, 2)) * [1.0, 10.0]
    got = fitted_gain("common", wanted, wanted / [2.0, 4.0], np.array([1.0, 10.0]))
    np.testing.assert_allclose(got, [2.4, 2.4], rtol=0.02)
    for how, linear in (("none", wanted / 2.0), ("common", 0 * wanted)):
        np.testing.assert_array_equal(fitted_gain(how, wanted, linear), [1.0, 1.0])


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
def test_slices_and_tiles_add_up_at_their_place_values(dac_bits):
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 256, (9, 40), dtype=np.uint8), rng.integers(-255, 256, (40, 3)).astype(np.int16)
    sums = placed(column_sums(x, w, 16, dac_bits), chip_with(dac_bits=dac_bits))
    np.testing.assert_array_equal(sums, x.astype(float) @ w)


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
def test_row_voltages_are_the_root_mean_square_of_the_slices(dac_bits):
    x = np.random.default_rng(0).integers(0, 256, (40, 3), dtype=np.uint8)
    x[:, 0], x[:, 1] = 255, 0
    volts = []
    for k in range(3):
        slices = [int(v) >> (j * dac_bits) & (2**dac_bits - 1) for v in x[:, k] for j in range(8 // dac_bits)]
        volts.append(0.2 * (sum(s * s for s in slices) / len(slices)) ** 0.5 / (2**dac_bits - 1))
    np.testing.assert_allclose(row_voltages(x, chip_with(dac_bits=dac_bits)), volts)
    assert volts[:2] == pytest.approx([0.2, 0.0])
