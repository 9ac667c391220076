"""list: every FPGA board with the figures of its committed build."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boards.fpga.page import markdown
from boards.fpga.reports import summaries
from emulator.files import whole_file
from ndrite.files import check_outputs
from ndrite.results import Result, Table
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


@dataclass(frozen=True)
class Boards(Result):
    """Every board, and what its committed build says."""

    rows: list[dict[str, Any]]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the docs' page of size and speed, Markdown."""
        with whole_file(Path(path)) as file:
            file.write(markdown().encode())
        return Path(path)

    def as_dict(self) -> dict[str, Any]:
        """All figures of all boards."""
        return {"boards": self.rows}

    def tables(self) -> Iterable[Table]:
        """A line a board."""
        cells = [tuple(_text(name, row) for name in COLUMNS) for row in self.rows]
        yield Table("FPGA boards (estimated by nextpnr, not measured)", tuple(COLUMNS.values()), cells)

    def lines(self) -> Iterable[str]:
        """What the marks mean."""
        if any(row["timing_met"] is False for row in self.rows):
            yield "! timing is not met"
        if any(row["earlier"] for row in self.rows):
            yield "* built before the last change of its netlist; `ndrite board build` makes it anew"


@verb
def list_boards(*, output: Output | None = None) -> Boards:
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
    check_outputs(output)
    found = Boards(summaries())
    if output is not None:
        found.save(output)
    return found


def _text(name: str, row: dict[str, Any]) -> str:
    value = row[name]
    if name == "board":
        marks = "*" * bool(row["earlier"]) + "!" * (row["timing_met"] is False)
        return f"{value} {marks}".rstrip()
    # nextpnr does not time the multipliers of these: its figure is no speed.
    if value is None or (name == "fmax_mhz" and row.get("family") == "gowin"):
        return "-"
    return str(value)
