"""Measured data with known parameters give them back; impossible data are refused with the reason."""

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.device.ecram.pulses import Exponential, LinearStep
from emulator.device.fitting import (
    Measurements,
    fit_ecram,
    fit_ndr,
    fit_rram,
    held_out_error,
    read_measurements,
    save_preset,
)
from emulator.device.ndr.curves import Bell, Esaki, Tunnel
from emulator.errors import DatasetError
from tests.emulator.device.fitting.written import measured
from tests.stimulus import trace


def iv(tmp_path, devices, *, noise=0.005, shuffle=True, seed=0, end=0.6):
    """Two noisy sweeps of every device, in any order, in mV and mA."""
    rng = np.random.default_rng(seed)
    v = np.tile(np.linspace(0, end, 121), 2)
    names, volts, amps = [], [], []
    for name, device in devices.items():
        i = device.current(v)
        names += [name] * len(v)
        volts.append(v * 1e3)
        amps.append((i + noise * i.max() * rng.standard_normal(len(v))) * 1e3)
    order = rng.permutation(len(names)) if shuffle else np.arange(len(names))
    columns = (np.concatenate(part)[order] for part in (volts, amps))
    return measured(tmp_path, "voltage_mV,current_mA,device", *columns, np.array(names)[order])


def test_esaki_parameters_and_spread_come_back(tmp_path):
    rng = np.random.default_rng(1)
    devices = {
        f"d{i}": Esaki(peak_voltage_V=0.1 * (1 + 0.05 * a), peak_current_A=1e-3 * (1 + 0.1 * b))
        for i, (a, b) in enumerate(rng.standard_normal((12, 2)))
    }
    fit = fit_ndr(iv(tmp_path, devices, end=0.5))
    assert fit.model == "esaki"
    peaks = np.array([d.peak_voltage_V for d in devices.values()])
    amps = np.array([d.peak_current_A for d in devices.values()])
    assert fit.values["peak_voltage_V"] == pytest.approx(np.median(peaks), rel=0.01)
    assert fit.values["peak_current_mA"] == pytest.approx(1e3 * np.median(amps), rel=0.01)
    assert fit.values["peak_voltage_variation_percent"] == pytest.approx(
        100 * peaks.std(ddof=1) / np.median(peaks), rel=0.15
    )
    assert fit.values["peak_current_variation_percent"] == pytest.approx(
        100 * amps.std(ddof=1) / np.median(amps), rel=0.15
    )
    # The devices' excess current is the same: its spread must not soak up that of the peak.
    assert fit.values["valley_voltage_variation_percent"] == 0.0
    assert fit.values["excess_slope_variation_percent"] < 6
    assert fit.rms < 0.01
    assert fit.peak_to_valley == pytest.approx(6.4, rel=0.1)


@pytest.mark.parametrize("device", [Tunnel(0.2, 2e-3), Bell(0.3, 1e-6, 0.06)])
def test_the_right_model_is_chosen(tmp_path, device):
    fit = fit_ndr(iv(tmp_path, {"a": device}, end=1.0))
    assert fit.model == type(device).__name__.lower()
    assert fit.values["peak_voltage_V"] == pytest.approx(device.peak_voltage_V, rel=0.01)
    assert fit.values["peak_current_mA"] == pytest.approx(1e3 * device.peak_current_A, rel=0.02)
    if isinstance(device, Bell):
        assert fit.values["width_V"] == pytest.approx(0.06, rel=0.02)


def test_odd_curves_become_a_table_that_a_chip_takes(tmp_path):
    v = np.linspace(0.02, 1, 60)
    i = 1e-3 * (np.where(v < 0.4, v / 0.4, 0.2) + 0.3 * (np.abs(v - 0.7) < 0.1))
    fit = fit_ndr(measured(tmp_path, "voltage_V,current_A", v, i))
    assert fit.model == "table"
    assert fit.rms < 0.1
    save_preset(tmp_path / "mine.yaml", "neuron", fit.values, source="iv.csv", description="odd")
    chip = load_chip(f"wan2022+{tmp_path / 'mine.yaml'}")
    np.testing.assert_allclose(chip.neuron.device.current(v[10:-10]), i[10:-10], atol=0.25e-3)
    assert chip.sources["neuron.table_voltage_V"] == "iv.csv"


