"""Measured data with known parameters give them back; impossible data are
refused with the reason."""

import re

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.description.loader import save_preset
from ndrite.emulator.device.ecram.pulses import LinearStep
from ndrite.emulator.device.fitting import fit_ecram, fit_ndr, fit_rram, held_out_error, read_measurements
from ndrite.emulator.device.measurements import UNITS
from ndrite.emulator.device.ndr.curves import Bell, Esaki, Tunnel
from ndrite.emulator.errors import DatasetError
from tests.refusals import refused
from tests.stimulus import trace


def measured(folder, header, *columns):
    """Written and read back; ``header`` names quantity and unit of each column, and
    the device perhaps."""
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    (folder / "measured.csv").write_text("\n".join([header, *rows]) + "\n")
    quantities = [name.split("_")[0] for name in header.split(",")]
    return read_measurements(folder / "measured.csv", [name for name in quantities if name in UNITS])


def curve(folder, v, i, model="auto"):
    """The fit of one device's currents."""
    return fit_ndr(measured(folder, "voltage_V,current_A", v, i), model)


def noisy(i, part, seed=11):
    return i + part * np.abs(i).max() * np.random.default_rng(seed).standard_normal(len(i))


def iv(tmp_path, devices, *, end=0.6):
    """Two noisy sweeps of every device, in any order, in mV and mA."""
    rng = np.random.default_rng(0)
    v = np.tile(np.linspace(0, end, 121), 2)
    amps = [1e3 * noisy(device.current(v), 0.005, seed) for seed, device in enumerate(devices)]
    order = rng.permutation(len(v) * len(devices))
    columns = np.tile(v * 1e3, len(devices)), np.concatenate(amps), np.arange(len(devices)).repeat(len(v))
    return measured(tmp_path, "voltage_mV,current_mA,device", *(column[order] for column in columns))


def test_esaki_parameters_and_spread_come_back(tmp_path):
    spread = 1 + np.random.default_rng(1).standard_normal((2, 12)) * [[0.05], [0.1]]
    peaks, amps = spread * [[0.1], [1e-3]]
    fit = fit_ndr(iv(tmp_path, [Esaki(*peak) for peak in zip(peaks, amps, strict=True)], end=0.5))
    assert fit.model == "esaki"
    for name, unit, wanted in (("voltage", "V", peaks), ("current", "mA", 1e3 * amps)):
        assert fit.values[f"peak_{name}_{unit}"] == pytest.approx(np.median(wanted), rel=0.01)
        percent = 100 * wanted.std(ddof=1) / np.median(wanted)
        assert fit.values[f"peak_{name}_variation_percent"] == pytest.approx(percent, rel=0.15)
    # The devices' excess current is the same: its spread must not soak up that of the peak.
    assert fit.values["valley_voltage_variation_percent"] == 0.0
    assert fit.values["excess_slope_variation_percent"] < 6
    assert fit.rms < 0.01
    assert fit.peak_to_valley == pytest.approx(6.4, rel=0.1)


@pytest.mark.parametrize("device", [Tunnel(0.2, 2e-3), Bell(0.3, 1e-6, 0.06)])
def test_the_right_model_is_chosen(tmp_path, device):
    fit = fit_ndr(iv(tmp_path, [device], end=1.0))
    assert fit.model == type(device).__name__.lower()
    assert fit.values["peak_voltage_V"] == pytest.approx(device.peak_voltage_V, rel=0.01)
    assert fit.values["peak_current_mA"] == pytest.approx(1e3 * device.peak_current_A, rel=0.02)
    if isinstance(device, Bell):
        assert fit.values["width_V"] == pytest.approx(0.06, rel=0.02)


def used(folder, section, fit):
    """The chip wan2022 with what was fitted."""
    save_preset(folder / "mine.yaml", section, fit.values, source="data.csv", description="mine")
    return load_chip(f"wan2022+{folder / 'mine.yaml'}")


def test_odd_curves_become_a_table_that_a_chip_takes(tmp_path):
    v = np.linspace(0.02, 1, 60)
    i = 1e-3 * (np.where(v < 0.4, v / 0.4, 0.2) + 0.3 * (np.abs(v - 0.7) < 0.1))
    fit = curve(tmp_path, v, i)
    assert fit.model == "table"
    assert fit.rms < 0.1
    chip = used(tmp_path, "neuron", fit)
    np.testing.assert_allclose(chip.neuron.device.current(v[10:-10]), i[10:-10], atol=0.25e-3)
    assert chip.sources["neuron.table_voltage_V"] == "data.csv"


