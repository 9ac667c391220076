"""Converters: ranges without samples, mismatch and trimming within what registers hold, row voltages."""

import numpy as np
import pytest

from emulator.mapping import Mitigation
from emulator.mapping.ranges import GAIN_CORRECTION, AdcRange, build, design, fitted_gain, row_voltages, trim
from tests.chips import changed


def chip_with(rows=128, dac_bits=8, **readout):
    return changed("wan2022", array={"rows": rows}, input={"dac_bits": dac_bits}, readout=readout)


def a_range(gain, offset=0):
    columns = len(gain)
    return AdcRange(np.array(gain, np.uint16), np.full(columns, offset, np.int16), 8, 0.0)


@pytest.mark.parametrize(("dac_bits", "largest"), [(8, 255), (4, 15), (1, 1)])
@pytest.mark.parametrize("kind", ["first", "last"])
def test_a_range_without_samples_is_the_largest_sum_of_any_tile(dac_bits, largest, kind):
    """Tiles are converted one by one: the worst of them counts, wherever it is, not all together."""
    codes = np.zeros((24, 2), np.int16)
    codes[:, 0], codes[:, 1] = 3, -5
    worst = slice(0, 8) if kind == "first" else slice(16, 24)
    codes[worst, 0] = np.array([200, -100] * 4)
    sums = np.zeros((3, 8 // dac_bits, 20, 2), np.int64)
    chip = chip_with(rows=8, dac_bits=dac_bits)
    got = design(sums, codes, chip, Mitigation(range_calibration=False), None)
    bound = largest * np.array([4 * 200 + 4 * 100, 8 * 5])
    np.testing.assert_allclose(got.lsb * 255, 2 * np.maximum(bound, bound.max() / 64), rtol=2e-3)
    assert (got.offset == 0).all()


def test_mismatch_stays_within_what_gain_and_offset_can_be():
    chip = chip_with(gain_mismatch_percent=30.0, offset_mismatch_lsb=64.0)
    columns = 4000

    def drawn(seed: int) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((2, columns))

    low = build(a_range([1] * columns, -2040), chip, drawn(0))
    high = build(
        a_range([65_000] * columns, 2040), chip, np.random.default_rng(0).standard_normal((2, columns))
    )
    assert (low.gain.min(), low.offset.min()) == (1, -2048)
    assert (high.gain.max(), high.offset.max()) == (65_535, 2047)
    # Seen from the middle: the described deviations, about the designed values.
    middle = build(
        a_range([20_000] * columns, 100), chip, np.random.default_rng(1).standard_normal((2, columns))
    )
    assert middle.gain.std() == pytest.approx(0.3 * 20_000, rel=0.05)
    assert middle.offset.std() == pytest.approx(64, rel=0.05)
    assert middle.offset.mean() == pytest.approx(100, abs=4)
    assert (middle.shift, middle.clipped) == (8, 0.0)


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
