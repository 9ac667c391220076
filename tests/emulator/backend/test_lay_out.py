"""A program's memories, read back word by word as the memory map and
``lane_groups`` have them."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.emulator.spec.memory_map import DESCRIPTOR
from ndrite.emulator.spec.steps import Product, Table
from tests.emulator.backend.test_walk import MAPS
from tests.emulator.backend.walk_by_hand import memories, unpacked
from tests.random_graphs import random_walk
from tests.stimulus import same_cells

TINY = PRESETS["tiny"]
TABLES = ("curve_base", "curve_slope")


def holds(program: Program, geometry: Geometry) -> None:
    """Every word of the arrays, their columns, descriptors and curves; all others are 0."""
    memory = {name: words & 0xFFFFFFFF for name, words in memories(program, geometry).items()}
    wanted = {name: np.zeros_like(words) for name, words in memory.items()}
    taken = {name: np.zeros(len(words), bool) for name, words in memory.items()}

    def put(region: str, where: int, value: int) -> None:
        assert not taken[region][where]
        wanted[region][where], taken[region][where] = value & 0xFFFFFFFF, True

    products, lanes = lower(program).products, geometry.lanes
    numbers = [
        program.first_product + program.products_before(i) if isinstance(step, Product) else 0
        for i, step in enumerate(program.steps)
        if isinstance(step, Product | Table)
    ]
    row = column = 0
    pipes: list[dict[int, set[int]]] = [{} for _ in range(geometry.neurons)]
    for i, product in enumerate(products):
        layer, groups, share = product.layer, product.patches.groups, product.share
        parts = 1
        while not program.is_chain and 2 * parts <= geometry.lane_groups and 2 * parts * share <= lanes:
            parts *= 2
        in_part, words = lanes // parts, 8 // parts
        apart = -(-share // geometry.readouts) * geometry.readouts
        beside = max(1, in_part // apart)
        run = layer.inputs if parts == 1 else -(-layer.inputs // 8) * words
        told = unpacked(memory["layers"][8 * i : 8 * i + 8], DESCRIPTOR)
        same = ("inputs", "outputs", "adc_bits", "shift", "vshift", "segment_bits", "table_bits", "var_cell")
        known: dict[str, Any] = {name: getattr(layer, name) for name in same}
        analog = layer.readout == "analog"
        known |= {"tile_rows": layer.inputs if analog else program.rows, "analog": analog}
        known |= {"dac_log2": int(np.log2(layer.dac_bits)), "variance_out": layer.sigma_out**2}
        known |= {"last": not program.is_chain or i == len(products) - 1, "walked": not program.is_chain}
        known |= {"fires": not program.is_chain and product.fires, "second": product.skip is not None}
        known |= {"share": share if groups > 1 else lanes, "lane_groups": int(np.log2(parts))}
        known |= {"group_rows": -(-layer.inputs // 8) * 8 if groups > 1 else 0, "weight_base": row}
        known |= {"number": numbers[i]} if i < len(numbers) else {}
        assert {name: told[name] for name in known} == known
        first = -(-column // geometry.readouts) * geometry.readouts
        assert (told["column_base"] - first) % geometry.readouts == 0
        # Second operands and divisors of averages may lie between.
        assert told["column_base"] == first or (told["column_base"] > first and not program.is_chain)
        last = 0
        for m in range(layer.outputs):
            group, c = divmod(m, share)
            index, lane = divmod(m, in_part) if groups == 1 else (group // beside, group % beside * apart + c)
            for k in range(layer.inputs):
                at = row + index * run + (k // 8 * words + k % 8 % words if parts > 1 else k)
                part = k % 8 // words if parts > 1 else 0
                word = (part * in_part + lane) * geometry.weight_depth + at
                put("weights", word, int(layer.weights[k, m]))
                last = max(last, index)
            column = told["column_base"] + group * apart + c
            put("readout", column, int(layer.gain[m]) | (int(layer.offset[m]) & 0xFFF) << 16)
            put("bias", column, int(layer.bias[m]))
            place = int(memory["neuron"][column]) >> 16 if product.fires else 0
            put("neuron", column, int(layer.scale[m]) | place << 16)
            if product.fires:
                pipes[column % geometry.neurons].setdefault(place, set()).add(int(layer.curve[m]))
        row, column = row + (last + 1) * run, column + 1
    few = len(program.curve_base) * geometry.neurons <= geometry.curves
    for pipe, held in enumerate(pipes):
        if few and any(pipes):  # every curve of the program, whose segments then share the tables
            assert all(curves == {place} for place, curves in held.items())
            held = {q: {q} for q in range(len(program.curve_base))}
        # Otherwise every curve of the pipe's columns once, and no other.
        curves = [q for place in range(len(held)) for q in held[place]]
        assert len(held) == len(curves) == len(set(curves))
        for place, q in enumerate(curves):
            for name in TABLES:
                for s, value in enumerate(getattr(program, name)[q]):
                    put(name, (pipe * geometry.curves + place) * geometry.segments + s, int(value))
    if program.variation is not None:
        for i, (mean, sigma) in enumerate(zip(program.variation.mean, program.variation.sigma, strict=True)):
            put("variation", i, int(mean) | int(sigma) << 16)
    for name in ("weights", "readout", "bias", "neuron", *TABLES, "variation"):
        np.testing.assert_array_equal(memory.get(name, 0), wanted.get(name, 0), err_msg=name)


@pytest.mark.parametrize("readout", ["adc", "analog"])
def test_a_chains_layers_follow_each_other_in_every_memory(readout: str) -> None:
    geometry = dataclasses.replace(TINY, lanes=12, segments=64)
    rng = np.random.default_rng(3)
    program = random_program(geometry, rng, sizes=[21, 29, 5, 13, 3], noise=True, readout=readout)
    holds(dataclasses.replace(program, variation=same_cells(), first_product=7), geometry)


@pytest.mark.parametrize(
    "change",
    [{}, {"lanes": 32, "lane_groups": 4, "skip": True, "readouts": 2}, {"lanes": 12, "readouts": 4}],
    ids=["one group", "lane groups", "lanes left over"],
)
def test_a_walks_products_lie_where_rows_and_groups_are_spread(change: dict[str, Any]) -> None:
    geometry, several = dataclasses.replace(MAPS, **change), set()
    for trial in range(12):
        program = random_walk(geometry, np.random.default_rng(trial), side=5)
        holds(program, geometry)
        several |= {product.patches.groups > 1 for product in lower(program).products}
    assert several == {False, True}


def test_what_a_device_just_holds_fits_and_half_of_it_does_not() -> None:
    """Four layers of 16 x 16 on four lanes: 64 words of a lane and 16
    column parameters each."""
    geometry = dataclasses.replace(TINY, lanes=4, readouts=4, rows=16, packet_bytes=64, max_outputs=16)
    rng = np.random.default_rng(0)
    least = dataclasses.replace(geometry, weight_depth=256, columns=64, layers=4, max_inputs=16)
    program = random_program(dataclasses.replace(least, columns=128), rng, sizes=[16] * 5)
    segments = program.curve_base.shape[1]
    used = len(set(np.concatenate([layer.curve for layer in program.layers[:-1]]).tolist()))
    least = dataclasses.replace(least, curves=1 << (used - 1).bit_length(), segments=segments)
    check_fits(program, least)
    for field, words in {
        "weight_depth": "weight words a lane is 256; at most 128",
        "columns": "column parameters is 64; at most 32",
        "layers": "number of layers is 4; at most 2",
        "max_outputs": "outputs is 16; at most 8",
        "curves": f"number of curves of a neuron pipe is {used}; at most {least.curves // 2}",
        "segments": f"segments is {segments}; at most {segments // 2}",
    }.items():
        with pytest.raises(GeometryError, match=words):
            check_fits(program, dataclasses.replace(least, **{field: getattr(least, field) // 2}))


PLAIN = dataclasses.replace(TINY, weight_bits=8, noise=False, analog=False)
"""A device that has none of the features that a program may need."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # The largest weight that is left is negative and the only one beyond the limit.
        ({"weights": np.diag([-128, 3, 2, 1]).astype(np.int16)}, r"weights magnitude is 128; at most 127"),
        ({"readout": "analog"}, "layer0 has analog readout"),
        ({"sigma_out": 1}, "layer0 has read noise"),
        ({"var_cell": 1}, "layer0 has read noise"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_device_without_a_feature_refuses_a_layer_that_needs_it(change: dict[str, Any], words: str) -> None:
    program = random_program(PLAIN, np.random.default_rng(1), sizes=[4, 4], noise=False, readout="adc")
    check_fits(program, PLAIN)
    needs = program.with_layers([dataclasses.replace(program.layers[0], **change)])
    check_fits(needs, TINY)
    with pytest.raises(GeometryError, match=words):
        check_fits(needs, PLAIN)


@pytest.mark.parametrize(
    ("weight_bits", "redraw", "fits"), [(9, 2, True), (8, 0, True), (8, 2, False)], ids=str
)
def test_a_device_that_draws_its_cells_refuses_codes_beyond_its_own(
    weight_bits: int, redraw: int, fits: bool
) -> None:
    program = random_program(PLAIN, np.random.default_rng(1), sizes=[4, 4], noise=False, readout="adc")
    program = dataclasses.replace(program, variation=same_cells())
    geometry = dataclasses.replace(PLAIN, weight_bits=weight_bits, redraw=redraw)
    if fits:
        check_fits(program, geometry)
    else:
        with pytest.raises(GeometryError, match=r"variation.code_max is 255; at most 127"):
            check_fits(program, geometry)


def test_neurons_may_have_as_many_curves_as_all_pipes_hold() -> None:
    """32 neurons, each with a curve of its own, in four pipes: eight curves a pipe."""
    geometry = dataclasses.replace(MAPS, lanes=32, lane_groups=4, skip=True, readouts=4, curves=8)
    program = random_program(geometry, np.random.default_rng(0), sizes=[16, 32, 4], noise=False)
    every = np.arange(32, dtype=np.uint16)
    first = dataclasses.replace(program.layers[0], curve=every)
    tables = {name: np.resize(getattr(program, name), (32, geometry.segments)) for name in TABLES}
    program = program.with_layers([first, program.layers[1]], **tables)
    holds(program, geometry)
    with pytest.raises(GeometryError, match="number of curves of a neuron pipe is 8; at most 4"):
        check_fits(program, dataclasses.replace(geometry, curves=4))
