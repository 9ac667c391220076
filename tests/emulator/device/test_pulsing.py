"""Programming as pulses: by hand for one cell, and the published law that a window makes."""

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.device.ecram.pulses import LinearStep
from emulator.device.pulsing import Driver, write_verify
from emulator.device.rram.programming import MODELS
from emulator.errors import PhysicsError

DRIVER = Driver(
    set_V=2, reset_V=3, pulse_s=1e-7, pause_s=2e-6, read_V=0.2, read_s=1e-6, forming_V=4, forming_s=5e-3
)
STEPS = LinearStep(step_up=0.1, step_down=0.1, w_min=-1, w_max=1)
RANGE = (10.0, 50.0)  # a pulse is 2 uS


def test_a_cell_by_hand():
    made = write_verify(
        STEPS,
        DRIVER,
        np.array([16.0, 50.0]),
        0.1,
        RANGE,
        np.random.default_rng(0),
        most=7,
        endurance_pulses=1e6,
    )
    passed = np.array([10.0, 12, 14, 16]) * 1e-6
    assert made.pulses.tolist() == [3, 7]
    assert made.reads.tolist() == [4, 8]
    assert made.accepted.tolist() == [True, False], "twenty pulses up, of which seven are had"
    assert made.wear == pytest.approx(7e-6)
    np.testing.assert_allclose(made.conductance_uS, [16, 24])
    assert made.time_s[0] == pytest.approx(5e-3 + 4 * 1e-6 + 3 * 2.1e-6)
    want = 16 * 50e-6 * 5e-3 + (0.04 * passed * 1e-6).sum() + (4 * passed[:3] * 1e-7).sum()
    assert made.energy_J[0] == pytest.approx(want)
    with pytest.raises(PhysicsError, match=r"target_uS is 60..60; accepted: 10..50"):
        write_verify(STEPS, DRIVER, np.array([60.0]), 0.1, RANGE, np.random.default_rng(0))


@pytest.mark.parametrize("target", [20.0, 50.0, 80.0])
def test_the_loop_lands_as_the_published_law_of_its_window_says(target):
    """A ReRAM's pulses, wider than a window of 0.2 %, fill it evenly: 0.2 % / sqrt(3), where IBM published
    0.107 % and 0.8 nS of cells accepted so. Fine steps stop at its near end: no such law."""
    rng, law = np.random.default_rng(1), MODELS["ibm-cmo-hfox-0.2"]
    targets, window = np.full(3000, target), 0.002 * target
    rough, fine = (load_chip(f"ideal+{name}").ecram.device for name in ("rram-gong2018", "ecram-kim2019"))
    made = write_verify(rough, DRIVER, targets, window, law.fitted_uS, rng)
    assert made.accepted.all()
    assert made.conductance_uS.std() == pytest.approx(float(law.sigma(target)), rel=0.1)
    assert abs(made.conductance_uS.mean() - target) < 0.1 * window
    near = write_verify(fine, DRIVER, targets[:300], 0.02 * target, law.fitted_uS, rng)
    assert near.conductance_uS.mean() - target < -0.9 * 0.02 * target
