"""ECRAM pulses against closed forms, and what a state does to a curve."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.device.description import Ecram, load_chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, Exponential, LinearStep
from ndrite.emulator.device.ndr.curves import Bell, Esaki, Table, Tunnel, vary
from ndrite.emulator.device.pulsing import Programming
from ndrite.emulator.device.rram.programming import MODELS
from ndrite.emulator.errors import PhysicsError
from tests.emulator.device.cited import linear_step
from tests.refusals import refused
from tests.stimulus import trace

PRESETS = ("ecram-tang2018", "ecram-kim2019", "ecram-linear-ysz")


def preset(name) -> LinearStep:
    return load_chip(f"ideal+{name}").ecram.device


@pytest.mark.parametrize("name", PRESETS)
def test_traces_are_the_closed_form_without_noise(name):
    model = preset(name)
    up, down = 600, 500
    got = trace(model, up, down)[:, 0]
    np.testing.assert_allclose(
        got[: up + 1], linear_step(model, model.w_min, np.arange(up + 1), True), atol=1e-9
    )
    top = got[up]
    np.testing.assert_allclose(got[up:], linear_step(model, top, np.arange(down + 1), False), atol=1e-9)


def test_exponential_is_neurosims_formula():
    model = Exponential(pulses=32, a_up=20.0, a_down=25.0)
    n = np.arange(33)
    b = 1 / (1 - np.exp(-32 / 20.0))
    np.testing.assert_allclose(trace(model, 32, 0)[:, 0], b * (1 - np.exp(-n / 20.0)), atol=1e-12)
    b = 1 / (1 - np.exp(-32 / 25.0))
    # Down, P counts from 32 to 0: G = 1 - B (1 - exp((P - 32) / A)).
    want = 1 - b * (1 - np.exp(((32 - n) - 32) / 25.0))
    np.testing.assert_allclose(trace(model, 32, 32)[32:, 0], want, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "start", "deviation"),
    [
        (LinearStep(step_up=0.01, step_down=0.01, w_min=-1, w_max=1, cycle_sigma=0.3), 0.0, 0.003),
        (Exponential(pulses=100, a_up=30.0, a_down=30.0, cycle_sigma=0.02), 0.5, 0.02),
    ],
    ids=["of a step", "of the range"],
)
@pytest.mark.parametrize("up", [True, False])
def test_cycle_noise_has_the_given_size(model, start, deviation, up):
    moved = model.pulse(np.full(100_000, start), up, np.random.default_rng(0))
    assert moved.std() == pytest.approx(deviation, rel=0.015)
    assert moved.mean() == pytest.approx(float(model.pulse(start, up)), abs=4 * deviation / 100_000**0.5)


def test_devices_differ_as_described():
    """Each quantity by its own draws: steps up and down together and apart, both
    bounds, both gammas."""
    model, rng = preset("ecram-tang2018"), np.random.default_rng(1)
    bounds = {"bound_sigma": 0.03, "lower_bound_sigma": 0.06}
    spread = EcramSpread(step_sigma=0.1, asymmetry_sigma=0.05, gamma_sigma=0.04, **bounds)
    many = model.population(spread, 4000, rng)
    up, down = many.step_up / model.step_up, many.step_down / model.step_down
    wanted = {"w_max": 0.03, "w_min": 0.06, "gamma_up": 0.04, "gamma_down": 0.04}
    drawn = [(up + down) / 2, (up - down) / (up + down)]
    drawn += [getattr(many, name) / getattr(model, name) for name in wanted]
    np.testing.assert_allclose(np.std(drawn, axis=1), [0.1, 0.05, *wanted.values()], rtol=0.06)
    np.testing.assert_allclose(np.mean(drawn, axis=1), [1, 0, 1, 1, 1, 1], atol=0.01)
    assert np.abs(np.corrcoef(drawn) - np.eye(6)).max() < 0.06
    alike = model.population(EcramSpread(step_sigma=0.1), 4000, rng)
    assert np.ptp(alike.step_up / alike.step_down) < 1e-12, "no asymmetry asked for"


def test_devices_of_any_spread_are_devices():
    # A draw far below the mean would turn a step or a bound around: a hundredth of the
    # mean is the least.
    model, wide = preset("ecram-tang2018"), dict.fromkeys(vars(EcramSpread()), 1.0) | {"log_normal": False}
    many = model.population(EcramSpread(**wide), 2000, np.random.default_rng(3))
    assert many.step_up.min() == pytest.approx(1e-4 * model.step_up)  # both draws of a step at their least
    assert many.w_max.min() == pytest.approx(0.01 * model.w_max)
    assert many.gamma_down.min() == 0.0
    assert many.gamma_down.max() == 1.0


@pytest.mark.parametrize("tunes", ["none", "peak_voltage", "peak_current", "both", "each"])
def test_state_moves_the_peak_it_says(tunes):
    factors = {"peak_voltage_low_factor": 0.5, "peak_voltage_high_factor": 2.0}
    factors |= {"peak_current_low_factor": 0.1, "peak_current_high_factor": 1.0}
    ecram = Ecram(model="linear-step", tunes=tunes, **factors)
    v = np.linspace(0, 1, 100_001)
    for state in (0.0, 0.3, 1.0):
        current = ecram.current(state) * Tunnel(0.1, 1e-3).current(v / ecram.voltage(state))
        volts = 0.1 * (0.5 + 1.5 * state if tunes in ("peak_voltage", "both", "each") else 1.0)
        amperes = 1e-3 * (0.1 + 0.9 * state if tunes in ("peak_current", "both", "each") else 1.0)
        assert v[current.argmax()] == pytest.approx(volts, abs=2e-5)
        assert current.max() == pytest.approx(amperes, rel=1e-6)


@pytest.mark.parametrize("device", [Tunnel(0.1, 1e-3), Bell(0.3, 1e-6, 0.1), Esaki()])
def test_variation_of_every_parameter(device):
    rng = np.random.default_rng(0)
    for name in vars(device):
        if name in ("temperature_K", "peak"):
            continue
        got = np.array([getattr(vary(device, {name: 5.0}, rng), name) for _ in range(2000)])
        assert got.std() / getattr(device, name) == pytest.approx(0.05, rel=0.08)
        assert got.mean() == pytest.approx(getattr(device, name), rel=0.005)
    assert vary(device, {"peak_voltage_V": 0.0}, rng) == device


def test_a_varied_parameter_keeps_a_twentieth_of_its_mean():
    rng = np.random.default_rng(0)
    peaks = [vary(Tunnel(0.1, 1e-3), {"peak_voltage_V": 100.0}, rng).peak_voltage_V for _ in range(500)]
    assert min(peaks) == pytest.approx(0.05 * 0.1)
    assert np.mean(np.array(peaks) < 0.0051) == pytest.approx(0.171, abs=0.05)  # P(N(0, 1) < -0.95)


def test_a_table_varies_along_its_axes():
    table = Table([0, 0.1, 0.5], [0, 1e-3, 1e-4])
    other = vary(table, {"peak_voltage_V": 10.0, "peak_current_A": 10.0}, np.random.default_rng(0))
    assert other.peak_voltage_V != 0.1
    assert other.shape(1.0) == 1.0


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


test_what_cannot_be_is_refused = refused(
    PhysicsError,
    (Ecram(model="linear-step", tunes="both").current, 1.1, "ECRAM state is 1.1"),
    (lambda: Esaki(excess_current_A=1.0, excess_slope_per_V=1.0).peak, "excess_current_A is 1"),
    (written, [60.0], r"target_uS is 60..60; accepted: 10..50"),
)


def test_fine_steps_stop_at_the_near_end_of_their_window():
    """So no published law is theirs: IBM's cells, whose pulses are wider than the
    window, fill it evenly."""
    own, target = {f.name for f in dataclasses.fields(Programming)}, np.full(300, 50.0)
    device = dataclasses.asdict(load_chip("ideal+ecram-kim2019").ecram)
    of = {name: value for name, value in device.items() if name in own}
    of |= {"window_percent": 1e-6, "window_relative_percent": 2.0, "most_pulses": 10_000}
    landed, _ = written(target, MODELS["ibm-cmo-hfox-0.2"].fitted_uS, **of)
    assert landed.mean() - 50 < -0.9 * 0.02 * 50
