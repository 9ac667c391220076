"""``python -m boards.fpga.commit [--accept WHY] [FOLDER ...]``: builds' reports into boards/fpga/reports.

Default: every build/*/report.json. Refused are reports of other sources than these (build id), and those that
``boards.fpga.regression`` calls worse than the one they replace, unless --accept says why; the reason and
what got worse then stand in the report.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from boards.fpga.registry import TARGETS
from boards.fpga.regression import differences
from boards.fpga.reports import is_current, load, path


def main(arguments: list[str]) -> int:
    """Copy the reports; 1 when one was refused."""
    parser = argparse.ArgumentParser(prog="python -m boards.fpga.commit")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--accept", metavar="WHY", help="take a slower or larger build, for this reason")
    options = parser.parse_args(arguments)
    status = 0
    for folder in options.folders or sorted(Path("build").glob("*")):
        file = folder / "report.json"
        if not file.is_file():
            continue
        report = json.loads(file.read_text())
        board = TARGETS.get(report["board"])
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
        path(board.name).write_text(json.dumps(report, indent=2) + "\n")
        print(f"{board.name}: {report['fmax_mhz']} MHz, timing met: {report['timing_met']}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
