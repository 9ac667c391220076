"""The read-noise generator: published cipher vectors, and the statistics the design asks for."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from emulator.golden.noise import gaussian, key_schedule, pass_key, sigma, speck_key_rounds, words
from emulator.spec.noise import gaussian_table
from tests.naive.learning import word

SAMPLES = 100_000


def draws(seed: int, passes: int, columns: int, *, layer: int = 0) -> np.ndarray:
    key = pass_key(seed, np.arange(passes), layer, 0, 0)
    return gaussian(key, np.arange(columns)).astype(np.float64) / 256


def test_speck64_128_published_vector() -> None:
    """Beaulieu et al., ePrint 2013/404, appendix C."""
    schedule = key_schedule(0x0B0A090803020100, 0x13121110, 0x1B1A1918)
    x, y = speck_key_rounds(np.array([0x3B726574], np.uint32), np.array([0x7475432D], np.uint32), schedule)
    assert (int(x[0]), int(y[0])) == (0x8C6FA548, 0x454E028B)


def test_seven_speck32_rounds_are_the_naive_ones() -> None:
    key = [0x1918, 0x1110, 0xFFFF, 0x0100]
    x, y = words(np.array([[key]], np.uint16), 0, np.arange(200))
    for column in (0, 1, 77, 199):
        assert (int(x[0, column]), int(y[0, column])) == word(key, 0, column)


def test_table_is_the_same_everywhere() -> None:
    table = gaussian_table()
    assert len(table) == 512
    assert (table[0], table[255], table[511], sum(table)) == (0, 122, 597, 73975)
    assert all(a <= b for a, b in itertools.pairwise(table))


def test_exact_distribution_of_a_sample() -> None:
    """All 2^20 table combinations, no sampling."""
    a = np.array(gaussian_table())
    values = np.concatenate([a, -a]).astype(float) / 256
    g = (values[:, None] + values[None, :]).ravel()
    assert g.mean() == 0
    assert abs(g.var() - 1) < 0.005
    assert abs(stats.kurtosis(g)) < 0.1
    assert g.max() > 4
    assert 0 < (np.abs(g) > 4).mean() < 2 * 2 * stats.norm.sf(4)


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5])
def test_moments_and_normality_at_1e5_samples(seed: int) -> None:
    g = draws(seed, SAMPLES // 100, 100).ravel()
    error = 1 / math.sqrt(SAMPLES)
    assert abs(g.mean()) < 4 * error
    assert abs(g.var() - 1) < 0.005 + 4 * math.sqrt(2) * error
    assert abs(stats.kurtosis(g)) < 0.1
    assert stats.kstest(g, "norm").pvalue > 0.001


@pytest.mark.parametrize("columns", [(0, 1), (0, 64), (63, 64), (127, 128), (5, 900)])
def test_columns_are_uncorrelated(columns: tuple[int, int]) -> None:
    key = pass_key(11, np.arange(SAMPLES), 0, 0, 0)
    a, b = gaussian(key, np.array(columns)).astype(float).T
    assert_uncorrelated(a, b)


def assert_uncorrelated(a: np.ndarray, b: np.ndarray) -> None:
    bound = 4.5 / math.sqrt(a.size)
    assert abs(np.corrcoef(a, b)[0, 1]) < bound
    assert abs(np.corrcoef(a * a, b * b)[0, 1]) < bound
    assert abs(np.corrcoef(np.abs(a), b)[0, 1]) < bound


def test_all_neighbouring_columns_of_a_tile_are_uncorrelated() -> None:
    key = pass_key(12, np.arange(1 << 15), 3, 2, 1)
    g = gaussian(key, np.arange(64)).astype(float)
    for values in (g, g * g):
        correlation = np.corrcoef(values.T)
        np.fill_diagonal(correlation, 0)
        # 2,016 pairs: the largest of as many normal values lies near 3.5.
        assert np.abs(correlation).max() * math.sqrt(1 << 15) < 5


@pytest.mark.parametrize("step", ["inference", "seed", "layer", "tile", "slice", "high seed"])
def test_neighbouring_streams_are_uncorrelated(step: str) -> None:
    index = np.arange(SAMPLES // 100)

    def stream(seed: int, shift: int, layer: int, tile: int, dac_slice: int) -> np.ndarray:
        key = pass_key(seed, index * 7 + shift, layer, tile, dac_slice)
        return gaussian(key, np.arange(100)).astype(float).ravel()

    base = stream(5, 0, 1, 2, 3)
    other = {
        "inference": (5, 1, 1, 2, 3),
        "seed": (6, 0, 1, 2, 3),
        "layer": (5, 0, 2, 2, 3),
        "tile": (5, 0, 1, 3, 3),
        "slice": (5, 0, 1, 2, 4),
        "high seed": (5 + 2**32, 0, 1, 2, 3),
    }[step]
    assert_uncorrelated(base, stream(*other))


@pytest.mark.parametrize(
    ("energy", "sigma_out", "var_cell"),
    [(0, 0, 0), (0, 65535, 0), (66_000_000, 65535, 65535), (1, 0, 256), (12345, 17, 3), (8_323_200, 0, 1)],
)
def test_sigma_is_the_floor_square_root(energy: int, sigma_out: int, var_cell: int) -> None:
    expected = min(65535, math.isqrt(sigma_out**2 + var_cell * energy // 256))
    assert sigma(np.array([energy]), sigma_out, var_cell).tolist() == [expected]
