"""Build of a PCIe card: from RTL to counts of resources, and on to a bitstream if
openXC7 and the user's wrapper are installed."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ndrite.boards.fpga import artix7, synthesis, tools
from ndrite.boards.fpga.pcie_target import PcieTarget
from ndrite.boards.fpga.performance import fits, of_array
from ndrite.boards.fpga.reports import board_netlist, of_board
from ndrite.boards.netlist import build_id, rtlil, verilog
from ndrite.emulator.spec import Program

AVAILABLE = {"luts": 134_600, "ffs": 269_200, "dsps": 740, "brams": 365}
"""Resources of an XC7A200T; block RAMs are counted in units of 36 kbit."""
CELLS: dict[str, dict[str, float]] = {
    "luts": {
        **{f"LUT{i}": 1 for i in range(1, 7)},
        "INV": 1,
        "SRL16E": 1,
        "SRLC32E": 1,
        "RAM32M": 4,
        "RAM64M": 4,
        "RAM32X1D": 2,
        "RAM64X1D": 2,
        "RAM128X1D": 4,
        "RAM32X1S": 1,
        "RAM64X1S": 1,
        "RAM128X1S": 2,
        "RAM256X1S": 4,
    },
    "ffs": dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE"), 1),
    "dsps": {"DSP48E1": 1},
    "brams": {"RAMB36E1": 1, "RAMB18E1": 0.5},
}
"""Resources that each kind of cell in Yosys' output takes. Two LUTs of at most five
inputs that share a site count twice."""
PROGRAMS = ("nextpnr-xilinx", "fasm2frames", "xc7frames2bit", "yosys")
VARIABLES = {
    "CHIPDB": "folder of nextpnr-xilinx' databases",
    "PRJXRAY_DB_DIR": "folder of prjxray's databases",
    "PCIE_7X": "folder with the Verilog of pcie_7x",
}
SCRIPT = "openxc7.sh"
PAGE = "docs/hardware.md, PCIe"
STAGES = ("rtl", "synthesis", "place, route and pack")
_CLOCK = re.compile(r"Max frequency for clock\s+'(.+?)': ([\d.]+) MHz \((PASS|FAIL) at ([\d.]+) MHz\)")


def stages(
    board: PcieTarget,
    work: Path,
    program: Program,
    seeds: range,
    announce: Callable[[str], None],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Build the PCIe card ``board`` in folder ``work`` and return its report. Only the
    first of ``seeds`` is tried.

    Without openXC7 it ends after synthesis and says what is missing. Raises BuildError
    as ``ndrite.boards.fpga.build.build``.
    """
    wall, ended = tools.stopwatch(announce)
    yosys = tools.find("yosys")
    progress(STAGES[0])
    top = synthesis.board_top(board, build_id(board_netlist(board)))
    (work / "top.il").write_text(rtlil(top, board))
    (work / f"{board.name}.v").write_text(verilog(top, board))
    (work / synthesis.WRAPPER_STUB).write_text(artix7.stub())
    (work / f"{board.name}.xdc").write_text(constraints(board))
    (work / SCRIPT).write_text(script(board))
    (work / "synth.ys").write_text(synthesis.script(board))
    ended(STAGES[0])
    progress(STAGES[1])
    tools.run(yosys, ["-q", "-s", "synth.ys"], cwd=work, log=work / "yosys.log")
    used = counts(json.loads((work / "stat.json").read_text()))
    ended(STAGES[1])
    announce(", ".join(f"{count:,} of {AVAILABLE[name]:,} {name}" for name, count in used.items()))
    timing: dict[str, Any] = {"fmax_is": "counts after synthesis, the wrapper left out; not placed or routed"}
    lacking = missing(os.environ)
    if lacking:
        announce(f"stopped after synthesis; missing: {', '.join(lacking)}; see {PAGE}")
    else:
        progress(STAGES[2])
        command = tools.Command(("sh", SCRIPT, str(seeds[0])), "openXC7")
        tools.run(command, [], cwd=work, log=work / "openxc7.log")
        timing = clocks((work / "openxc7.log").read_text(errors="replace"))
        ended(STAGES[2])
    for name in ("top.il", "top.json", "routed.json", "top.frames"):
        (work / name).unlink(missing_ok=True)
    return _report(board, program, used, seeds[0]) | timing | {"wall_s": wall, "tools": [yosys.version]}


