"""Chip descriptions: presets load with a source for every value; errors name file, field, value, range."""

import pytest
import yaml

from emulator.chips import list_chips, load_chip, parse_chip
from emulator.chips.loader import PRESETS
from emulator.errors import ChipError

CELL = {"g_max_uS": 40, "levels": 16}


@pytest.mark.parametrize("name", list_chips())
def test_every_preset_value_has_a_source(name):
    chip = load_chip(name)
    assert chip.name == name
    content = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    for section, fields in content.items():
        if isinstance(fields, dict):
            for field in fields:
                assert chip.sources[f"{section}.{field}"], f"{section}.{field} has no source"
    assert all("illustrative" in s for f, s in chip.sources.items() if f.startswith("neuron."))


def test_presets():
    assert {"ideal", "wan2022"} <= set(list_chips())
    wan = load_chip("wan2022")
    assert (wan.cell.g_max_uS, wan.cell.levels, wan.readout.adc_bits, wan.array.rows) == (40.0, 16, 8, 128)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "description is a list; accepted: a mapping"),
        ({"cell": CELL}, "name is missing"),
        ({"name": "x"}, "cell.g_max_uS is missing; accepted: 1e-06..1e"),
        ({"name": "x", "cell": {**CELL, "colour": 1}}, "cell.colour is not a field; accepted: g_min_uS"),
        ({"name": "x", "cell": CELL, "wires": {}}, "wires is not a field"),
        ({"name": "x", "cell": {**CELL, "levels": 1}}, r"cell.levels is 1; accepted: 2..256"),
        ({"name": "x", "cell": {**CELL, "levels": 16.5}}, r"cell.levels is 16.5"),
        ({"name": "x", "cell": {**CELL, "levels": True}}, r"cell.levels is True"),
        ({"name": "x", "cell": {**CELL, "levels": "many"}}, r"cell.levels is 'many'"),
        (
            {"name": "x", "cell": {**CELL, "g_min_uS": 41}},
            "cell.g_min_uS is 41.0; accepted: below cell.g_max",
        ),
        (
            {"name": "x", "cell": {**CELL, "g_max_uS": 50, "programming_error": "wan2022"}},
            "cell.g_max_uS is 50.0; accepted: 0.0..40.0, the fitted range",
        ),
        (
            {"name": "x", "cell": CELL, "array": {"rows": 100}},
            "array.rows is 100; accepted: 8..1024, a multiple of 8",
        ),
        (
            {"name": "x", "cell": CELL, "input": {"dac_bits": 3}},
            "input.dac_bits is 3; accepted: one of 1, 2, 4, 8",
        ),
        (
            {"name": "x", "cell": CELL, "readout": {"kind": "abacus"}},
            "readout.kind is 'abacus'; accepted: one of adc",
        ),
        (
            {"name": "x", "cell": CELL, "readout": {"adc_bits": {"source": "?"}}},
            "readout.adc_bits.value is missing",
        ),
        (
            {"name": "x", "cell": CELL, "neuron": {"model": "esaki", "valley_voltage_V": 0.05}},
            "neuron.valley_voltage_V is 0.05; accepted: above",
        ),
        (
            {"name": "x", "cell": CELL, "neuron": {"peak_voltage_V": float("nan")}},
            "neuron.peak_voltage_V is nan",
        ),
    ],
)
def test_errors_name_field_value_and_range(content, message):
    with pytest.raises(ChipError, match=message):
        parse_chip(content)


def test_files(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\ncell: {g_max_uS: {value: 10, source: me}, levels: 4}\n")
    assert load_chip(mine).cell.g_max_uS == 10.0
    assert load_chip(mine).sources == {"cell.g_max_uS": "me"}
    mine.write_text("name: mine\ncell: {g_max_uS: 10, levels: 400}\n")
    with pytest.raises(ChipError, match=r"mine.yaml: cell.levels is 400; accepted: 2..256"):
        load_chip(mine)
    mine.write_text("name: [")
    with pytest.raises(ChipError, match=r"mine\.yaml: not YAML"):
        load_chip(mine)
    with pytest.raises(
        ChipError, match="chip is 'nochip'; accepted: a YAML file, or a preset: ideal, wan2022"
    ):
        load_chip("nochip")
