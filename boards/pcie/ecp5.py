"""``python -m boards.pcie.ecp5``: places and routes the endpoint on an ECP5, for its size and speed.

An ECP5 has no open hard block to put it behind: its streams come out at pins that no board has.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from boards.fpga import route, synthesis, timing, tools
from boards.fpga.ecp5_arrays import LEAN
from boards.fpga.registry import find_target
from boards.netlist import build_id, netlist, rtlil
from emulator.spec import Geometry

BOARD = "ulx3s-85f"
"""Whose chip is taken."""
LANES = 32
CLOCK_MHZ = 62.5
REPORT = Path(__file__).with_name("ecp5.json")


def geometry() -> Geometry:
    """Half the lanes of the usual array there, and twice the depth: it holds 784-128-10 all the same."""
    return dataclasses.replace(LEAN, name="ecp5-pcie", lanes=LANES, weight_depth=2 * LEAN.weight_depth)


def route_endpoint(folder: Path) -> dict[str, Any]:
    """Synthesise, place and route in ``folder``; size and estimated clock. Raises ``BuildError``."""
    from hdl.pcie.sim_top import PcieSimTop

    def make(identity: int) -> PcieSimTop:
        return PcieSimTop(geometry(), build_id=identity)

    board = find_target(BOARD)
    folder.mkdir(parents=True, exist_ok=True)
    identity = build_id(netlist(make, key=f"endpoint {geometry()}", platform=board))
    (folder / "top.il").write_text(rtlil(make(identity), board))
    (folder / "top.lpf").write_text(f'FREQUENCY NET "clk" {CLOCK_MHZ:g} MHZ;\n')
    (folder / "synth.ys").write_text(synthesis.script(board))
    shutil.copy(synthesis.SOFT, folder)
    tools.run(tools.find("yosys"), ["-q", "-s", "synth.ys"], cwd=folder, log=folder / "yosys.log")
    arguments = [*route.route_arguments(board, 1), "--lpf-allow-unconstrained"]
    tools.run(tools.find("nextpnr-ecp5"), arguments, cwd=folder, log=folder / "nextpnr.log")
    found = timing.read(folder / "report-1.json", board.family, 1.0)
    return {
        "device": board.device,
        "lanes": LANES,
        "build_id": f"{identity:016x}",
        "clock_mhz": CLOCK_MHZ,
        "fmax_mhz": found.fmax_mhz,
        "used": {name: list(counts) for name, counts in found.used.items()},
    }


def main() -> int:
    """Route and write the report beside this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("build/ecp5-pcie"))
    options = parser.parse_args()
    report = route_endpoint(options.output)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{report['lanes']} lanes on an ECP5 {report['device']}: {report['fmax_mhz']:.1f} MHz, estimated")
    for name, (used, available) in report["used"].items():
        print(f"{name:6s} {used:8,} of {available:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
