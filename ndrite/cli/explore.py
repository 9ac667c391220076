"""ndrite explore: accuracy against energy."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.options import json_option
from ndrite.cli.sweep import sweep_options
from ndrite.cli.terminal import print_json, print_table, progress_bar, say

PAGE = "explore.html"


@click.command()
@click.argument("plan_path", metavar="PLAN.yaml", type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--picture",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Interactive page (.html) or picture (.svg, .png, .pdf); default: explore.html beside the results.",
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

    Writes one HTML page that needs no server: accuracy, energy, latency, area and what the plan varies are
    axes to choose; what is selected there comes back as YAML. What a sweep of the same plan computed is not
    computed again. Energy is that of one inference, modelled (`ndrite cost`), typical accounting.

    \b
    Example plan:
      chip: wan2022
      grid:
        readout.adc_bits: [4, 5, 6, 8]
        input.dac_bits: [1, 8]
      images: 1000
    Example: ndrite explore plan.yaml
             ndrite explore plan.yaml -p pareto.png
    """
    from ndrite.api.sweeping import POINT, sweep
    from ndrite.costs import MODELLED
    from ndrite.sweeps.pareto import check_picture

    check_picture(picture or Path(PAGE))
    require_folder(picture)
    grid = sweep(plan_path, output, workers=workers, scheduler=scheduler, progress=progress_bar)
    picture = grid.plot_front(picture or grid.folder / PAGE)
    best = grid.front()
    if as_json:
        keys = {row["key"] for row in best}
        content = [{"basis": MODELLED, **row, "front": row["key"] in keys} for row in grid.rows]
        print_json(
            {"plan": str(plan_path), "picture": str(picture), "axes": list(grid.plan.axes), "rows": content}
        )
        return
    title = f"{grid.plan.name}: {len(best)} of {len(grid.rows)} points that none other beats"
    print_table(title, POINT, grid.point_rows(best))
    say(f"{picture}: open it in a browser" if picture.suffix.lower() == ".html" else f"picture in {picture}")
