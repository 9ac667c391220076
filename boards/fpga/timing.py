"""nextpnr's report: clocks, cells used and available, critical paths."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ndrite.boards.fpga.constraints import GMII_MHZ
from ndrite.boards.fpga.target import Family
from ndrite.boards.fpga.tools import BuildError

CELLS: dict[Family, dict[str, str]] = {
    "ecp5": {"luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "dsps": "MULT18X18D", "brams": "DP16KD"},
    "ice40": {
        "luts": "ICESTORM_LC",
        "ffs": "",
        "dsps": "ICESTORM_DSP",
        "brams": "ICESTORM_RAM",
        "sprams": "ICESTORM_SPRAM",
    },
    "gowin": {
        "luts": "LUT4",
        "ffs": "DFF",
        "dsps": "MULT9X9 MULT18X18 MULT36X36 MULTADDALU18X18 MULTALU18X18 MULTALU36X18",
        "brams": "BSRAM",
    },
}
"""Resource -> nextpnr's types of cells. iCE40 packs a LUT and a flip-flop in one cell,
and only the cells are counted."""


GMII = "eth_rx_clk"
"""Part of the name of the net of an Ethernet PHY's clock, whose frequency is
fixed by the line."""
TOLERANCE = 0.02
"""Relative tolerance when comparing a constraint: periods are whole picoseconds."""


class CriticalPath(TypedDict):
    """A critical path from the cell ``start`` to the cell ``end``: delays in
    nanoseconds, and the number of cells of logic between them."""

    start: str
    end: str
    delay_ns: float
    logic_ns: float
    routing_ns: float
    levels: int


@dataclass(frozen=True)
class Timing:
    """Figures of a routed design from nextpnr's report: clocks, used cells
    and critical paths."""

    clocks: dict[str, tuple[float, float]]
    """Clock net -> (achieved, wanted) frequency in MHz."""
    used: dict[str, tuple[int, int]]
    """Resource -> (used, available)."""
    paths: tuple[CriticalPath, ...]
    """Critical paths, the slowest first, as reports have them."""

    @property
    def fmax_mhz(self) -> float:
        """The frequency of the slowest reported clock, except Ethernet's: its frequency
        is fixed by the line and either met or not."""
        speeds = (achieved for name, (achieved, _) in self.clocks.items() if GMII not in name)
        return min(speeds, default=0.0)

    @property
    def met(self) -> bool:
        """Whether every clock meets its constraint; False if nextpnr reported no clock."""
        return bool(self.clocks) and all(
            achieved >= constraint for achieved, constraint in self.clocks.values()
        )


def read(report: Path, family: Family, asked: float, clock_mhz: float) -> Timing:
    """Read the figures in a nextpnr ``--report`` file. nextpnr was told to aim at
    ``asked`` times ``clock_mhz``.

    Raises BuildError when nextpnr did not aim at ``asked`` times ``clock_mhz``: its
    verdict would be on another clock.
    """
    content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    for name, clock in content["fmax"].items():
        aim = asked * (GMII_MHZ if GMII in name else clock_mhz)
        if abs(clock["constraint"] / aim - 1) > TOLERANCE:
            raise BuildError(
                f"nextpnr aimed at {clock['constraint']:.1f} MHz for net {name}; accepted: "
                f"{aim:.1f} MHz, as the constraints ask"
            )
    clocks = {name: (c["achieved"], c["constraint"] / asked) for name, c in content["fmax"].items()}
    used = {}
    for resource, names in CELLS[family].items():
        cells = [content["utilization"].get(name, {}) for name in names.split()]
        used[resource] = (sum(c.get("used", 0) for c in cells), sum(c.get("available", 0) for c in cells))
    paths = (_path(p["path"]) for p in content["critical_paths"] if p["path"])
    return Timing(clocks, used, tuple(sorted(paths, key=lambda p: -p["delay_ns"])))


def _path(steps: list[dict[str, Any]]) -> CriticalPath:
    """Summarise one critical path by its delays in nanoseconds, from the clock edge to
    the setup of the end register."""

    def total(kinds: Iterable[str]) -> float:
        return float(sum(step["delay"] for step in steps if step["type"] in kinds))

    first, last = steps[0], steps[-1]
    return {
        "start": first["from"]["cell"],
        "end": last["to"]["cell"],
        "delay_ns": sum(step["delay"] for step in steps),
        "logic_ns": total(("logic", "clk-to-q", "setup", "source")),
        "routing_ns": total(("routing",)),
        "levels": sum(step["type"] == "logic" for step in steps),
    }