@pytest.mark.parametrize("model", ["auto", "table"])
def test_points_below_0_are_kept(tmp_path, model):
    """A tunnel diode's reverse branch: in the data of the fit, and in a table's fields."""
    v = np.linspace(-0.1, 0.4, 101)
    i = 1e-3 * (v / 0.1) * np.exp(1 - v / 0.1)
    fit = curve(tmp_path, v, i, model)
    assert any("20 points below 0 V, down to -0.00739 A" in note for note in fit.notes)
    np.testing.assert_allclose(fit.curves[0].voltage_V, v, atol=1e-12)
    if model == "auto":
        assert fit.model == "tunnel"
        assert fit.values["peak_voltage_V"] == pytest.approx(0.1, rel=1e-3)
    else:
        kept = np.array(fit.values["table_voltage_V"]) < 0
        assert kept.sum() == 20
        np.testing.assert_allclose(np.array(fit.values["table_current_A"])[kept], i[:20], rtol=1e-5)


V, UNIT = np.linspace(0, 0.6, 241), np.linspace(0, 1, 50)
ESAKI, GRAINS = Esaki().current(V), 1e-8 * np.random.default_rng(11).random(len(V))
FOLD = np.interp(np.linspace(0, 3, 180), range(4), [0.0, 1.0, 0.4, 1.2]), np.linspace(0, 3e-3, 180)
"""A current sweep through the fold of a threshold switch: 0..1 V, back to
0.4 V, on to 1.2 V."""
SATURATES = 1e-3 * np.minimum(V / 0.2, 1.0)
BELOW_0 = 1e-6 * np.exp(-np.square(np.linspace(-3, 1, 121) + 1.2) / 0.18)
NOISE = r"scatter by \d+% of the largest|does not fall|differ by"
IMPOSSIBLE = (
    (UNIT, UNIT, "the current does not fall after its largest value"),
    (np.linspace(0, 1, 5), np.array([0, 1, 2, 1, 0.5]), "5 distinct voltages"),
    (UNIT, -np.ones(50), "largest current is -1 A"),
    (UNIT, np.zeros(50), "largest current is 0 A"),
    (np.tile(UNIT, 2), np.concatenate([UNIT, np.zeros(50)]), "not a function of voltage"),
    (*FOLD, "voltage falls while the current rises"),
    (*np.hstack([FOLD, np.flip(FOLD, 1)]), "voltage falls while the current rises"),
    (V, np.abs(noisy(0 * V + 1e-3, 1.0)), NOISE),
    (V, noisy(SATURATES, 0.01), "does not fall .*average more sweeps"),
    (np.linspace(-3, 1, 121), BELOW_0, r"peaks at -1\.2\d* V, below 0.* constant, such as 3 V"),
    (
        np.linspace(0, 1, 9),
        np.random.default_rng(0).random(9),
        r"scatter by .*\(fewer than 16 voltages, here 9:",
    ),
    *((V, noisy(ESAKI, part), NOISE) for part in (0.15, 0.3, 1.0)),
    *(
        (V, np.minimum(ESAKI, limit * 1e-3) + GRAINS, r"stays at .* limit \(compl")
        for limit in (0.4, 0.7, 0.9)
    ),
)
MISSES = r"model bell misses the data by \d+% .* scatter by 0\.\d%"
test_impossible_curves_are_refused = refused(
    DatasetError,
    *((curve, *row) for row in IMPOSSIBLE),
    (curve, V, noisy(ESAKI, 0.003), "bell", MISSES),
    given="tmp_path",
)


ROUND = [(d, 0.0, n) for d in (Esaki(), Tunnel(0.1, 1e-3), Bell(0.2, 1e-3, 0.08)) for n in (60, 241, 2001)]
ROUND += [(Esaki(), 0.03, 241), (Bell(0.2, 1e-3, 0.05), 0.0, 241)]


@pytest.mark.parametrize(("device", "part", "points"), ROUND)
def test_a_round_top_and_scatter_are_no_miss(tmp_path, device, part, points):
    v = np.linspace(0, 0.6, points)
    assert curve(tmp_path, v, noisy(device.current(v), part)).rms < 0.01 + 2 * part
    wanted = type(device).__name__.lower()
    assert curve(tmp_path, v, noisy(device.current(v), 0.003), wanted).rms < 0.01


