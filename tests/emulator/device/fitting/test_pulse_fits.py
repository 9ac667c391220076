"""Pulse responses straight from an ECRAM's law: steps, ranges, bounds and
noise are told apart."""

import numpy as np
import pytest

from ndrite.emulator.device.description.loader import check_values
from ndrite.emulator.device.ecram.pulses import EcramSpread, Exponential, LinearStep
from ndrite.emulator.device.fitting import Measurements, fit_ecram
from ndrite.emulator.device.sweeps import rms
from tests.stimulus import trace


def of_traces(g_uS):
    """Measurements of conductances (devices, pulses)."""
    devices, count = np.shape(g_uS)
    columns = {"pulse": np.tile(np.arange(float(count)), devices), "conductance": 1e-6 * np.ravel(g_uS)}
    return Measurements("x", columns, np.arange(devices).repeat(count).astype(str), 0)


@pytest.mark.parametrize("spread", [{}, {"step": 0.1}, {"asymmetry": 0.1}, {"bound": 0.1}], ids=str)
def test_what_differs_between_devices_is_told_apart(spread):
    """Steps that differ up and down do not differ between devices, and a device's
    range is no noise."""
    rng = np.random.default_rng(2)
    model = LinearStep(step_up=0.04, step_down=0.02, w_min=-1, w_max=1, gamma_up=0.3, gamma_down=0.1)
    drawn = EcramSpread(**{f"{name}_sigma": part for name, part in spread.items()})
    fit = fit_ecram(of_traces(50 + 25 * trace(model.population(drawn, 40, rng), 140, 160, devices=40).T))
    for name in ("step", "asymmetry", "bound"):
        wanted = 100 * spread.get(name, 0.0)
        assert fit.values[f"{name}_variation_percent"] == pytest.approx(wanted, rel=0.3, abs=0.6)
    assert fit.values["cycle_percent"] < 1


def test_devices_of_very_different_ranges_are_fitted():
    state = trace(LinearStep(step_up=0.04, step_down=0.04, w_min=-1, w_max=1, gamma_up=0.3), 100, 100)[:, 0]
    fit = fit_ecram(of_traces([35 + 25 * state, 35 + 25 * state, 105 + 95 * state]))
    assert (fit.low_uS, fit.high_uS) == (pytest.approx(10), pytest.approx(60))
    assert fit.rms < 0.01
    assert fit.values["step_variation_percent"] > 50


def repeated(model, count, runs, rng=None):
    """States of one device, ``count`` pulses up and ``count`` down, ``runs`` times."""
    w, states = model.low, [model.low]
    for i in range(2 * count * runs):
        w = float(model.pulse(w, i % (2 * count) < count, rng))
        states.append(w)
    return np.array(states)


@pytest.mark.parametrize("count", [100, 250])
def test_pulses_at_the_bound_say_nothing_of_noise(count):
    model = LinearStep(step_up=0.02, step_down=0.02, w_min=-1, w_max=1, cycle_sigma=0.3)
    fit = fit_ecram(of_traces([50 + 25 * repeated(model, count, 10, np.random.default_rng(1))]))
    assert fit.values["cycle_percent"] == pytest.approx(30, rel=0.2)


@pytest.mark.parametrize("model", ["linear-step", "exponential"])
def test_what_the_law_misses_is_no_noise(model):
    """Eight equal runs of an S-shaped response; pulses that vary show
    beside the same misfit."""
    s_shaped = 10 + 50 / (1 + np.exp((50 - np.arange(101)) / 8))
    clean = np.r_[s_shaped[0], np.tile(np.r_[s_shaped[1:], s_shaped[-2::-1]], 8)]
    fit = fit_ecram(of_traces([clean]), model)
    assert fit.values["cycle_percent"] < 1e-3
    assert fit.misfit > 0.06
    assert "noise apart" in fit.notes[-1]


def test_noise_of_a_law_that_is_missed_is_what_repeats_show():
    """Steps of 0.08 (1 - w^2) that vary by themselves: an S that no law has,
    beside its noise."""
    found, rng = [], np.random.default_rng(0)
    for _ in range(5):
        w, states = -0.98, [-0.98]
        for i in range(600):
            step = 0.08 * (1 - w**2) * (1 + rng.standard_normal())
            w = float(np.clip(w + (step if i % 120 < 60 else -step), -0.995, 0.995))
            states.append(w)
        fit = fit_ecram(of_traces([50 + 25 * np.array(states)]))
        found.append(fit.values["cycle_percent"] / 100 * fit.values["step_up"])
    grid = np.arctanh(0.9) * np.linspace(-1, 1, 61)
    assert np.median(found) == pytest.approx(rms(0.08 * (1 - np.tanh(grid) ** 2)), rel=0.5), found


def test_a_single_run_claims_no_noise():
    """One run up and down: its scatter may be the law's, and a line says what would tell."""
    model = LinearStep(step_up=0.02, step_down=0.02, w_min=-1, w_max=1, cycle_sigma=2.0)
    fit = fit_ecram(of_traces([50 + 25 * repeated(model, 100, 1, np.random.default_rng(0))]))
    assert (fit.values["cycle_percent"], fit.misfit) == (0, None)
    assert any("no run repeats" in note and "fit potentiation" in note for note in fit.notes)


@pytest.mark.parametrize(("count", "gamma", "said"), [(30, 0.3, 2), (150, 0.3, 0), (150, 1.0, 0)])
def test_a_trace_that_ends_before_the_bound_says_so(count, gamma, said):
    model = LinearStep(step_up=0.02, step_down=0.02, w_min=-1, w_max=1, gamma_up=gamma, gamma_down=gamma)
    notes = fit_ecram(of_traces(50 + 25 * trace(model, count, count).T)).notes
    assert sum("is where pulses ended" in note for note in notes) == said


@pytest.mark.parametrize("count", [60, 100, 150, 400])
def test_pulses_from_bound_to_bound_are_those_that_move(count):
    state = trace(Exponential(pulses=100, a_up=60, a_down=40), count, count)[:, 0]
    fit = fit_ecram(of_traces([10 + 50 * state]), "exponential")
    assert fit.values["pulses"] == min(count, 100)
    if count >= 100:
        assert (fit.values["a_up"], fit.values["a_down"]) == pytest.approx((60, 40), rel=0.05)


@pytest.mark.parametrize("model", ["linear-step", "exponential"])
def test_a_device_that_is_at_its_bound_at_once(model):
    g = np.r_[10.0, np.full(20, 60.0), np.full(20, 10.0)]
    fit = fit_ecram(of_traces([g]), model)
    check_values("ecram", fit.values)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_read_noise_is_no_cycle_to_cycle_deviation(noise):
    """A step of 0.02 that varies by twice itself, under read noise of a step; means of
    ten devices' runs. Neither noise is a misfit of the law, which holds."""
    model = LinearStep(step_up=0.02, step_down=0.02, w_min=-1, w_max=1, cycle_sigma=2.0)
    found, misfits, residuals = [], [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        w = repeated(model, 100, 4, rng)
        w = w + noise * rng.standard_normal(len(w))
        fit = fit_ecram(of_traces([10 * (w + 2)]))
        found.append(fit.values["cycle_percent"])
        misfits.append(fit.misfit)
        residuals.append(fit.rms)
    assert np.mean(found) == pytest.approx(200, rel=0.15), found
    assert np.mean(misfits) < 0.5 * np.mean(residuals)