def _report(board: PcieTarget, program: Program, used: dict[str, int], seed: int) -> dict[str, Any]:
    problem = fits(program, board.geometry)
    return {
        **of_board(board),
        **used,
        **{f"{name}_available": count for name, count in AVAILABLE.items()},
        "link": "pcie gen1 x1",
        "user_mhz": board.user_mhz,
        **of_array(board.geometry, program, board.clock_mhz, problem),
        "seed": seed,
    }


def counts(statistics: dict[str, Any]) -> dict[str, int]:
    """Return the numbers of LUTs, flip-flops, DSPs and block RAMs that a design uses,
    from the output of Yosys' ``stat -json``."""
    cells: dict[str, int] = statistics["design"]["num_cells_by_type"]
    used = {
        name: sum(cells.get(cell, 0) * each for cell, each in kind.items()) for name, kind in CELLS.items()
    }
    return {name: int(-(-count // 1)) for name, count in used.items()}


def missing(environment: Mapping[str, str]) -> list[str]:
    """List the programs and folders that are missing on this machine and that making a
    bitstream needs after synthesis."""
    path = environment.get("PATH", "")
    lacking = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return lacking + [
        f"{name} ({what})"
        for name, what in VARIABLES.items()
        if not environment.get(name) or not Path(environment[name]).is_dir()
    ]


def clocks(log: str) -> dict[str, Any]:
    """Return the achieved and the wanted frequency of each clock in nextpnr's log, and
    those of the slowest clock. Raises BuildError if the log reports no clock."""
    reported = {name: (float(mhz), float(aim), word) for name, mhz, word, aim in _CLOCK.findall(log)}
    if not reported:
        raise tools.BuildError("nextpnr-xilinx reported no clock; accepted: at least one in openxc7.log")
    return {
        "fmax_mhz": min(mhz for mhz, _, _ in reported.values()),
        "fmax_is": "nextpnr's estimate, the slowest of the reported clocks; not measured on a card",
        "timing_met": all(word == "PASS" for _, _, word in reported.values()),
        "clocks": {name: {"achieved": mhz, "constraint": aim} for name, (mhz, aim, _) in reported.items()},
    }


def constraints(board: PcieTarget) -> str:
    """Return the XDC constraints of the pins and of the slot's reference clock."""
    lines = []
    for port, site, standard in board.pins:
        lines.append(f"set_property LOC {site} [get_ports {port}]")
        if standard:
            lines.append(f"set_property IOSTANDARD {standard} [get_ports {port}]")
    lines.append("set_property PULLUP TRUE [get_ports sys_rst_n]")
    lines.append("create_clock -period 10.000 [get_ports sys_clk_p]")
    return "\n".join(lines) + "\n"


def script(board: PcieTarget) -> str:
    """Return a shell script that makes a bitstream with openXC7 from the
    Verilog and the wrapper."""
    part, family = board.part, "artix7"
    needed = "\n".join(f': "${{{name}:?{what}}}"' for name, what in VARIABLES.items())
    return f"""#!/bin/sh
# {board.name}: Verilog and the wrapper to a bitstream, with openXC7; argument: placement seed.
# Never run by its authors: no openXC7 was at hand.
set -e
{needed}
cd "$(dirname "$0")"
yosys -q -p "read_verilog {board.name}.v $PCIE_7X/*.v; {synthesis.SYNTH["xc7"]}; write_json top.json"
nextpnr-xilinx --chipdb "$CHIPDB/{board.device}{board.package}.bin" --xdc {board.name}.xdc \\
  --json top.json --fasm top.fasm --freq {board.clock_mhz:g} --seed "${{1:-1}}"
fasm2frames --part {part} --db-root "$PRJXRAY_DB_DIR/{family}" top.fasm > top.frames
xc7frames2bit --part_file "$PRJXRAY_DB_DIR/{family}/{part}/part.yaml" --part_name {part} \\
  --frm_file top.frames --output_file {board.name}.bit
"""