@pytest.mark.parametrize("device", [Esaki(), Tunnel(0.1, 1e-3), Bell(0.3, 1e-3, 0.07), Bell(0.2, 1e-3, 0.05)])
@pytest.mark.parametrize("part", [0.0, 0.01])
def test_nine_points_of_a_law_are_a_curve(tmp_path, device, part):
    v = np.linspace(0, 0.5, 9)
    fit = curve(tmp_path, v, noisy(device.current(v), part))
    assert fit.device.peak[0] == pytest.approx(device.peak_voltage_V, rel=0.001 + 4 * part)
    assert fit.device.peak[1] == pytest.approx(device.peak_current_A, rel=0.001 + 5 * part)


def test_a_shallow_fall_is_fitted_and_said(tmp_path):
    """A fall of 3 % in clean data is a device; below the noise it is not."""
    shallow = SATURATES - 3e-5 * np.sin(np.pi * np.clip(V - 0.2, 0, 0.4) / 0.4)
    fit = curve(tmp_path, V, noisy(shallow, 0.001))
    assert any(re.search(r"falls by only [23]\.\d% of its peak", note) for note in fit.notes)
    with pytest.raises(DatasetError, match="does not fall"):
        curve(tmp_path, V, noisy(shallow, 0.01))


def test_data_that_end_before_the_valley_say_so(tmp_path):
    for end, said in ((0.25, True), (1.0, False)):
        notes = curve(tmp_path, V[end > V], noisy(ESAKI, 0.002)[end > V], "esaki").notes
        assert any("end before the valley" in note and "extrapolation" in note for note in notes) == said


def test_a_ratio_over_the_floor_is_a_bound(tmp_path):
    v = np.linspace(0, 1.2, 400)
    fit = curve(tmp_path, v, noisy(Tunnel(0.05, 1e-3).current(v), 1e-3))
    assert 100 < fit.peak_to_valley < 1000
    assert any("only a lower bound" in note for note in fit.notes)


def test_the_residual_is_of_the_peak(tmp_path):
    v = np.linspace(0, 0.75, 301)
    found = curve(tmp_path, v, Esaki(excess_slope_per_V=12.0).current(v), "esaki").curves[0]
    assert found.current_A.max() > 1.5 * found.peak_A
    assert found.peak_A == pytest.approx(1e-3, rel=0.1)


def cells(tmp_path, targets, sigma, n=2000, stuck=0.0):
    rng = np.random.default_rng(0)
    target = np.repeat(targets, n)
    got = np.maximum(target + sigma(target) * rng.standard_normal(len(target)), 0)
    got[rng.random(len(got)) < stuck] = 0.0
    order = rng.permutation(len(target))
    return measured(tmp_path, "target_uS,conductance_uS", target[order], got[order])


def test_programming_error_comes_back(tmp_path):
    fit = fit_rram(cells(tmp_path, np.linspace(5, 50, 12), lambda g: 0.3 + 0.02 * g, stuck=0.02))
    grid = np.linspace(5, 50, 10)
    np.testing.assert_allclose(fit.model(grid), 0.3 + 0.02 * grid, rtol=0.04)
    assert fit.values["stuck_low_percent"] == pytest.approx(2.0, abs=0.35)
    assert fit.values["stuck_high_percent"] == 0.0
    cell = used(tmp_path, "cell", fit).cell
    assert cell.error_model.sigma(20.0) == pytest.approx(0.7, rel=0.05)
    assert cell.levels == 12


def missed(offset):
    """Cells that all miss their target."""
    target = np.repeat([5.0, 20.0, 40.0, 60.0], 200)
    return target, np.abs(target + offset + 0.8 * np.random.default_rng(0).standard_normal(len(target)))


def of_cells(folder, target, got):
    return fit_rram(measured(folder, "target_uS,conductance_uS", target, got))


def test_few_cells_a_target_are_right_on_average(tmp_path):
    """Targets whose cells came out alike by chance weigh no more than others; good
    cells are not refused."""
    found, rng, target = [], np.random.default_rng(5), np.repeat(np.linspace(5.0, 60.0, 16), 10)
    for _ in range(60):
        fit = of_cells(tmp_path, target, target + rng.standard_normal(len(target)))
        found.append(fit.model(np.linspace(5, 60, 50)).mean())
    assert np.mean(found) == pytest.approx(1, abs=0.03)


