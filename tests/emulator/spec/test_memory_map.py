"""Geometries and registers; where a program lies in a device's memories, decoded again by hand."""

import dataclasses

import numpy as np
import pytest

from emulator.backend.lay_out import check_fits, lay_out
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, GeometryError
from emulator.spec.memory_map import DESCRIPTOR, REGION_SHIFT, REGIONS, region_words
from emulator.spec.reference import reference
from emulator.spec.registers import REGISTERS, register_map_hash
from tests.stimulus import quiet

TINY = PRESETS["tiny"]


def memories(program: object, geometry: object) -> dict[str, np.ndarray]:
    names = {number: name for name, number in REGIONS.items()}
    out = {name: np.zeros(words, np.int64) for name, words in region_words(geometry).items()}
    for section in lay_out(program, geometry):
        start = section.address & ((1 << REGION_SHIFT) - 1)
        out[names[section.address >> REGION_SHIFT]][start : start + len(section.words)] = section.words
    return out


@pytest.mark.parametrize("trial", range(5))
def test_every_weight_and_parameter_lies_where_the_map_says(trial: int) -> None:
    rng = np.random.default_rng(trial)
    g = dataclasses.replace(TINY, lanes=6, readouts=2)
    program = random_program(g, rng, layers=3)
    held = memories(program, g)
    for i, layer in enumerate(program.layers):
        words = [int(w) & 0xFFFFFFFF for w in held["layers"][8 * i : 8 * i + 8]]
        got = {name: words[w] >> low & ((1 << width) - 1) for name, (w, low, width) in DESCRIPTOR.items()}
        assert (got["inputs"], got["outputs"]) == layer.weights.shape
        assert got["variance_out"] == layer.sigma_out**2
        assert got["last"] == (i == 2)
        assert got["column_base"] % g.readouts == 0
        for k in range(layer.inputs):
            for m in range(layer.outputs):
                at = (m % g.lanes) * g.weight_depth + got["weight_base"] + (m // g.lanes) * layer.inputs + k
                assert held["weights"][at] == layer.weights[k, m]
        for m in range(layer.outputs):
            c = got["column_base"] + m
            word = int(held["readout"][c])
            offset = word >> 16 & 0xFFF
            assert word & 0xFFFF == layer.gain[m]
            assert offset - (offset >> 11 << 12) == layer.offset[m]
            assert held["bias"][c] == layer.bias[m]
            assert int(held["neuron"][c]) & 0xFFFFFFFF == int(layer.scale[m]) | int(layer.curve[m]) << 16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 8}, "arrays of 16 rows"),
        ({"weight_depth": 16}, "weight words a lane"),
        ({"layers": 1}, "number of layers"),
        ({"max_inputs": 8}, "inputs"),
        ({"columns": 4}, "column parameters"),
        ({"curves": 1}, "number of curves"),
        (
            {"weight_bits": 8},
            r"weights magnitude is \d+; at most 127 \(compile it for a chip whose cell.weight_bits is 8",
        ),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, int], words: str) -> None:
    program = random_program(TINY, np.random.default_rng(1), layers=2, readout="adc")
    check_fits(program, TINY)
    with pytest.raises(GeometryError, match=words):
        check_fits(program, dataclasses.replace(TINY, noise=True, analog=False, **change))


def test_noise_and_analog_need_their_features() -> None:
    rng = np.random.default_rng(2)
    analog = quiet(random_program(TINY, rng, layers=1, readout="analog"))
    with pytest.raises(GeometryError, match="analog"):
        check_fits(analog, dataclasses.replace(TINY, analog=False))
    noisy = random_program(TINY, rng, layers=1, readout="adc")
    noisy = noisy.with_layers([dataclasses.replace(noisy.layers[0], sigma_out=5)])
    with pytest.raises(GeometryError, match="noise generator"):
        check_fits(noisy, dataclasses.replace(TINY, noise=False))
    check_fits(quiet(noisy), dataclasses.replace(TINY, noise=False))


def test_register_table_is_sound() -> None:
    assert [r.address for r in REGISTERS] == list(range(len(REGISTERS)))
    assert len({r.name for r in REGISTERS}) == len(REGISTERS)
    assert {r.access for r in REGISTERS} == {"ro", "rw", "wo"}
    assert 0 < register_map_hash() < 1 << 32


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


def test_every_register_is_described() -> None:
    text = reference()
    for register in REGISTERS:
        assert f"`{register.name}`" in text
        assert register.text.replace("|", "\\|") in text
