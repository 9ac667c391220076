"""Banks of ECRAMs: pulses obey each device."""

import dataclasses

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.errors import PhysicsError
from emulator.learning.tuning import EcramBank
from tests.emulator.device.cited import linear_step


def bank(name, states, **changes):
    """ECRAMs of a device preset that differs in ``changes``, from ``states`` (n,) on."""
    ecram = dataclasses.replace(load_chip(f"ideal+{name}").ecram, **changes)
    return EcramBank(ecram, np.asarray(states, float), np.random.default_rng(0))


def test_every_device_of_a_bank_follows_its_own_law():
    ecram = load_chip("ideal+ecram-tang2018").ecram
    own = bank("ecram-tang2018", np.full(3, 0.4), cycle_percent=0.0)
    devices = [ecram.device.device(ecram.spread, r) for r in [np.random.default_rng(0)] for _ in range(3)]
    start = ecram.w_min + 0.4 * (ecram.w_max - ecram.w_min)
    own.pulse(np.array([30, 0, -20]))
    want = [linear_step(devices[0], start, 30, True), start, linear_step(devices[2], start, 20, False)]
    np.testing.assert_allclose(own.states, (np.array(want) - ecram.w_min) / (ecram.w_max - ecram.w_min))
    np.testing.assert_array_equal(own.pulses, [30, 0, 20])


def test_a_bank_stays_within_its_bounds_and_refuses_nonsense():
    ends = bank("ecram-linear-ysz", [0.0, 1.0])
    ends.pulse(np.array([-50, 50]))
    np.testing.assert_array_equal(ends.states, [0.0, 1.0])
    with pytest.raises(PhysicsError, match=r"pulse counts have shape \(3,\); accepted: \(2,\)"):
        ends.pulse(np.zeros(3, int))
    with pytest.raises(PhysicsError, match="pulse count is 100001; accepted: at most 100000"):
        ends.pulse(np.array([100_001, 0]))
    with pytest.raises(PhysicsError, match=r"ecram\.model is 'none'"):
        EcramBank(load_chip("ideal").ecram, np.zeros(2), np.random.default_rng(0))


def test_counts_move_by_what_is_asked_on_average_and_are_limited():
    half = bank("ecram-linear-ysz", np.full(4000, 0.5))  # 100 equal steps over the range
    counts = half.toward(np.full(4000, 0.023), 200)
    assert set(counts.tolist()) == {2, 3}
    assert counts.mean() == pytest.approx(2.3, abs=0.03)
    assert half.toward(np.full(4000, -0.9), 7).min() == -7


def test_a_pulse_is_sized_by_its_direction_and_by_a_floor_at_the_bounds():
    """Up and down pulses differ where the device is asymmetric; at a bound none does anything."""
    alike = {f"{kind}_variation_percent": 0.0 for kind in ("step", "asymmetry", "bound", "gamma")}
    flat = bank("ecram-tang2018", np.full(4000, 0.9), cycle_percent=0.0, **alike)
    w = -0.8276 + 0.9 * 2.0
    up = 0.002 * (1 - 0.1153 * w / 1.1724) / 2  # of a range of 2
    down = 0.002 * (1 + 0.5085 * w / 0.8276) / 2
    np.testing.assert_allclose(flat.step_sizes(np.array([True] * 4000)), up, rtol=1e-9)
    np.testing.assert_allclose(flat.step_sizes(np.array([False] * 4000)), down, rtol=1e-9)
    assert flat.toward(np.full(4000, -10.5 * down), 100).mean() == pytest.approx(-10.5, abs=0.03)
    full = bank("ecram-linear-ysz", np.ones(4000))
    # Nothing moves a device beyond its bound: a wish of 1e-12 is not worth all the pulses there are.
    assert full.toward(np.full(4000, 1e-12), 200).max() <= 1
    assert full.toward(np.full(4000, 1e-3), 200).min() == 200
    with pytest.raises(PhysicsError, match="pulse limit is -1; accepted: 0 or more"):
        full.toward(np.zeros(4000), -1)


@pytest.mark.parametrize("direction", [1, -1])
def test_pulses_of_a_bank_have_cycle_noise_both_ways(direction):
    half = bank("ecram-linear-ysz", np.full(4000, 0.5), cycle_percent=30.0)
    half.pulse(np.full(4000, 4 * direction))
    assert half.states.mean() == pytest.approx(0.5 + 0.04 * direction, abs=0.0005)
    assert half.states.std() == pytest.approx(0.3 * 0.01 * 4**0.5, rel=0.06)
