"""Pin and clock constraints in each tool's own format."""

import json
from pathlib import Path
from typing import Any

from ndrite.boards.fpga.target import Pin, Target
from ndrite.boards.fpga.tools import BuildError

GMII_MHZ = 125
SUFFIX = {"ecp5": "lpf", "ice40": "pcf", "gowin": "cst"}


def constraints(board: Target, clock: str) -> str:
    """Return the text of the constraint file for place and route; ``clock`` is the net
    that the design is clocked by (ECP5)."""
    if board.family == "ecp5":
        return _lpf(board, clock)
    if board.family == "ice40":
        return _pcf(board)
    return _cst(board)


def clock_net(netlist: Path) -> str:
    """Return the name of the net that the PLL drives, from the Yosys JSON netlist
    of an ECP5 design.

    Flattening keeps one of the clock's names, another one in every design, and place
    and route ignores a constraint on any other. Raises BuildError when there is no PLL.
    """
    modules: dict[str, Any] = json.loads(netlist.read_text(encoding="utf-8"))["modules"]
    top = next(m for m in modules.values() if int(m.get("attributes", {}).get("top", "0"), 2))
    for cell in top["cells"].values():
        if cell["type"] == "EHXPLLL":
            bits = cell["connections"]["CLKOP"]
            names: list[str] = [name for name, net in top["netnames"].items() if net["bits"] == bits]
            return min(names, key=lambda name: ("$" in name, name))
    raise BuildError(f"{netlist.name}: no PLL, so no clock to constrain")


def _lpf(board: Target, clock: str) -> str:
    lines = ["BLOCK ASYNCPATHS;", "BLOCK RESETPATHS;"]
    for port, pin in board.pins.items():
        settings = f"IO_TYPE={pin.standard} PULLMODE={pin.pull.upper()}"
        lines += [f'LOCATE COMP "{port}" SITE "{pin.site}";', f'IOBUF PORT "{port}" {settings};']
    # nextpnr derives the frequency of the PLL's output from its input; the clock that
    # it is to aim at is set on the output.
    lines.append(f'FREQUENCY PORT "clk" {board.input_mhz:g} MHZ;')
    lines.append(f'FREQUENCY NET "{clock}" {board.clock_mhz * board.asked:g} MHZ;')
    if board.ethernet is not None:
        lines.append(f'FREQUENCY PORT "eth_rx_clk" {GMII_MHZ * board.asked:g} MHZ;')
    return "\n".join(lines) + "\n"


def _pcf(board: Target) -> str:
    def line(port: str, pin: Pin) -> str:
        return f"set_io {'-pullup yes ' if pin.pull == 'up' else ''}{port} {pin.site}"

    lines = [line(port, pin) for port, pin in board.pins.items()]
    lines.append(f"set_frequency clk {board.input_mhz:g}")
    return "\n".join(lines) + "\n"


def _cst(board: Target) -> str:
    lines = []
    for port, pin in board.pins.items():
        lines.append(f'IO_LOC "{port}" {pin.site};')
        lines.append(f'IO_PORT "{port}" IO_TYPE={pin.standard} PULL_MODE={pin.pull.upper()};')
    return "\n".join(lines) + "\n"
