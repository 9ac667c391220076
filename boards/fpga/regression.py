"""Place and route of one small and one large board against their committed reports.

``python -m boards.fpga.regression [--changed] [BOARD ...]``: exit code 1 when Fmax fell by more than 5 % or
LUTs, flip-flops, DSPs or block RAMs grew by more than 3 %. With --changed a board is left out whose committed
report is of the gateware as it is: placing it again would compare the report with itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from boards.fpga import find_target
from boards.fpga.build import build
from boards.fpga.errors import BuildError, TimingError
from boards.fpga.reports import is_current, load
from emulator.network import zoo
from emulator.spec import Program

SMALL, LARGE = "ulx3s-25f", "ulx3s-85f"
FMAX_LOSS = 0.05
AREA_GROWTH = 0.03
AREA = ("luts", "ffs", "dsps", "brams")


def differences(fresh: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """What got worse by more than the limits, in words with the figures; empty when nothing did."""
    worse = []
    before, now = baseline["fmax_mhz"], fresh["fmax_mhz"]
    if now < before * (1 - FMAX_LOSS):
        worse.append(f"Fmax {before:.1f} -> {now:.1f} MHz ({100 * (now / before - 1):+.1f} %, limit -5 %)")
    for name in AREA:
        old, new = baseline[name], fresh[name]
        if new > old * (1 + AREA_GROWTH):
            change = f"{100 * (new / old - 1):+.1f} %" if old else "from none"
            worse.append(f"{name} {old} -> {new} ({change}, limit +3 %)")
    if baseline["timing_met"] and not fresh["timing_met"]:
        worse.append(f"timing was met and is not: {now:.1f} of {fresh['clock_mhz']:g} MHz")
    return worse


def check(name: str, folder: Path) -> list[str]:
    """Build a board as its committed report was built (same seed) and compare.

    Raises
    ------
    BuildError
        When there is no committed report, or a tool fails.
    """
    baseline = load(name)
    if baseline is None:
        raise BuildError(f"{name} has no committed report; run: python -m boards.fpga.commit {name}")
    target = folder / name
    try:
        fresh = build(
            find_target(name),
            target,
            program=Program.load(zoo.program()),
            first_seed=baseline["seed"],
            announce=lambda line: print(f"{name}: {line}", flush=True),
        )
    except TimingError:
        import json

        fresh = json.loads((target / "report.json").read_text())
    return differences(fresh, baseline)


def main(arguments: list[str]) -> int:
    """Check the named boards, or the small and the large one; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m boards.fpga.regression")
    parser.add_argument("boards", nargs="*", metavar="BOARD", default=[SMALL, LARGE])
    parser.add_argument("--changed", action="store_true", help="leave out boards whose report is current")
    options = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory(dir=".", prefix=".check-pnr-") as folder:
        for name in options.boards:
            baseline = load(name)
            if options.changed and baseline is not None and is_current(baseline, find_target(name)):
                print(f"{name}: the committed report is of this gateware: {baseline['fmax_mhz']} MHz")
                continue
            try:
                worse = check(name, Path(folder))
            except BuildError as error:
                worse = [str(error)]
            print(f"{name}: " + ("; ".join(worse) if worse else "no worse than the committed report"))
            failed |= bool(worse)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
