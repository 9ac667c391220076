"""``python -m boards.fpga.commit [FOLDER ...]``: take reports of builds into boards/fpga/reports.

Default: every build/*/report.json. Reports of other sources than these (build id) are refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from boards.build_id import build_id
from boards.fpga.registry import BOARDS
from boards.fpga.reports import path


def main(folders: list[str]) -> int:
    """Copy the reports; 1 when one was refused."""
    status = 0
    for folder in [Path(f) for f in folders] or sorted(Path("build").glob("*")):
        file = folder / "report.json"
        if not file.is_file():
            continue
        report = json.loads(file.read_text())
        board = BOARDS.get(report["board"])
        if board is None or report["build_id"] != f"{build_id(board.geometry):016x}":
            print(f"{file}: built from other sources or another geometry; build it again", file=sys.stderr)
            status = 1
            continue
        path(board.name).write_text(json.dumps(report, indent=2) + "\n")
        print(f"{board.name}: {report['fmax_mhz']} MHz, timing met: {report['timing_met']}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
