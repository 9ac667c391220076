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
    and their programming error, tiles, the cycles of one simulated inference, resources of a board's
    committed build, provenance. A FOLDER has program.npz, and float.npz, samples.npy, x.npy and y.npy unless
    they ship or are given.

    \b
    Example: ndrite report program.npz -o report.html --figures figures
    """
    from emulator.files import whole_file
    from ndrite.report import gather, page, run_files
    from ndrite.report.figures import figures, pdf, svg

    require_folder(output)
    files = run_files(
        run, data=data, codes=codes, network=network, samples=samples, inputs=inputs_path, labels=labels_path
    )
    with progress_bar("report") as bar:
        report = gather(
            files,
            preset=name,
            product=product,
            timeline=timeline,
            fpga=fpga,
            images=images,
            seed=seed,
            progress=bar,
        )
    drawn = figures(report)
    with whole_file(output) as file:
        file.write(page(report, drawn).encode())
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for title, figure in drawn.items():
            (folder / f"{title}.svg").write_bytes(svg(figure, title))
            (folder / f"{title}.pdf").write_bytes(pdf(figure))
    if as_json:
        print_json(
            {
                "page": str(output),
                "bytes": output.stat().st_size,
                "figures": sorted(drawn),
                "accuracy_float": report.accuracy_float,
                "accuracy_golden": report.accuracy_golden,
                "images": report.images,
                "cycles": None if report.trace is None else report.trace.cycles,
            }
        )
        return
    say(f"{output}: {output.stat().st_size / 1e6:.1f} MB" + (f"; figures in {folder}" if folder else ""))
