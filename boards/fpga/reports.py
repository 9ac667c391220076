"""The committed reports: one JSON file per board, written by ``python -m
ndrite.boards.fpga.commit``.

The table of boards on their page is filled from them by ``make pages``."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ndrite.boards.cache import digest
from ndrite.boards.fpga.pcie_target import Buildable
from ndrite.boards.fpga.registry import BUILDABLE
from ndrite.boards.fpga.synthesis import board_top, recipe
from ndrite.boards.netlist import build_id, netlist

FOLDER = Path(__file__).with_name("reports")
DIGITS = 16
"""Number of hexadecimal digits that a report keeps of the digests of its netlist and
of Yosys' recipe."""
DROPPED = ("critical_paths",)
KEYS = (
    "board device lanes readouts clock_mhz fmax_mhz timing_met luts ffs dsps brams weights_capacity "
    "samples_per_s_compute samples_per_s_link"
).split()


def path(board: str) -> Path:
    """Return the path of a board's committed build report."""
    return FOLDER / f"{board}.json"


def load(board: str) -> dict[str, Any] | None:
    """Return a board's committed build report, or None if the board was never built."""
    file = path(board)
    if not file.is_file():
        return None
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def known_seed(board: str) -> int:
    """Return the placement seed in a board's committed build report, or 1 if
    there is no report."""
    committed = load(board)
    return 1 if committed is None else int(committed["seed"])


def board_netlist(board: Buildable) -> str:
    """Return the digest of a board's RTL, with the build id left out."""
    return netlist(lambda identity: board_top(board, identity), key="board top", platform=board)


def made_from(board: Buildable) -> dict[str, Any]:
    """Return the fields of a report on which its figures depend: the design that is
    placed and routed, and the settings for that."""
    of = board_netlist(board)
    return {"build_id": f"{build_id(of):016x}", "netlist": of[:DIGITS]} | _how(board)


def of_board(board: Buildable) -> dict[str, Any]:
    """Return the fields of a report that follow from the board's description alone and
    not from the tools' results."""
    g = board.geometry
    return {
        "board": board.name,
        "family": board.family,
        **made_from(board),
        "lanes": g.lanes,
        "readouts": g.readouts,
        "geometry": g.hardware_fields(),
    }


def _how(board: Buildable) -> dict[str, Any]:
    return {
        "clock_mhz": board.clock_mhz,
        "device": board.device,
        "package": board.package,
        "speed": board.speed,
        "aim": board.asked,
        "lane_sites_from": board.lane_sites_from,
        "script": digest(recipe(board).encode())[:DIGITS],
    }


def is_current(report: dict[str, Any], board: Buildable) -> bool:
    """Return whether building ``board`` today would place and route the same netlist
    with the same settings as in ``report``."""
    if any(report[field] != value for field, value in _how(board).items()):
        return False
    return bool(report["netlist"] == board_netlist(board)[:DIGITS])


def summaries() -> list[dict[str, Any]]:
    """Return one record per board; the figures in it are None if the board has no
    committed build report."""
    rows = []
    for name, board in BUILDABLE.items():
        g = board.geometry
        summary: dict[str, Any] = {
            "board": name,
            "device": f"{board.device} {board.package} {board.speed}".strip(),
            "lanes": g.lanes,
            "readouts": g.readouts,
            "clock_mhz": board.clock_mhz,
            "weights_capacity": g.lanes * g.weight_depth,
        }
        report = load(name) or {}
        extra = {key: value for key, value in report.items() if key not in DROPPED and key != "device"}
        earlier = bool(report.get("of_earlier_netlist", False))
        rows.append({**dict.fromkeys(KEYS), **extra, **summary, "reported": bool(report), "earlier": earlier})
    return rows


EARLIER = "\\*"
COLUMNS = (
    "board", "device", "design", "lanes", "readouts", "clock MHz", "Fmax MHz", "met", "LUTs", "FFs", "DSPs",
    "block RAMs", "weights", "samples/s compute", "samples/s link",
)  # fmt: skip


def table() -> str:
    """Return the documentation's table of boards, a row for each board with a
    report, and below it, for some boards, why the network by which rates are
    computed does not fit."""
    rows = [_row(_cells(row)) for row in summaries() if row["reported"]]
    reports = {name: report for name in BUILDABLE if (report := load(name))}
    networks = ", ".join(sorted({report["network"] for report in reports.values()}))
    misfits = [f"- {n}: {r['network_fits']}" for n, r in reports.items() if r["network_fits"] != "yes"]
    lines = [_row(COLUMNS), _row(["---"] * 3 + ["---:"] * (len(COLUMNS) - 3)), *rows]
    lines += [f"\nSamples/s are for `{networks}`; `-` where it does not fit.\n", *misfits]
    return "\n".join(lines)


def _design(board: Buildable) -> str:
    """Name the ways in which a board's design differs from the usual gateware."""
    g = board.geometry
    marks = {"small": board.small, "overlap": g.overlap, "maps": g.map_codes, "learns": board.learns}
    return ", ".join(mark for mark, is_so in marks.items() if is_so)


def _cells(row: dict[str, Any]) -> list[str]:
    cells = [f"{row[name]:,} of {row[f'{name}_available']:,}" for name in ("luts", "ffs", "dsps", "brams")]
    rates = [row[name] for name in ("samples_per_s_compute", "samples_per_s_link")]
    return [
        f"`{row['board']}`" + EARLIER * row["earlier"],
        row["device"],
        _design(BUILDABLE[row["board"]]),
        str(row["lanes"]),
        str(row["readouts"]),
        f"{row['clock_mhz']:g}",
        *_speed(row),
        *cells,
        f"{row['weights_capacity']:,}",
        *("-" if rate is None else f"{rate:,}" for rate in rates),
    ]


def _speed(row: dict[str, Any]) -> tuple[str, str]:
    """Format a board's Fmax and whether its timing is met."""
    if row["fmax_mhz"] is None:
        return "not routed", "-"
    # nextpnr does not time Gowin's multipliers, so its frequency for Gowin
    # boards is not a speed.
    fmax = "not a speed" if row["family"] == "gowin" else f"{row['fmax_mhz']:.1f}"
    return fmax, "yes" if row["timing_met"] else "**no**"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
