"""How much of a Xilinx 7-series part a PCIe card takes: Yosys maps it and counts its cells.

    python benchmarks/pcie_size.py [CARD]

One card is of the size that was simulated, the others have as many lanes as their parts have multipliers.
That is as far as the open tools of the package index reach: nextpnr-xilinx is not among them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections import Counter
from pathlib import Path

from boards.fpga import tools
from boards.fpga.ecp5_arrays import LEAN
from boards.netlist import rtlil
from boards.pcie.card import Card

AVAILABLE = {
    "xc7a100t": {"LUTs": 63_400, "flip-flops": 126_800, "DSPs": 240, "block RAMs": 135},
    "xc7k325t": {"LUTs": 203_800, "flip-flops": 407_600, "DSPs": 840, "block RAMs": 445},
}
"""Xilinx DS180; block RAMs of 36 Kbit."""
CARDS = {
    "xc7a100t": LEAN,
    "xc7a100t-wide": dataclasses.replace(LEAN, lanes=208),
    "xc7k325t-wide": dataclasses.replace(LEAN, lanes=800, readouts=8),
}
"""Part, and which card on it. Multipliers that are no lane's: 27 with four readouts, 39 with eight."""
SCRIPT = """read_rtlil card.il
synth_xilinx -family xc7 -top top -noiopad -flatten
tee -o stat.json stat -json -top top
"""
MEMORY_LUTS = {
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "SRL16E": 1,
    "SRLC32E": 1,
}
"""LUTs that a distributed memory or a shift register takes."""


def mapped(card: str, folder: Path) -> dict[str, float]:
    """What one of ``CARDS`` takes, synthesised in ``folder``. Raises ``BuildError``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.il").write_text(rtlil(Card(CARDS[card])))
    (folder / "map.ys").write_text(SCRIPT)
    tools.run(tools.find("yosys"), ["-q", "-s", "map.ys"], cwd=folder, log=folder / "yosys.log")
    design = json.loads((folder / "stat.json").read_text())["design"]
    cells: Counter[str] = Counter(design["num_cells_by_type"])
    logic = sum(n for cell, n in cells.items() if re.fullmatch(r"LUT[1-6]", cell))
    return {
        "LUTs": logic + sum(n * MEMORY_LUTS.get(cell, 0) for cell, n in cells.items()),
        "flip-flops": sum(n for cell, n in cells.items() if re.fullmatch(r"FD[RSCP]E(_1)?", cell)),
        "DSPs": cells["DSP48E1"],
        "block RAMs": cells["RAMB36E1"] + cells["RAMB18E1"] / 2,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("card", nargs="?", default="xc7a100t", choices=CARDS)
    parser.add_argument("-o", "--output", type=Path, help="default: build/CARD")
    options = parser.parse_args()
    found = mapped(options.card, options.output or Path("build") / options.card)
    for name, most in AVAILABLE[options.card.removesuffix("-wide")].items():
        print(f"{options.card} {name:12s} {found[name]:10,} of {most:,}")


if __name__ == "__main__":
    main()
