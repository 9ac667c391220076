"""Pin and clock constraints in each tool's own format."""

from __future__ import annotations

from boards.fpga.board import Board, Pin
from boards.fpga.clocking import CLOCK_NET

SUFFIX = {"ecp5": "lpf", "ice40": "pcf", "gowin": "cst"}


def constraints(board: Board) -> str:
    """Text of the constraint file."""
    if board.family == "ecp5":
        return _lpf(board)
    if board.family == "ice40":
        return _pcf(board)
    return _cst(board)


def _lpf(board: Board) -> str:
    lines = ["BLOCK ASYNCPATHS;", "BLOCK RESETPATHS;"]
    for port, pin in board.pins.items():
        settings = f"IO_TYPE={pin.standard} PULLMODE={pin.pull.upper()}"
        lines += [f'LOCATE COMP "{port}" SITE "{pin.site}";', f'IOBUF PORT "{port}" {settings};']
    # The tool judges the PLL by what goes in; what it aims at is asked for behind it.
    lines.append(f'FREQUENCY PORT "clk" {board.input_mhz:g} MHZ;')
    lines.append(f'FREQUENCY NET "{CLOCK_NET}" {board.clock_mhz * board.asked:g} MHZ;')
    return "\n".join(lines) + "\n"


def _pcf(board: Board) -> str:
    def line(port: str, pin: Pin) -> str:
        return f"set_io {'-pullup yes ' if pin.pull == 'up' else ''}{port} {pin.site}"

    lines = [line(port, pin) for port, pin in board.pins.items()]
    lines.append(f"set_frequency clk {board.input_mhz:g}")
    return "\n".join(lines) + "\n"


def _cst(board: Board) -> str:
    lines = []
    for port, pin in board.pins.items():
        lines.append(f'IO_LOC "{port}" {pin.site};')
        lines.append(f'IO_PORT "{port}" IO_TYPE={pin.standard} PULL_MODE={pin.pull.upper()};')
    return "\n".join(lines) + "\n"
