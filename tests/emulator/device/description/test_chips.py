"""Chip descriptions: presets load with a source for every value; errors name file,
field, value, range."""

import json

import numpy as np
import pytest
import yaml

from ndrite.emulator.device.description import list_chips, list_devices, load_chip, parse_chip
from ndrite.emulator.device.description.loader import DEVICES, PRESETS
from ndrite.emulator.device.description.schema import CARD
from ndrite.emulator.device.fitting import fit_ndr, held_out_error, read_measurements
from ndrite.emulator.errors import ChipError
from tests.refusals import refused

CELL = {"g_max_uS": 40, "levels": 16}
LOADED = {"source_resistance_ohm": 10}
ESAKI = {"model": "esaki"}
VALLEY = {"model": "linear-step", "tunes": "valley"}
ECRAMS = ("tang2018", "kim2019", "linear-ysz")


@pytest.mark.parametrize("name", list_chips() + list_devices())
def test_every_preset_value_has_a_source(name):
    device = name in list_devices()
    chip = load_chip(f"ideal+{name}" if device else name)
    content = yaml.safe_load(((DEVICES if device else PRESETS) / f"{name}.yaml").read_text())
    assert content["name"] == name
    for section, fields in content.items():
        if section != "card" and isinstance(fields, dict):
            for field in fields:
                assert chip.sources[f"{section}.{field}"], f"{section}.{field} has no source"
    # The paper's neuron is not public: a whole chip's neuron is illustrative, only
    # single devices are cited.
    if not device:
        assert all("illustrative" in s for f, s in chip.sources.items() if f.startswith("neuron."))
    assert "adfm" not in str(content), "no value is the 2024 paper's"


BAD = {
    "cell": [
        ({"colour": 1}, "colour is not a field; accepted: g_min_uS"),
        ({"levels": 1}, "levels is 1; accepted: 2..256"),
        ({"levels": 16.5}, "levels is 16.5"),
        ({"levels": True}, "levels is True"),
        ({"levels": "many"}, "levels is 'many'"),
        ({"g_min_uS": 41}, "g_min_uS is 41.0; accepted: below cell.g_max"),
        ({"g_max_uS": 50, "programming_error": "wan2022"}, "g_max_uS is 50.0; accepted: 0.0..40.0"),
        ({"on_off_ratio": 10, "g_min_uS": 1}, r"g_min_uS is 1.0; accepted: left out, or .* \(4.0\)"),
        ({"g_min_uS": 7, "g_max_uS": 90, "programming_error": "ibm-cmo-hfox-2"}, "g_min_uS is 7.0; .* 8.0"),
        ({"programming_error": "milo2021"}, "g_min_uS is 0.0; accepted: 50.0..225.0"),
        ({"stuck_low_percent": 101}, "stuck_low_percent is 101.0; accepted"),
        ({"stuck_low_percent": 60, "stuck_high_percent": 50}, "stuck_high_percent is 50.0; .* at most 40"),
        ({"stuck_low_uS": 41}, "stuck_low_uS is 41.0; accepted: at most"),
        ({"programming_error": "fitted"}, "error_coefficients_uS is empty"),
        ({"error_coefficients_uS": [1, "a"]}, "error_coefficients_uS is .*; accepted: a list of at most 8"),
    ],
    "array": [
        ({"rows": 100}, "rows is 100; accepted: 8..1024, a multiple of 8"),
        ({"wire_resistance_ohm": -1}, "wire_resistance_ohm is -1.0; accepted: 0..1000"),
        ({"wire_resistance_ohm": "1e0"}, r"wire_resistance_ohm is '1e0'; .*: write 1.0e-6, 1.0e\+6\)"),
    ],
    "input": [({"dac_bits": 3}, "dac_bits is 3; accepted: one of 1, 2, 4, 8")],
    "readout": [
        ({"kind": "abacus"}, "kind is 'abacus'; accepted: one of adc"),
        ({"adc_bits": {"source": "?"}}, "adc_bits.value is missing"),
    ],
    "neuron": [
        ({"model": "esaki", "valley_voltage_V": 0.05}, "valley_voltage_V is 0.05; accepted: above"),
        ({"model": "table"}, "voltage_V has shape"),
        (ESAKI | {"excess_slope_per_V": 1, "excess_current_mA": 900}, "excess_current_A is 0.9; .* small"),
        ({"peak_voltage_V": float("nan")}, "peak_voltage_V is nan"),
        ({"capacitance_pF": 1}, "capacitance_pF is 1.0; accepted: 0, as neuron.source_resistance_ohm"),
        (LOADED | {"read_time_ns": 1}, "read_time_ns is 1.0; accepted: 0, as neuron.capacitance_pF is 0"),
        (LOADED | {"inductance_nH": 1}, "inductance_nH is 1.0; accepted: 0, as neuron.capacitance_pF"),
        ({"source_resistance_ohm": -1}, "source_resistance_ohm is -1.0; accepted: 0..1e"),
        ({"model": "double", "second_peak_voltage_V": 0.1}, r"second_peak_voltage_V is 0\.1; accepted"),
    ],
    "ecram": [
        ({"tunes": "both"}, "tunes is 'both'; accepted: none, as ecram.model is none"),
        ({"peak_current_low_factor": 2}, "peak_current_low_factor is 2.0; accepted: at most"),
        ({"w_min": 0}, "w_min is 0.0; accepted: -100..-1e-06"),
        ({"w_max": 0}, "w_max is 0.0; accepted: 1e-06..100"),
        ({"step_up": -0.1}, "step_up is -0.1; accepted: 0..10"),
        ({"gamma_down": 1.1}, "gamma_down is 1.1; accepted: 0..1"),
        ({"cycle_percent": -0.1}, "cycle_percent is -0.1; accepted: 0..1000"),
    ],
}


