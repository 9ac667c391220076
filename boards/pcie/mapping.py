"""``python -m boards.pcie.mapping [CARD]``: Yosys maps a card to a Xilinx 7-series part; counts its cells.

One card is of the size that was simulated, the others have as many lanes as their parts have multipliers.
That is as far as the open tools of the package index reach: nextpnr-xilinx is not among them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from boards.fpga import tools
from boards.fpga.ecp5_arrays import LEAN
from boards.netlist import build_id, netlist, rtlil

GEOMETRY = dataclasses.replace(LEAN, name="artix7-card")
"""Holds 784-128-10."""
AVAILABLE = {
    "xc7a100t": {"luts": 63_400, "ffs": 126_800, "dsps": 240, "brams": 135, "hard_blocks": 1},
    "xc7k325t": {"luts": 203_800, "ffs": 407_600, "dsps": 840, "brams": 445, "hard_blocks": 1},
}
"""Xilinx DS180; block RAMs of 36 Kbit."""
CARDS = {
    "xc7a100t": GEOMETRY,
    "xc7a100t-wide": dataclasses.replace(LEAN, name="artix7-card-wide", lanes=208),
    "xc7k325t-wide": dataclasses.replace(LEAN, name="kintex7-card-wide", lanes=800, readouts=8),
}
"""Part, and which card on it. Multipliers that are no lane's: 27 with four readouts, 39 with eight."""
SCRIPT = """read_rtlil card.il
synth_xilinx -family xc7 -top top -noiopad -flatten
tee -o stat.json stat -json -top top
"""
REPORTS = Path(__file__).parent


def report_of(card: str) -> Path:
    """Where the counts of one of ``CARDS`` are kept."""
    return REPORTS / f"{card}.json"


def map_card(card: str, folder: Path) -> dict[str, Any]:
    """Synthesise one of ``CARDS`` in ``folder``; counts of what it takes. Raises ``BuildError``."""
    from boards.pcie.card import Card

    geometry, part = CARDS[card], card.removesuffix("-wide")

    def make(identity: int) -> Card:
        return Card(geometry, build_id=identity)

    folder.mkdir(parents=True, exist_ok=True)
    identity = build_id(netlist(make, key=f"card {geometry}"))
    (folder / "card.il").write_text(rtlil(make(identity)))
    (folder / "map.ys").write_text(SCRIPT)
    tools.run(tools.find("yosys"), ["-q", "-s", "map.ys"], cwd=folder, log=folder / "yosys.log")
    cells: Counter[str] = Counter(
        json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    )
    return {
        "geometry": geometry.name,
        "lanes": geometry.lanes,
        "build_id": f"{identity:016x}",
        "luts": sum(n for cell, n in cells.items() if re.fullmatch(r"LUT[1-6]", cell)) + _memory_luts(cells),
        "ffs": sum(n for cell, n in cells.items() if re.fullmatch(r"FD[RSCP]E(_1)?", cell)),
        "dsps": cells["DSP48E1"],
        "brams": cells["RAMB36E1"] + cells["RAMB18E1"] / 2,
        "hard_blocks": cells["PCIE_2_1"],
        "part": part,
        "available": AVAILABLE[part],
        "cells": dict(sorted(cells.items())),
    }


def _memory_luts(cells: Counter[str]) -> int:
    """LUTs that distributed memories and shift registers take."""
    each = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "SRL16E": 1, "SRLC32E": 1}
    return sum(n * each[cell] for cell, n in cells.items() if cell in each)


def main() -> int:
    """Map and write the report beside this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("card", nargs="?", default="xc7a100t", choices=CARDS)
    parser.add_argument("-o", "--output", type=Path, help="default: build/CARD")
    options = parser.parse_args()
    report = map_card(options.card, options.output or Path("build") / options.card)
    report_of(options.card).write_text(json.dumps(report, indent=2) + "\n")
    for name, most in report["available"].items():
        print(f"{options.card} {name:12s} {report[name]:10,} of {most:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
