"""ADC calibration: rules of the arithmetic kept, range used, clipping counted truly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.compile.ranges import calibrate, column_sums
from emulator.golden.readout import readout
from emulator.spec import Layer


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


def test_column_sums_add_up_to_the_product():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    w = rng.integers(-255, 256, (30, 4)).astype(np.int16)
    for d in (1, 2, 4, 8):
        sums = column_sums(x, w, 8, d)
        assert sums.shape == (4, 8 // d, 20, 4)
        places = (1 << (d * np.arange(8 // d)))[None, :, None, None]
        np.testing.assert_array_equal((sums * places).sum(axis=(0, 1)), x.astype(np.int64) @ w)
