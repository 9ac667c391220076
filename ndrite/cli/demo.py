"""ndrite demo: the shipped network as floats, on the golden model and in the RTL."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.main import CheckFailed
from ndrite.cli.options import json_option, seed_option
from ndrite.cli.terminal import print_json, print_table, progress_bar, say
from ndrite.demo.run import Demo
from ndrite.intervals import percent


@click.command()
@click.option("--board", "url", default="sim:", show_default=True, metavar="URL", help="Board to compare.")
@click.option(
    "--images",
    default=500,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Test images to run on the board; the golden model runs all 10,000.",
)
@seed_option
@click.option(
    "--picture",
    default=Path("ndrite-demo.png"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the picture.",
)
@json_option
def command(url: str, images: int, seed: int, picture: Path, as_json: bool) -> None:
    """Classify Fashion-MNIST with the shipped 784-128-10 NDR network on a published RRAM chip.

    Nothing is trained or downloaded. Prints accuracies, agreement in every output bit between board and
    golden model, and clock cycles per inference against the schedule bound; writes a picture. Exit code 1
    when board and golden model differ.

    \b
    Example: ndrite demo
             ndrite demo --board uart:/dev/ttyUSB0 --images 10000 --json
    """
    from ndrite.demo import run_demo
    from ndrite.demo.picture import draw

    require_folder(picture)
    demo = run_demo(board=url, images=images, seed=seed, bar=progress_bar)
    draw(demo, picture)
    if as_json:
        print_json({**demo.as_dict(), "picture": str(picture)})
    else:
        _print(demo)
        say(f"picture: {picture}")
    if demo.rtl.mismatches:
        raise CheckFailed(f"{demo.rtl.mismatches} of {images} images differ; {demo.rtl.first_mismatch}")


def _print(demo: Demo) -> None:
    rtl = demo.rtl
    assert rtl.accuracy is not None
    assert rtl.accuracy_golden is not None
    all_of_them, some = demo.images_golden, rtl.images
    rows = [
        ("float software", f"{all_of_them:,}", percent(demo.accuracy_float, all_of_them), ""),
        ("golden model", f"{all_of_them:,}", percent(demo.accuracy_golden, all_of_them), "reference"),
        (
            f"board {demo.board}",
            f"{some:,}",
            percent(rtl.accuracy, some),
            "every bit equal" if not rtl.mismatches else f"{rtl.mismatches} images differ",
        ),
        ("golden, the same images", f"{some:,}", percent(rtl.accuracy_golden, some), "reference"),
    ]
    print_table(demo.program.name, ("", "images", "accuracy (95 % over images)", "agreement"), rows)
    if rtl.efficiency is not None:
        say(
            f"clock cycles per inference: {rtl.cycles_per_inference:.1f}; schedule bound {rtl.bound_cycles}; "
            f"efficiency {100 * rtl.efficiency:.1f} %"
        )
