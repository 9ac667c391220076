"""cocotb: virtual chips of random layers, cell by cell against golden; the bench
plays the memories."""

import dataclasses
import itertools
from functools import cache
from typing import Any

import cocotb
import numpy as np
from amaranth.lib.data import ArrayLayout
from cocotb.triggers import ReadOnly, RisingEdge

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden.noise import redraw
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.memory_map import REGION_SHIFT
from ndrite.emulator.spec.variation import Variation
from ndrite.hdl.array.array import PEEK_LATENCY
from ndrite.hdl.parts.layouts import cell_layout, cells_at_once, peek_layout, poke_layout
from tests.hdl.compared import same
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import unpacker
from tests.hdl.streams import load, pulse, reset, write_memory

Cells = dict[tuple[int, int], int]
"""(lane, row address) -> word."""
AT_ONCE = cells_at_once(GEOMETRY)
POKE, PEEK = unpacker(poke_layout(GEOMETRY)), unpacker(peek_layout(GEOMETRY))


def chip_program(rng: np.random.Generator, corner: bool) -> Program:
    program = random_program(GEOMETRY, rng, corner=corner)
    most = GEOMETRY.weight_max
    variation = Variation(
        mean=rng.integers(0, 65536, 256).astype(np.uint16),
        sigma=rng.integers(0, 65536 if corner else 3000, 256).astype(np.uint16),
        stuck_low=int(rng.integers(0, 5000)),
        stuck_high=int(rng.integers(0, 5000)),
        stuck_code_low=int(rng.integers(0, 20)),
        stuck_code_high=int(rng.integers(100, most + 1)),
        code_max=most,
    )
    return dataclasses.replace(program, variation=variation)


def memory(program: Program) -> Cells:
    """As the device's weight memories hold it."""
    words = {}
    for section in lay_out(program, GEOMETRY):
        if section.name.startswith("weights"):
            lane, row = divmod(section.address & ((1 << REGION_SHIFT) - 1), GEOMETRY.weight_depth)
            words |= {(lane, row + i): int(w) for i, w in enumerate(section.words)}
    return words


@cache
def cells(*targets: int) -> int:
    """Of lanes at once, as bits; the weights beside the targets are nothing that is used."""
    layout = ArrayLayout(cell_layout(GEOMETRY), AT_ONCE)
    found: int = layout.const([{"target": target, "weight": 99} for target in targets]).as_value().value
    return found


async def play(dut: Any, targets: Cells, written: Cells) -> None:
    """Answer peeks PEEK_LATENCY cycles later, take pokes; until told to stop."""
    peeks: list[int] = [0] * PEEK_LATENCY
    while True:
        await ReadOnly()
        peeks.append(int(dut.peek.value))
        poke = POKE(int(dut.poke.value))
        for place in range(AT_ONCE):
            if poke["lanes"] >> place & 1:
                assert not poke["target"], "a drawn weight would overwrite its target"
                key = (poke["slot"] * AT_ONCE + place, poke["address"])
                assert key not in written, f"lane {key[0]}, row {key[1]} written twice"
                written[key] = poke["weights"][place]
        await RisingEdge(dut.clk)
        # Bench and device see the edge together: what was asked PEEK_LATENCY
        # edges ago shows now.
        peek = PEEK(peeks[-PEEK_LATENCY])
        keys = [(peek["slot"] * AT_ONCE + place, peek["address"]) for place in range(AT_ONCE)]
        dut.peeked.value = cells(*(targets.get(key, 0) if peek["select"] else 0 for key in keys))


@cocotb.test()
@cocotb.parametrize(corner=[False, True])
async def chips(dut: Any, corner: bool) -> None:
    rng = np.random.default_rng([8, corner])
    await reset(dut)
    for trial in range(4):
        program = chip_program(rng, corner)
        v = program.variation
        assert v is not None
        await write_memory(dut, "table", 0, v.words())
        await load(dut, lay_out(program, GEOMETRY), layers="layers")
        seed, chip = int(rng.integers(0, 1 << 63)) * 2 + 1, int(rng.integers(0, 1 << 32) - 1)
        dut.seed.value, dut.chip.value = seed, chip + 1
        dut.stuck_low.value, dut.stuck_high.value = v.stuck_low, v.stuck_high
        dut.stuck_codes.value = v.codes_word()
        nominal = trial == 2
        targets, written = memory(program), {}
        player = cocotb.start_soon(play(dut, targets, written))
        await pulse(dut, "start", nominal=int(nominal))
        dut.nominal.value = 0
        await RisingEdge(dut.clk)
        for cycles in itertools.count(1):
            await ReadOnly()
            busy = int(dut.busy.value)
            await RisingEdge(dut.clk)
            if not busy:
                break
            assert cycles < 100_000, "redraw does not end"
        player.cancel()
        compare(program, targets, written, seed, chip, nominal)
        sets = sum(-(-la.outputs // AT_ONCE) for la in program.layers)
        rows = sum(la.inputs * -(-la.outputs // AT_ONCE) for la in program.layers)
        most = rows + sets * (16 if nominal else max(16, 30 * AT_ONCE + 8)) + 60
        assert cycles <= most, f"{cycles} cycles for {rows} rows in {sets} sets of columns"


def compare(program: Program, targets: Cells, written: Cells, seed: int, chip: int, nominal: bool) -> None:
    v = program.variation
    assert v is not None
    base = 0
    for i, layer in enumerate(program.layers):
        wanted = layer.weights if nominal else redraw(layer.weights, v, seed=seed, chip=chip, layer=i)
        for k, m in np.ndindex(wanted.shape):
            key = (m % GEOMETRY.lanes, base + m // GEOMETRY.lanes * layer.inputs + k)
            got = written.pop(key, None)
            same(got, wanted[k, m], f"redraw, layer {i}, row {k}, column {m} (target {targets[key]})")
        base += layer.inputs * GEOMETRY.groups(layer.outputs)
    # What is left are neighbours of the last column, which no layer uses.
    assert all(targets.get(key, 0) == 0 for key in written), "cells written that are no weight's"
