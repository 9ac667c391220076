"""Geometries: widths that no input can exceed, and refusals that name the field."""

from __future__ import annotations

import dataclasses

import pytest

from emulator.spec import PRESETS, GeometryError


@pytest.mark.parametrize("name", PRESETS)
def test_preset_widths_hold_the_worst_case(name: str) -> None:
    g = PRESETS[name]
    worst = g.most_rows * 255 * g.weight_max
    assert worst < 1 << (g.accumulator_bits - 1)
    assert worst >= 1 << (g.accumulator_bits - 2)
    noise = (65535 * 2048 + 128) >> 8
    assert worst + noise < 1 << (g.noisy_bits - 1)
    assert (g.most_rows * g.weight_max + noise) * 255 < 1 << 31


def test_tile_rows_of_128_need_24_bits() -> None:
    assert dataclasses.replace(PRESETS["64-lane"], analog=False).accumulator_bits == 24


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", 4),
        ("rows", 130),
        ("lanes", 0),
        ("readouts", 3),
        ("readouts", 128),
        ("weight_bits", 7),
        ("input_bits", 4),
        ("weight_depth", 1000),
        ("max_inputs", 8),
        ("max_inputs", 8192),
        ("segments", 1),
        ("packet_bytes", 512),
        ("window", 3),
        ("curves", 0),
        ("redraw", 3),
    ],
)
def test_illegal_field_is_named_with_its_value(field: str, value: int) -> None:
    with pytest.raises(GeometryError, match=rf"{field} is {value}; accepted: "):
        dataclasses.replace(PRESETS["64-lane"], **{field: value})
