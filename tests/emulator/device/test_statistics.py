"""Every RRAM preset: mean and deviation against the cited formula, as ``cited`` has
it a second time."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.device.rram.drift import DRIFTS
from ndrite.emulator.device.rram.programming import MODELS, cmo_read_sigma, pcm_read_sigma
from ndrite.emulator.errors import PhysicsError
from ndrite.emulator.mapping.cells import make_cells
from ndrite.emulator.mapping.report import Mitigation
from tests.chips import changed
from tests.emulator.device.cited import CMO_DRIFT, PROGRAMMING, pcm_cells, wan_day

CELLS = 100_000


def ibm(g, time):
    shift, spread = (law(time) for law in CMO_DRIFT)
    return g + shift, np.hypot(PROGRAMMING["ibm-cmo-hfox-2"](g), spread)


def phase_change(g, time):
    """By the source's own procedure, whose law is log-normal."""
    cells = pcm_cells(np.full(CELLS, g), time, np.random.default_rng(5))
    return cells.mean(), cells.std()


@pytest.mark.parametrize(
    ("name", "law", "g", "days"),
    [
        *(("ibm-cmo-hfox-2", ibm, g, days) for g in (20.0, 50.0, 90.0) for days in (1 / 86400, 1, 1000)),
        *(("joshi2020", phase_change, g, days) for g in (2.5, 10.0, 25.0) for days in (0.01, 1, 365)),
    ],
)
def test_drift_has_the_sources_mean_and_deviation(name, law, g, days):
    time = days * 86400
    ideal_wires = {"wire_resistance_ohm": 0.0, "access_resistance_ohm": 0.0}
    chip = changed(name, array=ideal_wires, conditions={"time_since_programming_s": time})
    target = np.full((2, CELLS // 2, 1), g)  # both sides of 50,000 pairs
    got = make_cells(target, chip, np.random.default_rng(4), Mitigation(fault_aware=False)).aged
    mean, sigma = law(g, time)
    assert got.mean() == pytest.approx(mean, abs=6 * sigma / CELLS**0.5)
    assert got.std() == pytest.approx(sigma, rel=0.01 if law is ibm else 0.02)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("wan2022", 0, 40), ("milo2021", 50, 225), ("ibm-cmo-hfox-0.2", 8, 90), ("ibm-cmo-hfox-2", 8, 90)],
)
def test_models_hold_over_the_published_range_only(name, low, high):
    model = MODELS[name]
    assert (model.sigma([low, high]) > 0).all()
    for beyond in (low - 0.01, high + 0.01, np.nan):
        told = rf"{beyond} uS; accepted by programming error model '{name}': {low}\.0\.\.{high}\.0"
        with pytest.raises(PhysicsError, match=told):
            model.program([low, beyond], np.random.default_rng(0))


def test_wan_relaxation_reaches_the_published_total():
    one, two = (DRIFTS["wan2022"].total(20.0, t) for t in (86400.0, 172800.0))
    assert one == pytest.approx(wan_day(20.0))
    middle = DRIFTS["wan2022"].total(20.0, 86400.0 * 2**0.5)
    assert middle == pytest.approx((one + two) / 2)


def test_phase_change_read_noise_by_hand():
    # At 25 uS after a day: 0.0088 * 25 uS * sqrt(ln(86400 / 5e-7)); near 0 uS a fifth
    # of the conductance.
    growth = np.sqrt(np.log(86400 / 5e-7))
    assert pcm_read_sigma(25.0, 86400.0) == pytest.approx(0.22 * growth, rel=1e-6)
    assert pcm_read_sigma(12.5, 86400.0) == pytest.approx(0.11 * growth * 2**0.65, rel=1e-6)
    assert pcm_read_sigma([0.0, 0.02], 86400.0) == pytest.approx([0.0, 0.004 * growth], rel=1e-6)


def test_a_scaled_drift_spreads_more_and_shifts_alike():
    shift, spread = (law(86400.0) for law in CMO_DRIFT)
    g, scaled = np.full(1, 50.0), dataclasses.replace(DRIFTS["ibm-cmo-hfox"], scale=3.0)
    assert scaled.shift(g, 86400.0) == pytest.approx(shift)
    assert scaled.sigma(g, 86400.0) == pytest.approx(3 * spread)
    assert scaled.times_s == DRIFTS["ibm-cmo-hfox"].times_s


def test_cmo_read_noise_is_the_cited_figure():
    # 0.17 uS at 50 uS and one second: the arithmetic of facts, independent of this code.
    assert cmo_read_sigma(50.0, 1.0) == pytest.approx(0.17, abs=0.005)
    assert cmo_read_sigma(0.5, 1.0) == 0.0
    # ln((t + 1 us) / 2 us) is 0 at 1 us, and below it has no root.
    assert cmo_read_sigma(50.0, 1e-6) == 0.0