@pytest.mark.parametrize("model", ["auto", "table"])
def test_points_below_0_are_kept(tmp_path, model):
    """A tunnel diode's reverse branch: in the data of the fit, and in a table's fields."""
    v = np.linspace(-0.1, 0.4, 101)
    i = 1e-3 * (v / 0.1) * np.exp(1 - v / 0.1)
    fit = fit_ndr(measured(tmp_path, "voltage_V,current_A", v, i), model)
    assert any("20 points below 0 V, down to -0.00739 A" in note for note in fit.notes)
    np.testing.assert_allclose(fit.curves[0].voltage_V, v, atol=1e-12)
    if model == "auto":
        assert fit.model == "tunnel"
        assert fit.values["peak_voltage_V"] == pytest.approx(0.1, rel=1e-3)
    else:
        kept = np.array(fit.values["table_voltage_V"]) < 0
        assert kept.sum() == 20
        np.testing.assert_allclose(np.array(fit.values["table_current_A"])[kept], i[:20], rtol=1e-5)


@pytest.mark.parametrize(
    ("v", "i", "reason"),
    [
        (np.linspace(0, 1, 50), np.linspace(0, 1, 50), "the current does not fall after its largest value"),
        (np.linspace(0, 1, 5), np.array([0, 1, 2, 1, 0.5]), "5 distinct voltages"),
        (np.linspace(0, 1, 50), -np.ones(50), "largest current is -1 A"),
        (np.linspace(0, 1, 50), np.zeros(50), "largest current is 0 A"),
        (
            np.concatenate([np.linspace(0, 1, 30)] * 2),
            np.concatenate([np.linspace(0, 1, 30), np.zeros(30)]),
            "not a function of voltage",
        ),
    ],
)
def test_impossible_curves_are_refused(tmp_path, v, i, reason):
    data = measured(tmp_path, "voltage_V,current_A", v, i)
    with pytest.raises(DatasetError, match=reason):
        fit_ndr(data)


def cells(tmp_path, targets, sigma, n=2000, stuck=0.0, seed=0):
    rng = np.random.default_rng(seed)
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
    save_preset(tmp_path / "mine.yaml", "cell", fit.values, source="g.csv", description="mine")
    cell = load_chip(f"wan2022+{tmp_path / 'mine.yaml'}").cell
    assert cell.error_model.sigma(20.0) == pytest.approx(0.7, rel=0.05)
    assert cell.levels == 12


@pytest.mark.parametrize(
    ("target", "got", "reason"),
    [
        ([1, 2, 3] * 10, [1, 2, 3] * 10, "cells do not differ"),
        ([1, 2] * 20, [1.1, 2.1] * 20, "2 different targets"),
        ([1, 2, 3] * 5, [1, 2, 3] * 5, "5 cells with the target 1 uS"),
        ([1, 2, 3] * 10, [-1, 2, 3] * 10, "conductance is -1 uS"),
        ([-1, 2, 3] * 10, [1, 2, 3] * 10, "target conductance is -1 uS"),
    ],
)
def test_impossible_cells_are_refused(tmp_path, target, got, reason):
    data = measured(tmp_path, "target_uS,conductance_uS", target, got)
    with pytest.raises(DatasetError, match=reason):
        fit_rram(data)


