"""``python -m ndrite.boards.fpga.commit [--check | --accept WHY] [FOLDER ...]``:
reports into boards/fpga/reports.

Default: every build/*/report.json. A report of other sources than these (build id)
is refused. So is one that is worse than the report it replaces, its Fmax lower by
more than 5 % or its LUTs, flip-flops, DSPs or block RAMs more by over 3 %, unless
--accept says why; the reason and what got worse then stand in the report. --check
compares and writes nothing.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ndrite.boards.fpga.registry import BUILDABLE
from ndrite.boards.fpga.reports import is_current, load, path

FMAX_LOSS = 0.05
AREA_GROWTH = 0.03
AREA = ("luts", "ffs", "dsps", "brams")


def differences(fresh: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """Describe the figures of a fresh report that are worse than the baseline's by more
    than the limits; empty if none is."""
    worse = []
    before, now = baseline.get("fmax_mhz"), fresh.get("fmax_mhz")  # None for a card that was not placed
    if before is not None and now is not None and now < before * (1 - FMAX_LOSS):
        worse.append(f"Fmax {before:.1f} -> {now:.1f} MHz ({100 * (now / before - 1):+.1f} %, limit -5 %)")
    for name in AREA:
        old, new = baseline[name], fresh[name]
        if new > old * (1 + AREA_GROWTH):
            change = f"{100 * (new / old - 1):+.1f} %" if old else "from none"
            worse.append(f"{name} {old} -> {new} ({change}, limit +3 %)")
    if baseline.get("timing_met") and fresh.get("timing_met") is False:
        worse.append(f"timing was met and is not: {now:.1f} of {fresh['clock_mhz']:g} MHz")
    return worse


def main(arguments: list[str]) -> int:
    """Copy or check the build reports of boards; return exit code 1 if a report was refused."""
    parser = argparse.ArgumentParser(prog="python -m ndrite.boards.fpga.commit")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--accept", metavar="WHY", help="take a slower or larger build, for this reason")
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed report, write nothing"
    )
    options = parser.parse_args(arguments)
    status = 0
    for folder in options.folders or sorted(Path("build").glob("*")):
        file = folder / "report.json"
        if not file.is_file():
            if options.folders:
                print(f"{folder}: no report.json there; build the board again", file=sys.stderr)
                status = 1
            continue
        report = json.loads(file.read_text())
        board = BUILDABLE.get(report["board"])
        if board is None or not is_current(report, board):
            print(f"{file}: of other sources, geometry, clock or device; build it again", file=sys.stderr)
            status = 1
            continue
        old = load(board.name)
        worse = differences(report, old) if old else []
        if worse and not options.accept:
            print(f"{file}: {'; '.join(worse)}; say why with --accept", file=sys.stderr)
            status = 1
            continue
        if worse:
            report["accepted"] = {"worse": worse, "why": options.accept}
        if not options.check:
            path(board.name).write_text(json.dumps(report, indent=2) + "\n")
        timing = (
            f"{report['fmax_mhz']} MHz, timing met: {report['timing_met']}" if "fmax_mhz" in report else ""
        )
        print(f"{board.name}: {timing or report['fmax_is']}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
