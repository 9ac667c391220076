"""What is drawn for learning, against what independent draws would do."""

import numpy as np
import pytest
from scipy import stats

from emulator.golden.learn.devices import constants
from emulator.golden.learn.trains import coincidences, trains
from emulator.golden.learn.updater import updated
from emulator.golden.learn.words import key_of
from emulator.golden.noise import words
from emulator.spec.learning import DOMAIN_CYCLE, DOMAIN_DEVICE, DOMAIN_TRAIN, Devices

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


@pytest.mark.slow
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
        "domain": bits(*words(key_of(5, DOMAIN_DEVICE, 0, 0), k[:-1], m[:-1])),
    }
    for name, other in others.items():
        pairs = (flat[:, :, None] ^ other.reshape(-1, 1, 32)).reshape(len(flat), -1)
        assert biased(pairs) < LIMIT, name
    rectangle = here[:-1, :-1] ^ here[1:, :-1] ^ here[:-1, 1:] ^ here[1:, 1:]
    assert biased(rectangle.reshape(-1, 32)) < LIMIT


def test_bytes_of_words_are_uniform() -> None:
    key = key_of(1, DOMAIN_CYCLE, 3, 9)
    x, y = words(key, np.arange(DRAWS) // 128, np.arange(DRAWS) % 128)
    for half in (x, y):
        for shift in (0, 8):
            counts = np.bincount(half >> shift & 255, minlength=256)
            assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.03, 0.6), (0.9, 0.002), (1.0, 1.0)])
@pytest.mark.parametrize("slots", [1, 15, 31])
def test_coincidences_are_binomial(p: float, q: float, slots: int) -> None:
    """Mean and variance of independent trains over updates, and over rows and columns of one update."""
    rows, columns, updates = 24, 24, 300
    counts = np.empty((updates, rows, columns))
    for update in range(updates):
        x = trains(np.full(rows, round(p * 65536)), key_of(2, DOMAIN_TRAIN, 0, update, 0), slots)
        d = trains(np.full(columns, round(q * 65536)), key_of(2, DOMAIN_TRAIN, 0, update, 1), slots)
        counts[update] = coincidences(x, d)
    mean, variance = slots * p * q, slots * p * q * (1 - p * q)
    if p == q == 1.0:
        assert (counts == slots).all()
        return
    # A mean over an update's devices: rows share columns' pulses, so it spreads more than so many draws do.
    shared = (
        slots * p * q * ((1 - p) * q / rows + p * (1 - q) / columns + (1 - p) * (1 - q) / (rows * columns))
    )
    error = np.sqrt(shared / updates)
    assert abs(counts.mean() - mean) < 4.5 * error
    assert counts.mean(axis=(1, 2)).var() == pytest.approx(shared, rel=0.4)
    assert counts.var() == pytest.approx(variance, rel=0.1, abs=2e-3)


def test_slots_of_a_train_are_independent() -> None:
    found = np.concatenate(
        [
            (
                trains(np.full(64, 1 << 15), key_of(8, DOMAIN_TRAIN, 1, update, 0), 31)[:, None]
                >> np.arange(31)
            )
            & 1
            for update in range(DRAWS // 64)
        ]
    )
    assert biased(found) < LIMIT
    pairs = found[:, :, None] ^ found[:, None, :]
    upper = np.triu_indices(31, 1)
    assert biased(pairs[:, *upper]) < LIMIT
    assert biased(found[1:] ^ found[:-1]) < LIMIT


def law(**changes: object) -> Devices:
    flat = np.full(16, 500, np.int16)
    zero = np.zeros(16, np.int16)
    fields = {"step": flat, "asymmetry": zero, "upper": flat, "lower": -flat, "cycle": zero, **changes}
    return Devices(**fields)  # type: ignore[arg-type]


def test_constants_spread_as_their_tables_say() -> None:
    rng = np.random.default_rng(1)
    tables = {
        "step": rng.integers(400, 600, 16).astype(np.int16),
        "asymmetry": rng.integers(-20, 20, 16).astype(np.int16),
        "upper": rng.integers(400, 600, 16).astype(np.int16),
        "lower": rng.integers(-600, -400, 16).astype(np.int16),
    }
    own = constants(law(**tables), key_of(3, DOMAIN_DEVICE, 0, 0), np.arange(128)[:, None], np.arange(128))
    found = {
        "step": (own.up + own.down) / 2,
        "asymmetry": (own.up - own.down) / 2,
        "upper": own.high / 64,
        "lower": own.low / 64,
    }
    for name, values in found.items():
        table = tables[name].astype(float)
        sigma = np.sqrt(2 * table.var())
        assert values.mean() == pytest.approx(2 * table.mean(), abs=4.5 * sigma / 128)
        assert values.std() == pytest.approx(sigma, rel=0.03)
    drawn = np.stack([values.ravel() for values in found.values()])
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 5 / 128


def test_a_change_is_its_pulses_on_average() -> None:
    """Mean n steps, variance n (cycle step)^2 and what rounding adds; both directions."""
    rng = np.random.default_rng(4)
    cycle = rng.normal(0, 20, 16).round().astype(np.int16)
    what = law(cycle=cycle, step_shift=16, slope_up=1 << 15, slope_down=-(1 << 15))
    n, s0 = 5, 12_000
    x, y = words(key_of(3, DOMAIN_CYCLE, 0, 0), np.arange(DRAWS), 0)
    for up in (True, False):
        own = constants(what, key_of(0, DOMAIN_DEVICE, 0, 0), np.zeros(DRAWS, int), 0)
        s = np.full(DRAWS, s0)
        moved = updated(s, np.full(DRAWS, n), np.full(DRAWS, up), own, what, (x, y)) - s
        factor = 1 - (1 if up else -1) * 0.5 * s0 / 65536
        step = 1000 * factor * 64 / 2**16 * (1 if up else -1)
        deviation = np.sqrt(2 * cycle.var()) / 64
        mean = step * (n + np.sqrt(n) * 2 * cycle.mean() / 64)
        variance = n * (deviation * step) ** 2
        total = np.sqrt(variance + 0.25)
        assert moved.mean() == pytest.approx(mean, abs=4.5 * total / 128 + 0.004 * abs(mean))
        assert variance * 0.9 < moved.var() < (variance + 0.27) * 1.05
