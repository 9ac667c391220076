"""Programming error against the cited formula."""

import numpy as np
import pytest

from emulator.device import IDEAL, MODELS, WAN_2022, effective_read_sigma
from emulator.device.rram.programming import readable
from emulator.device.rram.read_noise import cmo_read_sigma
from emulator.errors import PhysicsError


def cited(g_uS: float) -> float:
    """aihwkit's polynomial for Wan 2022 at 1 s, written out here a second time."""
    x = g_uS / 40
    return 0.348 + 16.030 * x - 43.853 * x**2 + 45.393 * x**3 - 16.815 * x**4


@pytest.mark.parametrize("g", [0.0, 5.0, 14.0, 26.0, 40.0])
def test_wan2022_mean_and_sigma(g):
    n = 100_000
    got = readable(WAN_2022.program(np.full(n, g), np.random.default_rng(int(g))))
    sigma = cited(g)
    if g == 0:  # half the draws are below zero, and zero is the least a cell can have
        assert (got == 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)
        assert np.square(got).mean() == pytest.approx(sigma**2 / 2, rel=0.03)
    else:
        assert got.mean() == pytest.approx(g, abs=4 * sigma / n**0.5)
        assert got.std() == pytest.approx(sigma, rel=4 / (2 * n) ** 0.5)


def test_known_figures():
    grid = WAN_2022.sigma(np.linspace(0, 40, 4001))
    assert grid.max() == pytest.approx(2.30, abs=0.01)
    assert grid.mean() == pytest.approx(1.73, abs=0.01)


@pytest.mark.parametrize("g", [-0.1, 40.1, np.nan])
def test_outside_the_fitted_range_is_refused(g):
    with pytest.raises(
        PhysicsError, match=rf"{g} uS; accepted by programming error model 'wan2022': 0.0..40.0"
    ):
        WAN_2022.program([1.0, g], np.random.default_rng(0))


def test_ideal_changes_nothing():
    g = np.linspace(0, 100, 11)
    np.testing.assert_array_equal(IDEAL.program(g, np.random.default_rng(0)), g)


def test_read_noise_is_a_fraction_of_g_max():
    assert effective_read_sigma(1.0, 40.0) == pytest.approx(0.4)
    with pytest.raises(PhysicsError, match="read_noise_percent is -1"):
        effective_read_sigma(-1, 40.0)
    with pytest.raises(PhysicsError, match="g_max_uS is inf; accepted: 0 or more, finite"):
        effective_read_sigma(1.0, np.inf)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("wan2022", 0, 40), ("milo2021", 50, 225), ("ibm-cmo-hfox-0.2", 8, 90), ("ibm-cmo-hfox-2", 8, 90)],
)
def test_models_hold_over_the_published_range_only(name, low, high):
    model = MODELS[name]
    assert (model.sigma([low, high]) > 0).all()
    for beyond in (low - 0.01, high + 0.01):
        with pytest.raises(PhysicsError, match=f"accepted by programming error model '{name}'"):
            model.sigma(beyond)


def test_read_noise_begins_with_the_read():
    # ln((t + 1 us) / 2 us) is 0 at 1 us, and below it has no root.
    assert cmo_read_sigma(50.0, 1e-6) == 0.0
    with pytest.raises(PhysicsError, match="time_s is 9e-07; accepted: 1e-06 or more, finite"):
        cmo_read_sigma(50.0, 9e-7)
