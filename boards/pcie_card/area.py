"""Area and speed of endpoint and core on an ECP5: what open place and route can tell of them."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boards.build_id import build_id
from boards.fpga import timing, tools
from boards.pcie_card.card import GEOMETRY, REPORTS, USER_CLOCK_MHZ

SEED = 1
PART = ["--85k", "--package", "CABGA756", "--speed", "6"]


class Ecp5:
    """What the gateware asks of its platform: the part's family."""

    family = "ecp5"


def route(folder: Path) -> dict[str, Any]:
    """Place and route in ``folder``; the report. Raises BuildError when a tool is missing or fails."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from amaranth.back import rtlil

    from hdl.pcie.sim_top import PcieSimTop

    top = PcieSimTop(GEOMETRY, build_id=build_id(GEOMETRY))
    (folder / "top.il").write_text(rtlil.convert(top, platform=Ecp5(), name="top", emit_src=False))
    script = "read_rtlil top.il\nsynth_ecp5 -top top -abc9\nwrite_json top.json\n"
    (folder / "synth.ys").write_text(script)
    yosys, placer = tools.find("yosys"), tools.find("nextpnr-ecp5")
    tools.run(yosys, ["-q", "-s", "synth.ys"], cwd=folder, log=folder / "yosys.log")
    arguments = ["--json", "top.json", "--report", "report.json", "--seed", str(SEED), "--timing-allow-fail"]
    arguments += [*PART, "--freq", f"{USER_CLOCK_MHZ:g}", "--router", "router2", "--lpf-allow-unconstrained"]
    tools.run(placer, arguments, cwd=folder, log=folder / "nextpnr.log")
    result = timing.read(folder / "report.json", "ecp5")
    used = {name: count for name, (count, _) in result.used.items()}
    return {
        "design": "hdl.pcie.sim_top.PcieSimTop, TLP streams on pins",
        "device": "LFE5U-85F, speed grade 6",
        "lanes": GEOMETRY.lanes,
        "fmax_mhz": round(result.fmax_mhz, 2),
        "fmax_is": "nextpnr's estimate; not measured on a board",
        "clock_mhz": USER_CLOCK_MHZ,
        **used,
        **{f"{name}_available": count for name, (_, count) in result.used.items()},
        "seed": SEED,
        "tools": [yosys.version, placer.version],
        "critical_paths": [asdict(path) for path in result.paths[:3]],
    }


def main() -> None:
    """Write ``reports/ecp5.json``."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="pcie-area-") as work:
        report = route(Path(work))
    (REPORTS / "ecp5.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({k: v for k, v in report.items() if k != "critical_paths"}, indent=2))


if __name__ == "__main__":
    main()