X = {"name": "x", "cell": CELL}
test_errors_name_field_value_and_range = refused(
    ChipError,
    *(
        (parse_chip, X | {section: (CELL if section == "cell" else {}) | fields}, rf"{section}\.{message}")
        for section, rows in BAD.items()
        for fields, message in rows
    ),
)
DRIFTS = CELL | {"drift": "wan2022"}
NARROWS = ESAKI | {"gap_narrowing_eV_per_K": 0.01}
WHOLE = dict.fromkeys(CARD, "x")
ANALOG = {"kind": "analog", "range_policy": "layer"}
APART = [
    ({"cell": DRIFTS, "conditions": {"time_since_programming_s": 1e6}}, "programming_s is .*: 1..172800"),
    ({"readout": {"bias": "cells"}}, "bias is 'cells'; accepted: digital, as readout.kind is 'adc'"),
    ({"readout": {"kind": "analog", "bias": "cells"}}, "with kind analog and range_policy layer"),
    ({"readout": ANALOG, "input": {"dac_bits": 4}}, "input.dac_bits is 4; accepted: 8, as analog columns"),
    ({"neuron": ESAKI, "ecram": VALLEY | {"tunes": "width"}}, "ecram.tunes is 'width' of a Esaki; .* valley"),
    ({"neuron": ESAKI, "ecram": VALLEY | {"shape_low_factor": 0.1}}, r"shape_low_factor is .* is 0\.05"),
    (
        {"neuron": NARROWS, "conditions": {"temperature_K": 900}},
        "excess_current_A is .* \\(at temperature_K = 900",
    ),
    ({"wires": {}}, "wires is not a field"),
    ({"card": "measured"}, "card is 'measured'; accepted: a mapping of data, conditions, licence, error"),
    ({"card": WHOLE | {"colour": "x"}}, "card.colour is not a field; accepted: data"),
    ({"card": WHOLE | {"licence": " "}}, "card.licence is ' '; accepted: text"),
    ({"card": {"data": "x"}}, "card.conditions is None; accepted: text"),
]
test_what_is_no_chip_is_refused = refused(
    ChipError,
    (parse_chip, [], "description is a list; accepted: a mapping"),
    (parse_chip, {"cell": CELL}, "name is missing"),
    (parse_chip, {"name": "x"}, "cell.g_max_uS is missing; accepted: 1e-06..1e"),
    *((parse_chip, X | sections, message) for sections, message in APART),
    (load_chip, "nochip", "accepted: a YAML file, or a preset: dendritic-analog, dendritic-ndr, ibm"),
    (load_chip, "wan2022+nodevice", "chip is 'nodevice'"),
    (load_chip, "ndr-bell", r"cell.g_max_uS is missing.*a single device"),
)


