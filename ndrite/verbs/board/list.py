"""list: every FPGA board with the figures of its committed build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boards.fpga.page import markdown
from boards.fpga.reports import summaries
from emulator.files import whole_file
from ndrite.results import Found, Table
from ndrite.signature import Output, verb

COLUMNS = {
    "board": "board",
    "lanes": "lanes",
    "clock_mhz": "MHz",
    "fmax_mhz": "Fmax",
    "luts": "LUTs",
    "images_per_s_compute": "array/s",
    "images_per_s_link": "link/s",
}
"""Shown in the table -> header; a terminal of 80 columns holds them. The JSON and the page have all."""


@verb
def list_boards(*, output: Output | None = None) -> Found:
    """The FPGA boards, with size and speed.

    Array, clock and Fmax in MHz, cells used, weights held. array/s and link/s: samples a second that the
    array and the link could do for the shipped network. The figures come from reports of past builds that
    ship with the package; Fmax is nextpnr's estimate. Nothing was measured on hardware.

    Parameters
    ----------
    output:
        Write the docs' page of size and speed, Markdown.

    Examples
    --------
    $ ndrite board list --json
    """
    rows = summaries()
    if output is not None:
        with whole_file(Path(output)) as file:
            file.write(markdown().encode())
    cells = [tuple(_text(name, row) for name in COLUMNS) for row in rows]
    title = "FPGA boards (estimated by nextpnr, not measured)"
    said = []
    if any(row["timing_met"] is False for row in rows):
        said.append("! timing is not met")
    if any(row["earlier"] for row in rows):
        said.append("* of an earlier netlist; `ndrite board build` makes it anew")
    return Found({"boards": rows}, (Table(title, tuple(COLUMNS.values()), cells),), tuple(said))


def _text(name: str, row: dict[str, Any]) -> str:
    value = row[name]
    if name == "board":
        marks = "*" * bool(row["earlier"]) + "!" * (row["timing_met"] is False)
        return f"{value} {marks}".rstrip()
    # nextpnr does not time the multipliers of these: its figure is no speed.
    if value is None or (name == "fmax_mhz" and row.get("family") == "gowin"):
        return "-"
    return str(value)
