"""Geometries, registers and bounds: what is illegal, and what a device has no room for."""

import dataclasses
import io
from functools import partial
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Layer, Program, ProgramError
from ndrite.emulator.spec.archive import ArchiveError, read_array
from ndrite.emulator.spec.variation import Campaign, CampaignError
from ndrite.hdl.device.watchdog import watchdog_cycles
from tests.emulator.spec.test_program import layer
from tests.refusals import refused
from tests.stimulus import quiet, same_cells

TINY = PRESETS["tiny"]


PLAIN, ANALOG = (
    quiet(random_program(TINY, np.random.default_rng(1), layers=2, readout=kind))
    for kind in ("adc", "analog")
)
NOISY = PLAIN.with_layers([dataclasses.replace(one, sigma_out=5) for one in PLAIN.layers])


@pytest.mark.parametrize(
    ("program", "change", "words"),
    [
        (PLAIN, {"rows": 8}, "arrays of 16 rows"),
        (PLAIN, {"max_inputs": 8}, "inputs"),
        (PLAIN, {"weight_bits": 8}, r"weights magnitude is \d+; at most 127 \(.*whose cell.weight_bits is 8"),
        (ANALOG, {}, "analog"),
        (NOISY, {}, "noise generator"),
    ],
)
def test_what_does_not_fit_is_named(program: Program, change: dict[str, int], words: str) -> None:
    least = dataclasses.replace(TINY, noise=False, analog=False)
    check_fits(PLAIN, least)
    check_fits(program, TINY)
    with pytest.raises(GeometryError, match=words):
        check_fits(program, dataclasses.replace(least, **change))


@pytest.mark.parametrize("name", PRESETS)
def test_preset_widths_hold_the_worst_case(name: str) -> None:
    g = PRESETS[name]
    worst = g.most_rows * 255 * g.weight_max
    assert worst < 1 << (g.accumulator_bits - 1)
    assert worst >= 1 << (g.accumulator_bits - 2)
    noise = (65535 * 2048 + 128) >> 8
    assert worst + noise < 1 << (g.noisy_bits - 1)
    assert (g.most_rows * g.weight_max + noise) * 255 < 1 << 31


ILLEGAL = {"rows": (4, 130), "lanes": (0,), "readouts": (3, 128), "weight_bits": (7,), "input_bits": (4,)}
ILLEGAL |= {"weight_depth": (1000,), "max_inputs": (8, 8192), "segments": (1,), "packet_bytes": (512,)}
ILLEGAL |= {"window": (3,), "curves": (0,), "redraw": (3,), "lane_rows": (2, 3)}
test_illegal_field_is_named_with_its_value = refused(
    GeometryError,
    *(
        (partial(dataclasses.replace, PRESETS["64-lane"], **{name: value}), f"{name} is {value}; accepted: ")
        for name, values in ILLEGAL.items()
        for value in values
    ),
)


CURVES = {"curve_base": np.zeros((1, 32), np.int32), "curve_slope": np.zeros((1, 32), np.int32)}


def edge(*layers: Layer, **changes: Any) -> Program:
    return Program.chain(**({"name": "edge", "rows": 16, "layers": layers} | CURVES | changes))


