"""Every RRAM preset: mean and deviation against the cited formula, as ``cited`` has it a second time."""

import dataclasses

import numpy as np
import pytest

from emulator.chips import Chip, list_chips, load_chip
from emulator.compile.cells import make_cells
from emulator.compile.mitigation import Mitigation
from emulator.errors import PhysicsError
from emulator.physics.drift import DRIFTS, age
from emulator.physics.faults import Faults
from emulator.physics.rram import cmo_read_sigma
from tests.emulator.physics.cited import CMO_DRIFT, PROGRAMMING, wan_day

CELLS = 100_000


def cells_at(chip: Chip, g: float, seed: int):
    """10^5 cells with the target ``g``, both sides of 50,000 pairs."""
    target = np.full((2, CELLS // 2, 1), g)
    ideal = dataclasses.replace(chip.array, wire_resistance_ohm=0.0, access_resistance_ohm=0.0)
    chip = dataclasses.replace(chip, array=ideal)
    return make_cells(target, chip, np.random.default_rng(seed), Mitigation(fault_aware=False))


@pytest.mark.parametrize("name", list_chips())
def test_programmed_mean_and_sigma_at_five_conductances(name):
    chip = load_chip(name)
    model = PROGRAMMING[chip.cell.programming_error]
    low, high = chip.cell.g_min_uS, chip.cell.g_max_uS
    for i, part in enumerate((0.15, 0.35, 0.55, 0.75, 1.0)):
        g = low + part * (high - low)
        got, sigma = cells_at(chip, g, seed=i).programmed, model(g)
        assert got.mean() == pytest.approx(g, abs=4.5 * sigma / CELLS**0.5)
        assert got.std() == pytest.approx(sigma, rel=4.5 / (2 * CELLS) ** 0.5)


@pytest.mark.parametrize("days", [1 / 86400, 1, 1000])
def test_ibm_drift_at_the_chips_time(days):
    chip = load_chip("ibm-cmo-hfox-2")
    time = days * 86400
    chip = _at(chip, time)
    shift, spread = (law(time) for law in CMO_DRIFT)
    for g in (20.0, 50.0, 90.0):
        got = cells_at(chip, g, seed=1).aged
        sigma = np.hypot(PROGRAMMING["ibm-cmo-hfox-2"](g), spread)
        assert got.mean() == pytest.approx(g + shift, abs=4.5 * sigma / CELLS**0.5)
        assert got.std() == pytest.approx(sigma, rel=4.5 / (2 * CELLS) ** 0.5)


def test_wan_relaxation_reaches_the_published_total():
    chip = load_chip("dendritic-ndr")  # one day
    for g in (10.0, 14.0, 20.0, 30.0, 40.0):
        got = cells_at(chip, g, seed=2)
        # Cells that were cut at 0 make the total a little smaller at low conductance.
        assert got.aged.std() == pytest.approx(wan_day(g), rel=0.02)
        assert got.aged.std() > got.programmed.std()
    one, two = (DRIFTS["wan2022"].total(20.0, t) for t in (86400.0, 172800.0))
    assert one == pytest.approx(wan_day(20.0))
    middle = DRIFTS["wan2022"].total(20.0, 86400.0 * 2**0.5)
    assert middle == pytest.approx((one + two) / 2)


def test_times_outside_the_models_are_refused():
    g = np.ones(3)
    with pytest.raises(PhysicsError, match=r"time_s is 0.5; accepted: 1..172800"):
        age(g, g, DRIFTS["wan2022"], 0.5, g)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.02, 0.0), (0.001, 0.05), (0.0904, 0.0175)])
def test_stuck_rates(low, high):
    stuck = Faults(low, high, 1.0, 30.0).draw((CELLS,), np.random.default_rng(3))
    for value, rate in ((-1, low), (1, high)):
        assert (stuck == value).mean() == pytest.approx(rate, abs=4.5 * (rate * (1 - rate) / CELLS) ** 0.5)
    got = Faults(low, high, 1.0, 30.0).apply(np.full(CELLS, 7.0), stuck)
    assert set(np.unique(got)) <= {1.0, 7.0, 30.0}
    assert (got == 1.0).sum() == (stuck == -1).sum()


def test_cmo_read_noise_is_the_cited_figure():
    # 0.17 uS at 50 uS and one second: the arithmetic of facts, independent of this code.
    assert cmo_read_sigma(50.0, 1.0) == pytest.approx(0.17, abs=0.005)
    assert cmo_read_sigma(0.5, 1.0) == 0.0


def _at(chip: Chip, time: float) -> Chip:
    conditions = dataclasses.replace(chip.conditions, time_since_programming_s=time)
    return dataclasses.replace(chip, conditions=conditions)
