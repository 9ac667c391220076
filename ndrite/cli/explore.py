"""ndrite explore: accuracy against energy."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.options import json_option
from ndrite.cli.sweep import sweep_options
from ndrite.cli.terminal import print_json, print_table, progress_bar, say


@click.command()
@click.argument("plan_path", metavar="PLAN.yaml", type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--picture",
    metavar="PICTURE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SVG, PNG or PDF; default: pareto.svg beside the results.",
)
@sweep_options
@json_option
def command(
    plan_path: Path,
    picture: Path | None,
    output: Path | None,
    workers: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Accuracy against energy over the points of PLAN.yaml (as for `ndrite sweep`), Pareto front marked.

    What a sweep of the same plan computed is not computed again. Energy is that of one inference, modelled
    (`ndrite cost`), typical accounting.

    \b
    Example plan:
      chip: wan2022
      grid:
        readout.adc_bits: [4, 5, 6, 8]
        input.dac_bits: [1, 8]
      images: 1000
    Example: ndrite explore plan.yaml -p pareto.png
    """
    from ndrite.cost import MODELLED
    from ndrite.sweep import Results, load_plan, run_sweep
    from ndrite.sweep.pareto import check_picture, draw, front

    if picture is not None:
        check_picture(picture)
        require_folder(picture)
    plan = load_plan(plan_path)
    results = Results(output or plan_path.with_suffix(""))
    with progress_bar(f"points of {plan.name}") as report:
        rows = run_sweep(plan, results, scheduler=scheduler, workers=workers, progress=report)
    picture = picture or results.folder / "pareto.svg"
    draw(rows, plan.axes, picture)
    best = front(rows)
    if as_json:
        keys = {row["key"] for row in best}
        content = [{"basis": MODELLED, **row, "front": row["key"] in keys} for row in rows]
        print_json(
            {"plan": str(plan_path), "picture": str(picture), "axes": list(plan.axes), "rows": content}
        )
        return
    table = [
        (
            ", ".join(f"{axis} {row[axis]}" for axis in plan.axes) or plan.name,
            f"{100 * row['accuracy']:.2f}",
            f"{row['energy_pJ'] * 1e-3:.4g}",
            f"{row['latency_ns'] * 1e-3:.4g}",
            f"{row['area_um2'] * 1e-6:.4g}",
            MODELLED,
        )
        for row in best
    ]
    header = ("point", "accuracy, %", "energy, nJ", "latency, us", "area, mm2", "cost is")
    print_table(f"{plan.name}: {len(best)} of {len(rows)} points that none other beats", header, table)
    say(f"picture in {picture}")
