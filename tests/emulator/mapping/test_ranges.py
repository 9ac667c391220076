"""ADC calibration: rules of the arithmetic kept, range used, clipping counted truly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.golden.readout import readout
from emulator.mapping import Mitigation
from emulator.mapping.ranges import AdcRange, design
from emulator.spec import Layer
from tests.chips import changed


def calibrate(sums, *, adc_bits, dac_bits, policy, ratio=None):
    readout = {"adc_bits": adc_bits, "range_policy": policy}
    chip = changed("ideal", readout=readout, input={"dac_bits": dac_bits})
    return design(sums, np.zeros((1, sums.shape[3]), np.int16), chip, Mitigation(), ratio)


def layer_of(sums, ranges, adc_bits, dac_bits):
    m = sums.shape[3]
    return Layer(
        weights=np.zeros((1, m), np.int16),
        bias=np.zeros(m, np.int32),
        gain=ranges.gain,
        offset=ranges.offset,
        scale=np.zeros(m, np.uint16),
        curve=np.zeros(m, np.uint16),
        dac_bits=dac_bits,
        adc_bits=adc_bits,
        shift=ranges.shift,
    )


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
    layer = layer_of(sums, ranges, adc_bits, dac_bits)
    got = (readout(sums[0, 0], layer, 0) - ranges.offset.astype(np.int64)) * ranges.lsb
    bound = 1 << (adc_bits - 1)
    inside = np.abs(readout(sums[0, 0], layer, 0) + 0.5) < bound - 0.5
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
    assert np.ptp(calibrate(sums, adc_bits=8, dac_bits=8, policy="layer").gain) == 0


def weighted_error(sums, ranges, adc_bits, dac_bits):
    """Mean square (M,) of what the golden converters leave of the sums, slices at their place values."""
    layer = layer_of(sums, ranges, adc_bits, dac_bits)
    total = 0.0
    for t, j in np.ndindex(sums.shape[:2]):
        # ``readout`` returns the code at its place value.
        place = 1 << (j * dac_bits)
        got = (readout(sums[t, j], layer, j) / place - ranges.offset) * ranges.lsb
        total = total + np.square((got - sums[t, j]) * place).mean(axis=0)
    return total / np.prod(sums.shape[:2])


def at_factor(sums, ranges, factor):
    """A range about the same middle, ``factor`` of its span."""
    gain = ranges.gain / factor
    offset = np.rint((ranges.offset + 0.5) / factor - 0.5)
    return AdcRange(gain, offset, ranges.shift, 0.0)


@pytest.mark.parametrize(("dac_bits", "wide"), [(8, 1.0), (4, 1.0), (4, 1.6)])
def test_no_other_range_loses_less(dac_bits, wide):
    """Slices count by the square of their place value, clipping and rounding by what they really cost."""
    sums = np.random.default_rng(0).normal(size=(1, 8 // dac_bits, 4000, 3)) * 2000
    sums[:, 0] *= wide  # where it counts least
    sums = np.rint(sums).astype(np.int64)
    ranges = calibrate(sums, adc_bits=4, dac_bits=dac_bits, policy="column")
    least = weighted_error(sums, ranges, 4, dac_bits)
    for factor in (0.7, 0.8, 1.25, 1.4):
        other = weighted_error(sums, at_factor(sums, ranges, factor), 4, dac_bits)
        assert (other > least * 0.995).all()


def test_one_range_for_all_is_chosen_by_what_it_costs_in_equal_steps():
    """A column of large sums that stand for small logits must not decide."""
    rng = np.random.default_rng(3)
    sums = np.stack([rng.uniform(-2e4, 2e4, 4000), 1e3 * rng.normal(size=4000)], axis=-1)
    sums = np.rint(sums).astype(np.int64)[None, None]
    unit = np.array([0.05, 1.0])
    ranges = calibrate(sums, adc_bits=4, dac_bits=8, policy="column", ratio=unit)
    least = (weighted_error(sums, ranges, 4, 8) * unit**2).sum()
    for factor in (0.7, 0.8, 1.25, 1.4):
        other = weighted_error(sums, at_factor(sums, ranges, factor), 4, 8)
        assert (other * unit**2).sum() > least * 0.995


def test_a_range_far_from_zero_is_no_finer_than_its_offset_can_say():
    """12 bits: sums that hardly move about 50,000 want an offset of thousands of steps; 2047 is the end."""
    sums = np.rint(5e4 + np.random.default_rng(0).uniform(-30, 30, (1, 1, 500, 2))).astype(np.int64)
    sums[..., 1] *= -1
    ranges = calibrate(sums, adc_bits=12, dac_bits=8, policy="column")
    assert ranges.clipped == 0
    assert np.abs(ranges.offset.astype(int)).min() > 1500, "as fine as it can"
    layer = layer_of(sums, ranges, 12, 8)
    got = (readout(sums[0, 0], layer, 0) - ranges.offset.astype(np.int64)) * ranges.lsb
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
    """Codes are -128..127: the middle of a range is half a step below code 0, or its top is cut off."""
    sums = np.rint(centre + np.linspace(-1000, 1000, 2001))[None, None, :, None].astype(np.int64)
    ranges = calibrate(sums, adc_bits=4, dac_bits=8, policy="column")
    codes = readout(sums[0, 0], layer_of(sums, ranges, 4, 8), 0)[:, 0]
    below, above = (codes == -8).sum(), (codes == 7).sum()
    # An even load: neither end takes more than what its own width explains.
    step = float(ranges.lsb[0])
    assert max(below, above) < 1.75 * step
