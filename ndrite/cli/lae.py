"""ndrite lae: latency, area and energy of one activation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table

NAMES = {"digital": "digital CMOS (ADC + table)", "analog": "analog CMOS", "ndr": "NDR + ECRAM neuron"}


@click.command()
@click.option(
    "--constants",
    metavar="FILE.yaml",
    type=click.Path(path_type=Path),
    help="Constants instead of the built-in.",
)
@click.option("--show", is_flag=True, help="Print the constants with their sources, to edit, and stop.")
@json_option
def command(constants: Path | None, show: bool, as_json: bool) -> None:
    """Latency (ns), area (um2), energy (pJ) of one activation, and their product, three ways.

    Low, typical and high accounting from constants that each have a source or are called illustrative. The
    paper's 516 x and 1.3e5 x are quoted beside the ratios these constants give. What the emulator's gateware
    spends comes separately: it says nothing about a chip.

    \b
    Example: ndrite lae --show > mine.yaml
             ndrite lae --constants mine.yaml
    """
    from ndrite.lae import ACCOUNTINGS, load_constants, report
    from ndrite.lae.account import CONSTANTS

    if show:
        click.echo((constants or CONSTANTS).read_text(), nl=False)
        return
    found = report(load_constants(constants or CONSTANTS))
    if as_json:
        print_json(found)
        return
    rows = [
        (NAMES[name], a, *(f"{by[a][q]:.4g}" for q in ("latency_ns", "area_um2", "energy_pJ", "lae")))
        for name, by in found["paths"].items()
        for a in ACCOUNTINGS
    ]
    header: tuple[str, ...] = ("path", "accounting", "latency, ns", "area, um2", "energy, pJ", "LAE")
    print_table("one activation, from cited and illustrative constants", header, rows)
    ratios: list[tuple[str, ...]] = []
    for name, r in found["ratios"].items():
        needs: dict[str, Any] = r["needs"]
        ratios += [
            (
                NAMES[name],
                a,
                f"{r[a]:.3g}",
                f"{r['quoted']:.3g}",
                f"{needs[a]['latency_ns']:.3g}",
            )
            for a in ACCOUNTINGS
        ]
        ratios.append(
            (NAMES[name], "widest", f"{r['least']:.2g} .. {r['greatest']:.2g}", f"{r['quoted']:.3g}", "-")
        )
    header = ("against", "accounting", "LAE ratio", "paper quotes", "NDR latency for that, ns")
    print_table("LAE over that of the NDR + ECRAM neuron", header, ratios)
    cells = [tuple(str(v) for v in row.values()) for row in found["fpga"]]
    header = ("board", "lanes", "LUTs", "FFs", "DSPs", "RAMs", "MHz")
    print_table(
        "the emulator's gateware, whole designs; one activation leaves the neuron block each cycle",
        header,
        cells,
    )