test_impossible_cells_are_refused = refused(
    DatasetError,
    (of_cells, [1, 2, 3] * 10, [1, 2, 3] * 10, "cells do not differ"),
    (of_cells, [1, 2] * 20, [1.1, 2.1] * 20, "2 different targets"),
    (of_cells, [1, 2, 3] * 5, [1, 2, 3] * 5, "5 cells with the target 1 uS"),
    (of_cells, [1, 2, 3] * 10, [-1, 2, 3] * 10, "conductance is -1 uS"),
    (of_cells, [-1, 2, 3] * 10, [1, 2, 3] * 10, "target conductance is -1 uS"),
    (of_cells, *missed(-1.5), r"cells for 5 uS read .*\(-1.*accepted: a mean within"),
    (of_cells, *missed(1.5), r"cells for 5 uS read .*\([+]1.*accepted: a mean within"),
    (of_cells, T := np.repeat([5.0, 20.0, 40.0, 60.0], 50), 1000 * noisy(T, 0.01), "cells for 60 uS read"),
    given="tmp_path",
)


def pulses(tmp_path, model, up, down, *, devices=1, noise=0.0):
    rng = np.random.default_rng(0)
    states = trace(model, up, down, rng if noise else None, devices)
    g = 50 + 25 * (2 * (states - model.low) / (model.high - model.low) - 1)
    g = g + noise * rng.standard_normal(g.shape)
    n = np.tile(np.arange(up + down + 1), devices)
    device = np.repeat([f"d{i}" for i in range(devices)], up + down + 1)
    order = rng.permutation(len(n))
    return measured(tmp_path, "pulse,conductance_uS,device", n[order], g.T.ravel()[order], device[order])


@pytest.mark.parametrize(("cycle", "noise"), [(0.0, 0.0), (0.3, 0.2)])
def test_linear_step_comes_back(tmp_path, cycle, noise):
    steps = {"step_up": 0.02, "step_down": 0.03, "gamma_up": 0.5, "gamma_down": 0.8}
    model = LinearStep(**steps, w_min=-1, w_max=1, cycle_sigma=cycle)
    # Up to the bound and back to it, so that the states' range is the device's.
    fit = fit_ecram(pulses(tmp_path, model, 140, 110, devices=6 if noise else 1, noise=noise))
    for name, wanted in steps.items():
        near = {"abs": 0.1} if "gamma" in name else {"rel": 0.1 if noise else 0.05}
        assert fit.values[name] == pytest.approx(wanted, **near)
    assert (fit.low_uS, fit.high_uS) == (pytest.approx(25, abs=1), pytest.approx(75, abs=1))
    assert used(tmp_path, "ecram", fit).ecram.device is not None


@pytest.mark.parametrize("model", ["linear-step", "exponential"])
def test_a_law_that_does_not_explain_the_pulses_is_said(tmp_path, model):
    s_shaped = 10 + 50 / (1 + np.exp((50 - np.arange(101)) / 8))
    data = measured(tmp_path, "pulse,conductance_uS", np.arange(201), np.r_[s_shaped, s_shaped[-2::-1]])
    assert any(f"{model} misses the data by 7% of the range" in note for note in fit_ecram(data, model).notes)


def of_pulses(folder, pulse, g):
    return fit_ecram(measured(folder, "pulse,conductance_uS", pulse, g))


test_impossible_pulses_are_refused = refused(
    DatasetError,
    (of_pulses, np.arange(40), np.linspace(1, 2, 40), "falling branch has 0 pulses"),
    (of_pulses, np.arange(40), np.r_[np.linspace(1, 2, 20), np.linspace(2, -1, 20)], "conductance is -1"),
    (of_pulses, N := np.arange(81), 1 + noisy(1 - np.abs(N - 40) / 40, 0.2), "rising branch has 0 pulses"),
    (of_pulses, np.r_[np.arange(20), np.arange(20)], np.linspace(1, 2, 40), "appears twice"),
    given="tmp_path",
)