def pulses(tmp_path, model, up, down, *, devices=1, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    states = trace(model, up, down, rng if noise else None, devices)
    g = 50 + 25 * (2 * (states - model.low) / (model.high - model.low) - 1)
    g = g + noise * rng.standard_normal(g.shape)
    n = np.tile(np.arange(up + down + 1), devices)
    device = np.repeat([f"d{i}" for i in range(devices)], up + down + 1)
    order = rng.permutation(len(n))
    return measured(tmp_path, "pulse,conductance_uS,device", n[order], g.T.ravel()[order], device[order])


@pytest.mark.parametrize(("cycle", "noise"), [(0.0, 0.0), (0.3, 0.2)])
def test_linear_step_comes_back(tmp_path, cycle, noise):
    model = LinearStep(
        step_up=0.02, step_down=0.03, w_min=-1, w_max=1, gamma_up=0.5, gamma_down=0.8, cycle_sigma=cycle
    )
    # Up to the bound and back to it, so that the states' range is the device's.
    fit = fit_ecram(pulses(tmp_path, model, 140, 110, devices=6 if noise else 1, noise=noise))
    rtol = 0.1 if noise else 0.05
    assert fit.values["step_up"] == pytest.approx(0.02, rel=rtol)
    assert fit.values["step_down"] == pytest.approx(0.03, rel=rtol)
    assert fit.values["gamma_up"] == pytest.approx(0.5, abs=0.1)
    assert fit.values["gamma_down"] == pytest.approx(0.8, abs=0.1)
    assert (fit.low_uS, fit.high_uS) == (pytest.approx(25, abs=1), pytest.approx(75, abs=1))
    save_preset(tmp_path / "mine.yaml", "ecram", fit.values, source="p.csv", description="mine")
    assert load_chip(f"wan2022+{tmp_path / 'mine.yaml'}").ecram.device is not None


def test_exponential_comes_back(tmp_path):
    model = Exponential(pulses=64, a_up=30.0, a_down=50.0)
    fit = fit_ecram(pulses(tmp_path, model, 64, 64), "exponential")
    assert fit.values["pulses"] == 64
    assert fit.values["a_up"] == pytest.approx(30, rel=0.05)
    assert fit.values["a_down"] == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize(
    ("pulse", "g", "reason"),
    [
        (np.arange(40), np.linspace(1, 2, 40), "falling branch has 0 pulses"),
        (np.arange(40), np.r_[np.linspace(1, 2, 20), np.linspace(2, -1, 20)], "conductance is -1"),
        (np.r_[np.arange(20), np.arange(20)], np.linspace(1, 2, 40), "appears twice"),
    ],
)
def test_impossible_pulses_are_refused(tmp_path, pulse, g, reason):
    data = measured(tmp_path, "pulse,conductance_uS", pulse, g)
    with pytest.raises(DatasetError, match=reason):
        fit_ecram(data)


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("a,b\n1,2\n", None, "no column for voltage; accepted: a header like voltage_V"),
        ("voltage_K,current_A\n1,2\n", None, "has the unit 'K'; accepted: V with a prefix"),
        ("voltage_V,current_A\n1,two\n", None, "line 2: current is 'two'; accepted: a finite number"),
        ("voltage_V,current_A\n1,inf\n", None, "line 2: current is 'inf'"),
        ("voltage_V,current_A\n# nothing\n", None, "holds 1 rows"),
        ("voltage_V,current_A\n1\n", None, "line 2 has 1 columns"),
        ("voltage_V,current_A\n,1\n", None, "every row has a gap"),
        ("voltage_V,current_A\n1,2\n", {"voltage": "Vg"}, "no column 'Vg'; accepted: voltage_V, current_A"),
        ("voltage_V,current_A\n1,2\n", {"speed": "x"}, "--column names 'speed'"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path, text, columns, reason):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=reason):
        read_measurements(path, ["voltage", "current"], columns=columns)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("voltage_mV;current_uA", None),
        ("Voltage [mV]\tCurrent (uA)", None),
        ("x,y", {"voltage": "x:mV", "current": "y:uA"}),
        ("Vd (mV),Id (uA)", {"voltage": "Vd (mV)", "current": "Id (uA)"}),
        ("voltage_mV current_uA", None),
    ],
)
def test_headers_delimiters_and_units(tmp_path, header, columns):
    mark = next((d for d in ";\t," if d in header), " ")
    path = tmp_path / "x.csv"
    path.write_text(f"# a comment\n{header}\n100{mark}3\n200{mark}nan\n300{mark}5\n")
    data = read_measurements(path, ["voltage", "current"], columns=columns)
    np.testing.assert_allclose(data.columns["voltage"], [0.1, 0.3])
    np.testing.assert_allclose(data.columns["current"], [3e-6, 5e-6])
    assert data.skipped == 1


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
    """The usual measurement runs up and down several times; one fit of its largest value is none."""
    fit = fit_ecram(cycles(tmp_path, count, noise=0.1))
    assert len(fit.branches) == 2 * count
    assert fit.values["step_up"] == pytest.approx(0.04, rel=0.1)
    assert fit.values["step_down"] == pytest.approx(0.05, rel=0.1)
    assert fit.rms < 0.01
    assert fit.values["cycle_percent"] < 25, "read noise, a tenth of a step, is all that varies"


