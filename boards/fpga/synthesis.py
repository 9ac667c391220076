"""RTLIL of a board's top, and the Yosys script that maps it to the family's cells."""

from pathlib import Path

from ndrite.boards.fpga.floorplan import MACHINE as MACHINE_CELL
from ndrite.boards.fpga.floorplan import places
from ndrite.boards.fpga.pcie_target import Buildable

SOFT = Path(__file__).with_name("soft_multiplier.v")
"""Source of the LUT multiplier. It is copied beside the RTLIL, since the packaged Yosys
sees only its working folder."""
MACHINE = f"top.{MACHINE_CELL}"
"""Hierarchical name of the accelerator in the board's top."""
SYNTH = {
    "ecp5": "synth_ecp5 -top top -abc9",
    "ice40": "synth_ice40 -top top -dsp -spram -abc9 -device u",
    "gowin": "synth_gowin -top top -json top.json",
    "xc7": "synth_xilinx -family xc7 -flatten -abc9 -top top",
}

WRAPPER_STUB = "pcie_7x_stub.v"
"""File with the interface of the hard block's wrapper, beside the RTLIL; the user of a
card provides the wrapper itself."""
COLLISIONS = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2"
"""Yosys command for the small core: the result of reading a word in the cycle in which
it is written is don't-care."""

ELEMENTS = "rename -hide */w:*[[]*"
"""Yosys command that hides names such as NAME[i]. Amaranth gives this name to element i
of an array; ABC9 would take it for bit i of the array, and give up."""


def board_top(board: Buildable, build_id: int) -> object:
    """Return the top component of a board's design."""
    if board.family == "xc7":
        from ndrite.boards.fpga.artix7 import Artix7Top

        return Artix7Top(board, build_id=build_id)
    from ndrite.boards.fpga.top import BoardTop

    return BoardTop(board, build_id=build_id)


def recipe(board: Buildable) -> str:
    """Return the inputs of Yosys other than the netlist: its commands, and the source
    of the LUT multiplier if the board has one."""
    return script(board) + (SOFT.read_text() if board.soft_multipliers else "")


def script(board: Buildable) -> str:
    """Return the Yosys commands from ``top.il`` to ``top.json``."""
    lines = ["read_rtlil top.il"]
    if board.family == "xc7":
        lines.append(f"read_verilog -lib {WRAPPER_STUB}")
    if board.small:
        lines.append(COLLISIONS)
    if board.learns:
        lines.append(ELEMENTS)
    for style, pattern in board.memory_styles:
        attribute = "rom_style" if style == "logic" else "ram_style"
        lines.append(f'setattr -set {attribute} "{style}" {MACHINE}.{pattern}')
    if board.soft_multipliers:
        modules = " ".join(f"{MACHINE}.{name}" for name in board.soft_multipliers)
        lines.append(f"techmap -autoproc -map {SOFT.name} {modules}")
    synth = SYNTH[board.family] + ("" if board.dsp_inference else " -nodsp")
    lines += [synth, "tee -o stat.json stat -json"]
    floorplan = places(board)
    if floorplan:
        lines += [f'setattr -set BEL "{site}" top/c:{cell}' for cell, site in floorplan.items()]
        lines.append(f"select -assert-count {len(floorplan)} top/a:BEL")
    if board.family != "gowin":
        lines.append("write_json top.json")
    return "\n".join(lines) + "\n"
