"""Programming as pulses: by hand for one cell, and the published law that a window makes."""

import dataclasses

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.device.pulsing import Programming
from emulator.device.rram.programming import MODELS
from emulator.errors import PhysicsError

PULSES = {"set_V": 2.0, "reset_V": 3.0, "pulse_ns": 100.0, "pause_ns": 2000.0, "read_V": 0.2, "read_ns": 1e3}
PULSES |= {"forming_V": 4.0, "forming_ms": 5.0, "window_percent": 0.2}
RANGE = (10.0, 50.0)  # a pulse is 2 uS


def written(target, bounds=RANGE, seed=0, **fields):
    """Where cells land on their way to ``target`` (n,), and what it took."""
    law = Programming(**({"model": "linear-step", "step_up": 0.1, "step_down": 0.1} | PULSES | fields))
    return law.write(np.asarray(target), bounds, np.zeros(len(target)), np.random.default_rng(seed))


def test_a_cell_by_hand():
    landed, made = written([16.0], most_pulses=7, endurance_pulses=1e6)
    passed = np.array([10.0, 12, 14, 16]) * 1e-6
    assert (made.pulses, made.reads, made.given_up) == (3, 4, 0)
    assert made.wear == pytest.approx(3e-6)
    assert landed == pytest.approx([16])
    assert made.time_s == pytest.approx(5e-3 + 4 * 1e-6 + 3 * 2.1e-6)
    want = 16 * 50e-6 * 5e-3 + (0.04 * passed * 1e-6).sum() + (4 * passed[:3] * 1e-7).sum()
    assert made.energy_J == pytest.approx(want)
    landed, made = written([50.0], most_pulses=7)
    assert landed == pytest.approx([24]), "twenty pulses up, of which seven are had"
    assert (made.pulses, made.reads, made.given_up) == (7, 8, 1)
    with pytest.raises(PhysicsError, match=r"target_uS is 60..60; accepted: 10..50"):
        written([60.0])


@pytest.mark.parametrize("target", [20.0, 50.0, 80.0])
def test_the_loop_lands_as_the_published_law_of_its_window_says(target):
    """A ReRAM's pulses, wider than a window of 0.2 %, fill it evenly: 0.2 % / sqrt(3), where IBM published
    0.107 % and 0.8 nS of cells accepted so. Fine steps stop at its near end: no such law."""
    law, window = MODELS["ibm-cmo-hfox-0.2"], 0.002 * target
    rough, fine = (load_chip(f"ideal+{name}").ecram for name in ("rram-gong2018", "ecram-kim2019"))
    own = {f.name for f in dataclasses.fields(Programming)}

    def landed(ecram, cells, percent):
        of = {name: v for name, v in dataclasses.asdict(ecram).items() if name in own}
        rest = {"window_percent": 1e-6, "window_relative_percent": percent, "most_pulses": 10_000}
        return written(np.full(cells, target), law.fitted_uS, 1, **of, **rest)

    found, made = landed(rough, 3000, 0.2)
    assert made.given_up == 0
    assert found.std() == pytest.approx(float(law.sigma(target)), rel=0.1)
    assert abs(found.mean() - target) < 0.1 * window
    near, _ = landed(fine, 300, 2.0)
    assert near.mean() - target < -0.9 * 0.02 * target
