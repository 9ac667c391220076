"""ndrite cost: energy, latency and area of one inference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ndrite.cli.inputs import codes_option, data_option
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table, progress_bar, say

if TYPE_CHECKING:
    from ndrite.costs import Account, Constants, Cost


@click.command()
@click.argument("program_path", metavar="[PROGRAM]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--inputs",
    "inputs_path",
    metavar="X.npy",
    type=click.Path(path_type=Path),
    help="Own inputs (n, inputs): in the unit of an imported network, else codes uint8.",
)
@data_option
@codes_option
@click.option(
    "--images", default=100, show_default=True, type=click.IntRange(1), help="Inputs the work is counted on."
)
@click.option(
    "--constants",
    "constants_path",
    metavar="FILE.yaml",
    type=click.Path(path_type=Path),
    help="Constants instead of the built-in.",
)
@click.option(
    "--node", "node_nm", metavar="NM", type=float, help="Technology node, nm; default: the constants'."
)
@click.option("--show", is_flag=True, help="Print the constants with their sources, to edit, and stop.")
@click.option(
    "--neuron",
    is_flag=True,
    help="Instead, latency x area x energy of one activation, with and without what surrounds the device.",
)
@json_option
def command(
    program_path: Path | None,
    inputs_path: Path | None,
    data: str | None,
    codes: bool,
    images: int,
    constants_path: Path | None,
    node_nm: float | None,
    show: bool,
    neuron: bool,
    as_json: bool,
) -> None:
    """Energy (pJ), latency (ns) and area (um2) of one inference of PROGRAM, by component: modelled.

    From the die beside the program, its conductances and the codes of samples; low, typical and high, from
    constants that each have a source or are called illustrative. Default: the shipped program. TOPS/W and
    TOPS/mm2 count two operations a MAC. The energy is a mean over samples.

    \b
    Example: ndrite cost program.npz --inputs x.npy --json
             ndrite cost --show > mine.yaml
             ndrite cost program.npz --constants mine.yaml --node 65
    """
    from ndrite.api.costing import cost as model_cost
    from ndrite.costs import CONSTANTS, load_constants

    if show:
        click.echo((constants_path or CONSTANTS).read_text(), nl=False)
        return
    constants = load_constants(constants_path or CONSTANTS, node_nm)
    if neuron:
        if program_path is not None:
            raise click.UsageError("PROGRAM and --neuron exclude each other; accepted: one of them")
        _neuron(constants, as_json)
        return
    account = model_cost(
        program_path,
        inputs_path,
        data=data,
        codes=codes,
        images=images,
        constants=constants,
        progress=progress_bar,
    )
    if as_json:
        print_json(account.as_dict())
    else:
        _print(account)


def _print(account: Account) -> None:
    from ndrite.costs import COMPONENTS, MODELLED

    total = account.total
    header = ("component", "energy, pJ", "share", "latency, ns", "share", "area, um2", "share", "basis")
    rows = [(c, *_cells(cost, total), MODELLED) for c, cost in account.by_component().items()]
    rows.append(("all", *_cells(total, total), MODELLED))
    print_table(
        f"{account.name} on {account.chip}: an inference, {account.node_nm:g} nm, {account.samples} samples; "
        "typical (low .. high)",
        header,
        rows,
    )
    steps = [(s, *_cells(cost, total), MODELLED) for s, cost in account.by_step().items()]
    print_table("the same by step", ("step", *header[1:]), steps)
    say(
        f"{MODELLED}: {account.macs:,} MACs, 2 operations each: {ranged(account.tops_per_W)} TOPS/W, "
        f"{ranged(account.tops_per_mm2)} TOPS/mm2, one inference after the other"
    )
    say("components: " + "; ".join(f"{name}: {what}" for name, what in COMPONENTS.items()))


def _cells(cost: Cost, total: Cost) -> tuple[str, ...]:
    found: list[str] = []
    for quantity in ("energy_pJ", "latency_ns", "area_um2"):
        value, whole = getattr(cost, quantity), getattr(total, quantity)
        found += [ranged(value), f"{value[1] / whole[1]:.1%}" if whole[1] else "-"]
    return tuple(found)


def ranged(value: Any) -> str:
    """``typical (low .. high)`` of a range; ``-`` where it is 0."""
    low, typical, high = (float(v) for v in value)
    return f"{_short(typical)} ({_short(low)} .. {_short(high)})" if high else "-"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _neuron(constants: Constants, as_json: bool) -> None:
    from ndrite.costs.neuron import NAMES, report

    found = report(constants)
    if as_json:
        print_json(found)
        return
    quantities = ("latency_ns", "area_um2", "energy_pJ", "lae")
    rows = [
        (NAMES[p["path"]], p["accounting"], *(f"{p[q]:.4g}" for q in quantities), p["basis"])
        for p in found["paths"]
    ]
    header: tuple[str, ...] = ("path", "accounting", "latency, ns", "area, um2", "energy, pJ", "LAE", "basis")
    print_table(f"one activation, {constants.node_nm:g} nm", header, rows)
    ratios = [
        (
            NAMES[r["neuron"]],
            r["against"],
            *(f"{r[a]:.3g}" for a in ("typical", "low", "high")),
            f"{r['least']:.2g} .. {r['greatest']:.2g}",
            f"{r['quoted']:.3g}",
            r["basis"],
        )
        for r in found["ratios"]
    ]
    header = ("neuron", "against CMOS", "typical", "low", "high", "widest", "paper quotes", "basis")
    print_table("how many times the CMOS circuit's LAE is the NDR neuron's", header, ratios)