@pytest.mark.parametrize(("model", "more"), [("tunnel", 0.9), ("table", 1.1)])
def test_held_out_points_of_a_curve_miss_by_their_noise(tmp_path, model, more):
    """A law by the noise; a table, which goes through its points, by more than on those it saw."""
    rng = np.random.default_rng(3)
    v = rng.permutation(np.linspace(0, 0.6, 241))
    i = Tunnel(0.1, 1e-3).current(v) + 1e-5 * rng.standard_normal(241)
    data = measured(tmp_path, "voltage_V,current_A", v, i)
    fit = fit_ndr(data, model)
    error = held_out_error(data, fit)
    assert 0.008 < error < 0.016
    assert error > more * fit.rms


def test_held_out_pulses_and_cells(tmp_path):
    pulses = cycles(tmp_path, 2, noise=0.5)  # of a range of 50
    assert held_out_error(pulses, fit_ecram(pulses)) == pytest.approx(0.01, rel=0.3)
    rng = np.random.default_rng(0)
    target = np.repeat(np.linspace(5, 50, 10), 200)
    got = target + (0.5 + 0.02 * target) * rng.standard_normal(len(target))
    cells = measured(tmp_path, "target_uS,conductance_uS", target, got)
    assert held_out_error(cells, fit_rram(cells)) < 0.1
    v = np.linspace(0, 0.4, 9)  # with two points less there are too few
    few = measured(tmp_path, "voltage_V,current_A", v, Esaki().current(v))
    assert held_out_error(few, fit_ndr(few, "tunnel")) is None


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_read_noise_is_no_cycle_to_cycle_deviation(noise):
    """A step of 0.02 that varies by twice itself, under read noise of a step; means of ten traces."""
    model = LinearStep(step_up=0.02, step_down=0.02, w_min=-1, w_max=1, cycle_sigma=2.0)
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        w = trace(model, 100, 100, rng)[:, 0] + noise * rng.standard_normal(201)
        columns = {"pulse": np.arange(201.0), "conductance": (w + 2) * 1e-5}
        fit = fit_ecram(Measurements("x", columns, np.full(201, "a"), 0))
        found.append(fit.values["cycle_percent"])
    assert np.mean(found) == pytest.approx(150, rel=0.35), found


def test_a_real_esaki_sweep_ends_above_its_peak(tmp_path):
    device = Esaki(peak_voltage_V=0.1, peak_current_A=1e-3)
    v = np.linspace(0, 0.62, 125)
    assert device.current(v)[-1] > 2e-3, "the thermal branch passes the peak"
    data = measured(tmp_path, "voltage_V,current_A", v, device.current(v))
    fit = fit_ndr(data)
    assert fit.model == "esaki"
    assert fit.values["peak_voltage_V"] == pytest.approx(0.1, rel=0.02)
    assert fit.values["peak_current_mA"] == pytest.approx(1.0, rel=0.02)
    assert any("passes the peak" in note for note in fit.notes)
    table = fit_ndr(data, "table")
    assert table.device.peak_current_A == pytest.approx(1e-3, rel=0.02)
    assert table.device.peak_voltage_V == pytest.approx(0.1, rel=0.05)


def s_type(points=60):
    """A current sweep through the fold of a threshold switch: 0..1 V, back to 0.4 V, on to 1.2 V."""
    current = np.linspace(0, 3e-3, 3 * points)
    knees = np.array([0, 1e-3, 2e-3, 3e-3])
    return np.interp(current, knees, [0.0, 1.0, 0.4, 1.2]), current


@pytest.mark.parametrize("both_ways", [False, True])
def test_an_s_type_device_is_refused(tmp_path, both_ways):
    v, i = s_type()
    if both_ways:
        v, i = np.concatenate([v, v[::-1]]), np.concatenate([i, i[::-1]])
    data = measured(tmp_path, "voltage_V,current_A", v, i)
    with pytest.raises(DatasetError, match="voltage falls while the current rises"):
        fit_ndr(data)


