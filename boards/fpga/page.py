"""The table of boards on their page, from the committed reports: `make pages` writes it."""

from collections.abc import Iterable
from typing import Any

from ndrite.boards.fpga.registry import TARGETS
from ndrite.boards.fpga.reports import load, summaries
from ndrite.boards.fpga.target import Target

EARLIER = "\\*"
COLUMNS = (
    "board", "device", "design", "lanes", "readouts", "clock MHz", "Fmax MHz", "met", "LUTs", "FFs", "DSPs",
    "block RAMs", "weights", "samples/s compute", "samples/s link",
)  # fmt: skip


def table() -> str:
    """A row for each board with a report, and why the network that rates are of does not fit some."""
    rows = [_row(_cells(row)) for row in summaries() if row["reported"]]
    reports = {name: report for name in TARGETS if (report := load(name))}
    networks = ", ".join(sorted({report["network"] for report in reports.values()}))
    misfits = [f"- {n}: {r['network_fits']}" for n, r in reports.items() if r["network_fits"] != "yes"]
    lines = [_row(COLUMNS), _row(["---"] * 3 + ["---:"] * (len(COLUMNS) - 3)), *rows]
    lines += [f"\nSamples/s are for `{networks}`; `-` where it does not fit.\n", *misfits]
    return "\n".join(lines)


def _design(board: Target) -> str:
    """Differences from the usual gateware."""
    g = board.geometry
    marks = {"small": board.small, "overlap": g.overlap, "maps": g.map_codes, "learns": board.learns}
    return ", ".join(mark for mark, is_so in marks.items() if is_so)


def _cells(row: dict[str, Any]) -> list[str]:
    cells = [f"{row[name]:,} of {row[f'{name}_available']:,}" for name in ("luts", "ffs", "dsps", "brams")]
    rates = [row[name] for name in ("samples_per_s_compute", "samples_per_s_link")]
    return [
        f"`{row['board']}`" + EARLIER * row["earlier"],
        row["device"],
        _design(TARGETS[row["board"]]),
        str(row["lanes"]),
        str(row["readouts"]),
        f"{row['clock_mhz']:g}",
        "not a speed" if row["family"] == "gowin" else f"{row['fmax_mhz']:.1f}",
        "yes" if row["timing_met"] else "**no**",
        *cells,
        f"{row['weights_capacity']:,}",
        *("-" if rate is None else f"{rate:,}" for rate in rates),
    ]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
