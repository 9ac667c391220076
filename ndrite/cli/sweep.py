"""ndrite sweep: grids over chip fields, seeds and networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table, progress_bar, say


def sweep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the results of a plan's points go, and who computes them."""
    options = (
        click.option(
            "-o",
            "--output",
            metavar="FOLDER",
            type=click.Path(path_type=Path),
            help="Results and figures; default: PLAN without .yaml.",
        ),
        click.option(
            "--workers", default=1, show_default=True, type=click.IntRange(1, 1024), help="Local processes."
        ),
        click.option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            help="Dask scheduler to use instead; its workers need ndrite and the plan's network files.",
        ),
    )
    for option in reversed(options):  # as decorators are: the last one first
        command = option(command)
    return command


@click.command()
@click.argument("plan_path", metavar="PLAN.yaml", type=click.Path(path_type=Path))
@sweep_options
@json_option
def command(plan_path: Path, output: Path | None, workers: int, scheduler: str | None, as_json: bool) -> None:
    """Accuracy, and modelled cost, at every point of PLAN.yaml; go on where an earlier run stopped.

    \b
    Example plan:
      chip: wan2022
      grid:
        cell.stuck_low_percent: [0, 1, 2]
        array.wire_resistance_ohm: [0, 1]
      seeds: 3
      images: 1000
    With `chips: 50` every point is 50 virtual chips instead of one programmed chip.

    Example: ndrite sweep plan.yaml --workers 2
    """
    from ndrite.api.sweeping import sweep

    grid = sweep(plan_path, output, workers=workers, scheduler=scheduler, progress=progress_bar)
    figures = grid.plot()
    if as_json:
        print_json(
            {
                "plan": str(plan_path),
                "results": str(grid.table_path),
                "figures": [str(path) for path in figures],
                "rows": grid.rows,
            }
        )
        return
    for axis in grid.plan.axes:
        table = [
            (str(value), *(f"{100 * a:.2f}" for a in accuracies)) for value, *accuracies in grid.along(axis)
        ]
        print_table(f"{grid.plan.name}: accuracy, %", (axis, "mean", "least", "greatest"), table)
    say(f"{len(grid.rows)} points in {grid.table_path}")
