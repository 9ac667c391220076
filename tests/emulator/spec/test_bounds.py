"""The last value that is accepted and the first that is not, of programs, archives, campaigns and times."""

import dataclasses
import io
from typing import Any

import numpy as np
import pytest

from emulator.backend.lay_out import check_fits
from emulator.spec import PRESETS, Geometry, GeometryError, Layer, Program, ProgramError
from emulator.spec.archive import ArchiveError, read_array
from emulator.spec.campaign import Campaign, CampaignError
from emulator.spec.watchdog import watchdog_cycles
from tests.emulator.spec.test_program import layer
from tests.stimulus import same_cells

TINY = PRESETS["tiny"]
CURVES = {"curve_base": np.zeros((1, 32), np.int32), "curve_slope": np.zeros((1, 32), np.int32)}


def program(*layers: Layer, **changes: Any) -> Program:
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
    program(layer(1, 1, bias=np.array([sign * most], np.int32), **fields))
    with pytest.raises(ProgramError, match=r"largest \|p\| \+ \|bias\| is 2147483648"):
        program(layer(1, 1, bias=np.array([sign * (most + 1)], np.int32), **fields))


EMPTY = np.zeros((0, 32), np.int32)


@pytest.mark.parametrize(
    ("one", "changes", "words"),
    [
        # A cell pair's two samples have row numbers of 16 bits.
        (
            layer(2**15 + 1, 1, adc_bits=4),
            {"rows": 1024, "variation": same_cells()},
            r"inputs of product 0 is 32769; accepted: 1..32768 with variation",
        ),
        (
            layer(3, 1),
            {"curve_base": EMPTY, "curve_slope": EMPTY},
            r"curves.base is outside 18 bits or empty",
        ),
        (layer(0, 1), {}, r"patches are .*shape=\(0, 1, 1\).*; accepted: positive sizes"),
        (layer(3, 0), {}, r"step0.weights shape is \(3, 0\); accepted: \(K, M\)"),
    ],
    ids=["rows of virtual chips", "no curves", "no inputs", "no outputs"],
)
def test_the_first_that_is_refused(one: Layer, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ProgramError, match=words):
        program(one, **changes)


def test_the_most_rows_of_virtual_chips() -> None:
    program(layer(2**15, 1, adc_bits=4), rows=1024, variation=same_cells())
    program(layer(2**15 + 1, 1, adc_bits=4), rows=1024)


def test_every_layers_columns_begin_at_a_multiple_of_the_readouts() -> None:
    geometry = dataclasses.replace(TINY, readouts=4, columns=8)
    net = program(layer(3, 5, segment_bits=7), layer(5, 1))
    with pytest.raises(GeometryError, match="column parameters is 12; at most 8"):
        check_fits(net, geometry)
    check_fits(program(layer(3, 4, segment_bits=7), layer(4, 1)), geometry)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (0, 1 << 62)])
def test_an_empty_array_is_refused(shape: tuple[int, ...]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": shape})
    with pytest.raises(ArchiveError, match="in 0 bytes"):
        read_array(file.getvalue())


@pytest.mark.parametrize(
    ("last_good", "first_bad", "words"),
    [
        (
            {"first_chip": 2**32 - 3, "chips": 2},
            {"first_chip": 2**32 - 3, "chips": 3},
            "chips is 3; accepted: 1..2",
        ),
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
    plan |= {"chips": 1, "trials": 1, "seed": 0, "first_chip": 0, "first_sample": 0}

    def check(x: Any, labels: Any, inputs: int, **fields: Any) -> None:
        Campaign(**fields).check(x, labels, inputs)

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
