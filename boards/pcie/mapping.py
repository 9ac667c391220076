"""``python -m boards.pcie.mapping [-o FOLDER]``: Yosys maps the card to an Artix-7; counts its cells.

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
from emulator.spec import Geometry

GEOMETRY = dataclasses.replace(LEAN, name="artix7-card")
"""Holds 784-128-10."""
AVAILABLE = {"xc7a100t": {"luts": 63_400, "ffs": 126_800, "dsps": 240, "brams": 135, "hard_blocks": 1}}
"""Xilinx DS180; block RAMs of 36 Kbit."""
SCRIPT = """read_rtlil card.il
synth_xilinx -family xc7 -top top -noiopad -flatten
tee -o stat.json stat -json -top top
"""
REPORT = Path(__file__).with_name("report.json")


def map_card(geometry: Geometry, folder: Path) -> dict[str, Any]:
    """Synthesise ``Card(geometry)`` in ``folder``; counts of what it takes. Raises ``BuildError``."""
    from boards.pcie.card import Card

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
        "available": AVAILABLE,
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
    parser.add_argument("-o", "--output", type=Path, default=Path("build/artix7-card"))
    options = parser.parse_args()
    report = map_card(GEOMETRY, options.output)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    for part, available in AVAILABLE.items():
        for name, most in available.items():
            print(f"{part} {name:12s} {report[name]:10,} of {most:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