def test_files(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\ncell: {g_max_uS: {value: 10, source: me}, levels: 4, on_off_ratio: 20}\n")
    chip = load_chip(mine)
    assert (chip.cell.g_max_uS, chip.cell.g_min_uS) == (10.0, 0.5)
    assert chip.sources == {"cell.g_max_uS": "me"}
    mine.write_text("name: [")
    with pytest.raises(ChipError, match=r"mine\.yaml: not YAML"):
        load_chip(mine)


def test_cards_of_measured_devices():
    measured = {"ndr-ai301a", "ndr-gi401a", "pcm-joshi2020", "rram-gong2018", *(f"ecram-{n}" for n in ECRAMS)}
    assert {n for n in list_devices() if load_chip(f"ideal+{n}").cards} == measured
    chip = load_chip("wan2022+ndr-ai301a+rram-gong2018")
    assert list(chip.cards) == ["ndr-ai301a", "rram-gong2018"]
    assert parse_chip(json.loads(json.dumps(chip.as_dict()))) == chip


def test_phase_change_cells_over_any_chip_are_those_of_the_source():
    """Deviation and drift a day after programming at half of 25 uS, by the source's
    constants, here again."""
    chip = load_chip("dendritic-analog+pcm-joshi2020")
    x, age = 0.5, np.log(86400 / 20)
    nu, apart = max(0.0244 - 0.0155 * np.log(x), 0.049), -0.0059 - 0.0125 * np.log(x)
    apart = max(apart, 0.008)
    rng = np.random.default_rng(0)
    programmed = 12.5 + (0.26348 + 1.9650 * x - 1.1731 * x**2) * rng.standard_normal(400_000)
    drifted = programmed * np.exp(-(nu + apart * rng.standard_normal(len(programmed))) * age)
    assert chip.cell.drift_model.shift(12.5, 86400.0) == pytest.approx(drifted.mean() - 12.5, rel=0.01)
    assert chip.cell.spread(12.5, 86400.0) == pytest.approx(drifted.std(), rel=0.01)
    assert chip.conditions.time_since_programming_s == 20


def test_the_published_tunnel_diode_and_the_error_on_its_card(tmp_path):
    """Equation 5 and the row GI401A of Table 2 of 10.1016/j.neucom.2025.129454,
    written out here again."""

    def published(v):
        diode = 1.16e-7 * (np.exp(v / 0.066) - np.exp(-v / 0.066))
        tunnel = 2.17e-5 / 0.090 * v * np.exp(-(v - 0.090) / 0.090)
        return diode + tunnel - 3.22e-6 * (np.arctan(26 * (v - 0.14)) + np.arctan(26 * (v + 0.14)))

    chip = load_chip("ideal+ndr-gi401a")
    device, card = chip.neuron.device, chip.cards["ndr-gi401a"]
    assert np.abs(device.current_A - published(device.voltage_V)).max() < 1e-8
    between = (device.voltage_V[1:] + device.voltage_V[:-1]) / 2
    error = np.sqrt(np.square(device.current(between) - published(between)).mean()) / device.peak_current_A
    assert f"half-way between its points {error:.3g} of the peak" in card["error"]
    v = np.linspace(0, 0.4, 81)
    np.savetxt(
        tmp_path / "iv.csv", np.c_[v, published(v)], delimiter=",", header="voltage_V,current_A", comments=""
    )
    data = read_measurements(tmp_path / "iv.csv", ["voltage", "current"])
    assert f"{held_out_error(data, fit_ndr(data, 'esaki')):.3g} (rms of the peak" in card["error"]


def test_parts_are_laid_over_each_other(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("array: {wire_resistance_ohm: {value: 2, source: me}}\n")
    chip = load_chip(f"wan2022+ndr-bell+{mine}")
    assert chip.name == "wan2022+ndr-bell+mine"
    assert (chip.array.wire_resistance_ohm, chip.array.rows) == (2.0, 128)
    assert chip.neuron.model == "bell"
    assert chip.sources["array.wire_resistance_ohm"] == "me"
    assert chip.cell == load_chip("wan2022").cell
    mine.write_text("array: {wire_ohm: 2}\n")
    with pytest.raises(ChipError, match=r"mine.yaml: array.wire_ohm is not a field; accepted: rows"):
        load_chip(f"wan2022+{mine}")


@pytest.mark.parametrize(
    ("name", "low", "high"), [("ndr-esaki", 6.2, 6.6), ("ndr-low-pvcr", 1.1, 2.9), ("ndr-bell", 9e4, 1.2e5)]
)
def test_peak_to_valley_ratios_are_those_cited(name, low, high):
    device = load_chip(f"ideal+{name}").neuron.device
    v = np.linspace(0, 2 if name == "ndr-bell" else 0.45, 20001)
    current = device.current(v)
    peak = current[v < 1.5 * device.peak_voltage_V].max()
    assert low < peak / current[v > device.peak_voltage_V].min() < high
