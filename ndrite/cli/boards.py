"""ndrite boards: every FPGA board with the figures of its committed build."""

from __future__ import annotations

import json
from typing import Any

import click

COLUMNS = {
    "board": "board",
    "lanes": "lanes",
    "clock_mhz": "MHz",
    "fmax_mhz": "Fmax",
    "luts": "LUTs",
    "images_per_s_compute": "array/s",
    "images_per_s_link": "link/s",
}
"""Shown in the table -> header; a terminal of 80 columns holds them. --json and the docs' page have all."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list on stdout.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the docs' size-and-speed page.")
def command(as_json: bool, as_markdown: bool) -> None:
    """List the boards: array, clock and Fmax in MHz, cells used, weights held, estimated images/s.

    array/s and link/s: images a second that the array and the UART could do for the shipped network.
    The figures come from reports of past builds that ship with the package; Fmax is nextpnr's estimate.
    Nothing was measured on hardware.

    \b
    Example: ndrite boards --json
    """
    from boards.fpga.page import markdown
    from boards.fpga.reports import summaries
    from ndrite.cli.terminal import print_table, say

    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    if as_markdown:
        click.echo(markdown(), nl=False)
        return
    rows = summaries()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [tuple(_text(name, row) for name in COLUMNS) for row in rows]
    print_table("FPGA boards (estimated by nextpnr, not measured)", tuple(COLUMNS.values()), cells)
    if any(row["timing_met"] is False for row in rows):
        say("! timing is not met")
    if any(row["earlier"] for row in rows):
        say("* built before the last change of its netlist; `ndrite build` makes it anew")


def _text(name: str, row: dict[str, Any]) -> str:
    value = row[name]
    if name == "board":
        marks = "*" * bool(row["earlier"]) + "!" * (row["timing_met"] is False)
        return f"{value} {marks}".rstrip()
    # nextpnr does not time the multipliers of these: its figure is no speed.
    if value is None or (name == "fmax_mhz" and row.get("family") == "gowin"):
        return "-"
    return str(value)