def test_hysteresis_is_said_and_the_way_up_is_fitted(tmp_path):
    up, down = Bell(0.30, 1e-3, 0.06), Bell(0.26, 0.9e-3, 0.06)
    v = np.linspace(0, 0.6, 121)
    rng = np.random.default_rng(3)
    volts = np.concatenate([v, v[::-1]])
    amps = np.concatenate([up.current(v), down.current(v[::-1])]) + 2e-6 * rng.standard_normal(242)
    fit = fit_ndr(measured(tmp_path, "voltage_V,current_A", volts, amps))
    assert fit.values["peak_voltage_V"] == pytest.approx(0.30, rel=0.01)
    assert fit.values["peak_current_mA"] == pytest.approx(1.0, rel=0.02)
    (note,) = [note for note in fit.notes if "hysteresis" in note]
    # The curves differ most on their flanks: by 0.4 of the peak.
    assert "differ by up to 4" in note
    same = np.concatenate([up.current(v), up.current(v[::-1])]) + 2e-6 * rng.standard_normal(242)
    data = measured(tmp_path, "voltage_V,current_A", volts, same)
    assert not any("hysteresis" in n for n in fit_ndr(data).notes)


@pytest.mark.parametrize("offset", [-1.5, 1.5])
def test_cells_that_all_miss_their_target_are_refused(tmp_path, offset):
    rng = np.random.default_rng(0)
    target = np.repeat([5.0, 20.0, 40.0, 60.0], 200)
    got = target + offset + 0.8 * rng.standard_normal(len(target))
    data = measured(tmp_path, "target_uS,conductance_uS", target, np.abs(got))
    with pytest.raises(
        DatasetError,
        match=rf"cells for 5 uS read .*\({'[+]' if offset > 0 else '-'}1.*accepted: a mean within",
    ):
        fit_rram(data)


def test_cells_of_several_ages_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    target = np.repeat([5.0, 20.0, 40.0], 100)
    got = target + rng.standard_normal(len(target))
    for times, fine in ((np.tile([1.0, 86400.0], 150), False), (np.tile([1.0, 1.4], 150), True)):
        data = measured(tmp_path, "target_uS,conductance_uS,time_s", target, got, times)
        if fine:
            fit_rram(data)
            continue
        with pytest.raises(DatasetError, match=r"time is 1..86400 s; accepted: rows of one time"):
            fit_rram(data)


@pytest.mark.parametrize("mark", ["9.9e37", "9.91e+37", "-9.9E37", "1e38"])
def test_an_overflowed_reading_is_refused(tmp_path, mark):
    path = tmp_path / "x.csv"
    path.write_text(f"voltage_V,current_A\n0.1,1e-3\n0.2,{mark}\n")
    with pytest.raises(DatasetError, match=r"line 3: current is .*instrument's overflow"):
        read_measurements(path, ["voltage", "current"])


@pytest.mark.parametrize("mark", [";", "\t", " "])
def test_decimal_commas(tmp_path, mark):
    path = tmp_path / "x.csv"
    path.write_text(f"voltage_V{mark}current_mA\n0,25{mark}-1,5e-1\n1{mark}2,0\n,5{mark}3\n")
    data = read_measurements(path, ["voltage", "current"])
    np.testing.assert_allclose(data.columns["voltage"], [0.25, 1.0, 0.5])
    np.testing.assert_allclose(data.columns["current"], [-1.5e-4, 2e-3, 3e-3])


@pytest.mark.parametrize(
    "header",
    ["target_kohm,resistance_kohm", "target_resistance (kΩ),Resistance [kOhm]", "target_kΩ,resistance_kΩ"],
)
def test_resistances_are_conductances(tmp_path, header):
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\n20,25\n100,80\n", encoding="utf-8")
    data = read_measurements(path, ["target", "conductance"])
    np.testing.assert_allclose(data.columns["target"], [5e-5, 1e-5])
    np.testing.assert_allclose(data.columns["conductance"], [4e-5, 1.25e-5])
    path.write_text(f"{header}\n20,0\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 2: conductance is '0' ohm; accepted: a resistance above 0"):
        read_measurements(path, ["target", "conductance"])


def test_a_header_without_end_is_refused_at_once(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("voltage" + " (" * 60_000 + ",current_A\n1,2\n")
    with pytest.raises(DatasetError, match=r"not CSV|accepted: 200"):
        read_measurements(path, ["voltage", "current"])
    path.write_text('voltage_V,"' + "x" * 200_000 + "\n1,2\n")
    with pytest.raises(DatasetError, match=r"not CSV|accepted: 200"):
        read_measurements(path, ["voltage", "current"])