@pytest.mark.parametrize(
    ("noise", "room"),
    [
        ({}, 0),
        # Sigma is limited to 65535, a sample to 2048 in Q4.8: 8 each.
        ({"sigma_out": 1}, 65535 * 8),
        ({"var_cell": 1}, 65535 * 8),
        # All four slices of two bits at once, each with its weight.
        ({"sigma_out": 1, "dac_bits": 2}, 65535 * 8 * 0b01010101),
    ],
    ids=str,
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_sum_of_an_analog_column_has_room_for_its_noise(
    noise: dict[str, int], room: int, sign: int
) -> None:
    # One weight of 1 at an input of 255.
    most = 2**31 - 1 - 255 - room
    fields = {"readout": "analog"} | noise
    edge(layer(1, 1, bias=np.array([sign * most], np.int32), **fields))
    with pytest.raises(ProgramError, match=r"largest \|p\| \+ \|bias\| is 2147483648"):
        edge(layer(1, 1, bias=np.array([sign * (most + 1)], np.int32), **fields))


HIGH = layer(2**15 + 1, 1, adc_bits=4)
"""A cell pair's two samples have row numbers of 16 bits."""


varied = partial(edge, rows=1024, variation=same_cells())
test_chains_that_are_refused = refused(
    ProgramError,
    (varied, HIGH, "inputs of product 0 is 32769; accepted: 1..32768 with variation"),
    (
        varied,
        layer(0, 1),
        r"patches are .*shape=\(0, 1, 1\).*; accepted: integers, sizes of at least 1, padding of at least 0",
    ),
    (varied, layer(3, 4), layer(5, 1), r"step1.patches shape is \(5, 1, 1\); accepted: .*, \(4, 1, 1\)"),
    (varied, "layers is empty"),
    (varied, *[layer(1, 1)] * 257, "number of products is 257; accepted: at most 256"),
)


def test_the_longest_chain_and_the_most_rows_of_virtual_chips() -> None:
    assert len(edge(*[layer(1, 1)] * 256).products) == 256
    varied(layer(2**15, 1, adc_bits=4))
    edge(HIGH, rows=1024)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (0, 1 << 62)])
def test_an_empty_array_is_refused(shape: tuple[int, ...]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": shape})
    with pytest.raises(ArchiveError, match="data has 0 bytes"):
        read_array(file.getvalue())


LAST_CHIPS = {"first_chip": 2**32 - 3}


@pytest.mark.parametrize(
    ("last_good", "first_bad", "words"),
    [
        (LAST_CHIPS | {"chips": 2}, LAST_CHIPS | {"chips": 3}, "chips is 3; accepted: 1..2"),
        ({"first_sample": 2**20 - 5}, {"first_sample": 2**20 - 4}, "first_sample is"),
        ({"trials": 4096}, {"trials": 4097}, "trials is 4097; accepted: 1..4096"),
        ({"chips": 1}, {"chips": 0}, "chips is 0"),
        ({"seed": 0}, {"seed": -1}, "seed is -1"),
        ({"seed": 2**64 - 1}, {"seed": 2**64}, "seed is"),
        ({}, {"x": np.zeros((0, 3), np.uint8), "labels": np.zeros(0, int)}, "samples is uint8"),
        ({}, {"x": np.zeros((5, 4), np.uint8)}, "samples is uint8"),
        ({}, {"labels": np.zeros(3, int)}, "labels is int64"),
        ({}, {"labels": np.full(5, -1)}, "labels is -1"),
        ({"labels": np.full(5, 65535)}, {"labels": np.full(5, 65536)}, "labels is 65536"),
    ],
)
def test_campaigns_end_where_chips_images_and_draws_do(
    last_good: dict[str, Any], first_bad: dict[str, Any], words: str
) -> None:
    plan: dict[str, Any] = {"x": np.zeros((5, 3), np.uint8), "labels": np.zeros(5, int), "inputs": 3}

    def check(x: Any, labels: Any, inputs: int, **fields: Any) -> None:
        Campaign(**({"chips": 1} | fields)).check(x, labels, inputs)

    check(**(plan | last_good))
    with pytest.raises(CampaignError, match=words):
        check(**(plan | first_bad))


@pytest.mark.parametrize(
    ("fields", "cycles"),
    [
        # A second at a megahertz where the array is small.
        ({"lanes": 4, "readouts": 2, "weight_depth": 512}, 1_048_576),
        # Eight times the eight slices of every weight word.
        ({"lanes": 4, "readouts": 2, "weight_depth": 65536}, 4_194_304),
        # Four times the drawing of every cell, two a cycle.
        ({"lanes": 64, "weight_depth": 65536, "redraw": 2}, 8_388_608),
        ({"lanes": 64, "weight_depth": 65536, "redraw": 8}, 4_194_304),
    ],
)
def test_the_watchdog_waits_for_the_longest_work(fields: dict[str, int], cycles: int) -> None:
    assert watchdog_cycles(Geometry(**fields)) == cycles  # type: ignore[arg-type]
