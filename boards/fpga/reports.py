"""The committed reports: one JSON file per board, written by ``python -m boards.fpga.commit``."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from boards.build_id import build_id
from boards.fpga.board import Board
from boards.fpga.registry import BOARDS
from boards.fpga.synthesis import board_rtlil

FOLDER = Path(__file__).with_name("reports")
DROPPED = ("critical_paths",)
KEYS = (
    "board device lanes readouts clock_mhz fmax_mhz timing_met luts ffs dsps brams weights_capacity "
    "images_per_s_compute images_per_s_link"
).split()


def path(board: str) -> Path:
    """File of a board's committed report."""
    return FOLDER / f"{board}.json"


def load(board: str) -> dict[str, Any] | None:
    """A board's committed report; None when it was never built."""
    file = path(board)
    if not file.is_file():
        return None
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def known_seed(board: str) -> int:
    """The placement seed of a board's committed report; 1 where there is none."""
    committed = load(board)
    return 1 if committed is None else int(committed["seed"])


@cache
def netlist(board: Board) -> str:
    """Digest of the board's RTL, its build id left out: what a change of sources elsewhere leaves alone."""
    numbers: dict[str, int] = {}
    # Amaranth numbers some names in the order in which anything at all was made, used or not.
    text = re.sub(
        r"\\port\$\d+", lambda m: f"\\port${numbers.setdefault(m[0], len(numbers))}", board_rtlil(board, 0)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def built_id(board: Board) -> str:
    """The build id of the sources as they stand, as reports have it."""
    return f"{build_id(board.geometry):016x}"


def made_from(board: Board) -> dict[str, Any]:
    """The fields of a report that say what was placed and routed, and how."""
    return {"build_id": built_id(board), "netlist": netlist(board)} | _how(board)


def _how(board: Board) -> dict[str, Any]:
    return {
        "clock_mhz": board.clock_mhz,
        "device": board.device,
        "package": board.package,
        "speed": board.speed,
        "aim": board.asked,
        "lane_sites_from": board.lane_sites_from,
    }


def is_current(report: dict[str, Any], board: Board) -> bool:
    """Whether a build of ``board`` as it stands would place and route what ``report`` is of, and likewise.

    Of the same netlist, that is, save for the constant bits of its build id.
    """
    if any(report[field] != value for field, value in _how(board).items()):
        return False
    return bool(report["build_id"] == built_id(board) or report["netlist"] == netlist(board))


def summaries() -> list[dict[str, Any]]:
    """One record per board; figures are None where no report is committed."""
    rows = []
    for name, board in BOARDS.items():
        g = board.geometry
        known: dict[str, Any] = {
            "board": name,
            "device": f"{board.device} {board.package} {board.speed}".strip(),
            "lanes": g.lanes,
            "readouts": g.readouts,
            "clock_mhz": board.clock_mhz,
            "weights_capacity": g.lanes * g.weight_depth,
        }
        report = load(name) or {}
        extra = {key: value for key, value in report.items() if key not in DROPPED and key != "device"}
        rows.append({**dict.fromkeys(KEYS), **extra, **known, "reported": bool(report)})
    return rows
