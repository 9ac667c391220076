"""ndrite report: one page about one program."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.inputs import judged_options
from ndrite.cli.options import json_option, product_option, seed_option, sized_option
from ndrite.cli.terminal import print_json, progress_bar, say

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("run", metavar="PROGRAM|FOLDER", type=FILE)
@click.option(
    "-o",
    "--output",
    default=Path("report.html"),
    show_default=True,
    metavar="PAGE.html",
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--against",
    metavar="PROGRAM|FOLDER",
    type=FILE,
    help="Compare with this one, side by side; options go for both.",
)
@click.option("--network", metavar="FLOAT.npz", type=FILE, help="Float network it was compiled from.")
@click.option("--samples", metavar="S.npy", type=FILE, help="Inputs it was calibrated on.")
@judged_options
@click.option("--images", type=click.IntRange(1), metavar="N", help="First N inputs only.")
@sized_option
@product_option
@click.option(
    "--timeline/--no-timeline",
    default=True,
    help="Simulate one inference (default); the first time, the RTL is compiled with waveforms.",
)
@click.option(
    "--fpga", metavar="BOARD", default="ulx3s-85f", show_default=True, help="Board whose build to show."
)
@click.option(
    "--figures",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Also write figures, SVG and PDF.",
)
@seed_option
@json_option
def command(
    run: Path,
    output: Path,
    against: Path | None,
    network: Path | None,
    samples: Path | None,
    inputs_path: Path | None,
    labels_path: Path | None,
    data: str | None,
    codes: bool,
    images: int | None,
    name: str | None,
    product: int | None,
    timeline: bool,
    fpga: str,
    folder: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Write one self-contained HTML page about a program: what it is, how well it does, and why.

    Chip card with sources, network card, accuracy and confusion, error by cause, neuron curves, conductances
    and their programming error, arrays and how full they are, the cycles of one simulated inference,
    modelled cost, resources of a board's committed build, provenance. A FOLDER has program.npz, and
    float.npz, samples.npy, x.npy and y.npy unless they ship or are given. --against puts a second program
    beside the first, after a section on what differs.

    \b
    Example: ndrite report program.npz -o report.html --figures figures
             ndrite report program.npz --against other.npz --no-timeline -o compared.html
    """
    from ndrite.api.reporting import report

    require_folder(output)
    page = report(
        run,
        against=against,
        network=network,
        samples=samples,
        inputs=inputs_path,
        labels=labels_path,
        data=data,
        codes=codes,
        images=images,
        preset=name,
        product=product,
        timeline=timeline,
        fpga=fpga,
        seed=seed,
        progress=progress_bar,
    )
    page.save(output)
    if folder is not None:
        page.save_figures(folder)
    if as_json:
        print_json({"page": str(output), "bytes": output.stat().st_size, **page.as_dict()})
        return
    say(f"{output}: {output.stat().st_size / 1e6:.1f} MB" + (f"; figures in {folder}" if folder else ""))