def cycles(tmp_path, count, *, noise):
    """Pulses up and down ``count`` times between the bounds of a known linear-step device."""
    model = LinearStep(step_up=0.04, step_down=0.05, w_min=-1, w_max=1, gamma_up=0.5, gamma_down=0.3)
    states = [-1.0]
    for i in range(140 * count):
        states.append(float(model.pulse(states[-1], i % 140 < 70)))
    g = 50 + 25 * np.array(states) + noise * np.random.default_rng(0).standard_normal(len(states))
    return measured(tmp_path, "pulse,conductance_uS", np.arange(len(g)), g)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_cycle_of_pulses_is_fitted(tmp_path, count):
    """The usual measurement runs up and down several times; one fit of its
    largest value is none."""
    fit = fit_ecram(cycles(tmp_path, count, noise=0.1))
    assert len(fit.branches) == 2 * count
    assert fit.values["step_up"] == pytest.approx(0.04, rel=0.1)
    assert fit.values["step_down"] == pytest.approx(0.05, rel=0.1)
    assert fit.rms < 0.01
    assert fit.values["cycle_percent"] < 25, "read noise, a tenth of a step, is all that varies"


@pytest.mark.parametrize(("model", "more"), [("tunnel", 0.9), ("table", 1.1)])
def test_held_out_points_of_a_curve_miss_by_their_noise(tmp_path, model, more):
    """A law by the noise; a table, which goes through its points, by more
    than on those it saw."""
    v = np.random.default_rng(3).permutation(V)
    data = measured(tmp_path, "voltage_V,current_A", v, noisy(Tunnel(0.1, 1e-3).current(v), 0.01))
    fit = fit_ndr(data, model)
    error = held_out_error(data, fit)
    assert 0.008 < error < 0.016
    assert error > more * fit.rms


def test_held_out_pulses_and_cells(tmp_path):
    pulsed = cycles(tmp_path, 2, noise=0.5)  # of a range of 50
    assert held_out_error(pulsed, fit_ecram(pulsed)) == pytest.approx(0.01, rel=0.3)
    programmed = cells(tmp_path, np.linspace(5, 50, 10), lambda g: 0.5 + 0.02 * g, 200)
    assert held_out_error(programmed, fit_rram(programmed)) < 0.1
    v = np.linspace(0, 0.4, 9)  # with two points less there are too few
    few = measured(tmp_path, "voltage_V,current_A", v, Esaki().current(v))
    assert held_out_error(few, fit_ndr(few, "tunnel")) is None


def test_a_real_esaki_sweep_ends_above_its_peak(tmp_path):
    device = Esaki(peak_voltage_V=0.1, peak_current_A=1e-3)
    v = np.linspace(0, 0.62, 125)
    assert device.current(v)[-1] > 2e-3, "the thermal branch passes the peak"
    fit, table = (curve(tmp_path, v, device.current(v), model) for model in ("auto", "table"))
    assert fit.model == "esaki"
    assert fit.values["peak_voltage_V"] == pytest.approx(0.1, rel=0.02)
    assert fit.values["peak_current_mA"] == pytest.approx(1.0, rel=0.02)
    assert any("passes the peak" in note for note in fit.notes)
    assert table.device.peak_current_A == pytest.approx(1e-3, rel=0.02)
    assert table.device.peak_voltage_V == pytest.approx(0.1, rel=0.05)


def test_hysteresis_is_said_and_the_way_up_is_fitted(tmp_path):
    up, down = Bell(0.30, 1e-3, 0.06), Bell(0.26, 0.9e-3, 0.06)
    v = np.linspace(0, 0.6, 121)

    def fitted(back):
        amps = np.concatenate([up.current(v), back.current(v[::-1])])
        return curve(tmp_path, np.concatenate([v, v[::-1]]), noisy(amps, 2e-3))

    fit = fitted(down)
    assert fit.values["peak_voltage_V"] == pytest.approx(0.30, rel=0.01)
    assert fit.values["peak_current_mA"] == pytest.approx(1.0, rel=0.02)
    (note,) = [note for note in fit.notes if "hysteresis" in note]
    # The curves differ most on their flanks: by 0.4 of the peak.
    assert "differ by up to 4" in note
    assert not any("hysteresis" in n for n in fitted(up).notes)


def test_cells_of_several_ages_are_refused(tmp_path):
    target = np.repeat([5.0, 20.0, 40.0], 100)
    got = target + np.random.default_rng(0).standard_normal(len(target))

    def fitted(later):
        times = np.tile([1.0, later], 150)
        return fit_rram(measured(tmp_path, "target_uS,conductance_uS,time_s", target, got, times))

    fitted(1.4)
    with pytest.raises(DatasetError, match=r"time is 1..86400 s; accepted: rows of one time"):
        fitted(86400.0)
