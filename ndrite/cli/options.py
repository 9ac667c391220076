"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ndrite.labelled import DATA
from ndrite.url import DEFAULT_PRESET

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
board_option = click.option(
    "--board", "url", default="golden:", show_default=True, metavar="URL", help="Board to run on."
)
seed_option = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, (1 << 64) - 1),
    help="Read-noise seed; the same seed gives the same answers on every board.",
)
preset_option = click.option(
    "--preset", "name", default=DEFAULT_PRESET, show_default=True, metavar="NAME", help="Geometry preset."
)
sized_option = click.option(
    "--preset", "name", metavar="NAME", help="Geometry preset; default: as large as PROGRAM needs."
)
product_option = click.option(
    "--product",
    type=click.IntRange(0),
    metavar="N",
    help="Of a network that is no chain of full layers: which product, whose first patch runs on the array; "
    "default: the first one that is not grouped.",
)
network_option = click.option(
    "--network",
    "network_path",
    metavar="FLOAT.npz",
    type=click.Path(path_type=Path),
    help="Float network that PROGRAM was compiled from, to be judged beside it; the shipped one is known.",
)
noise_option = click.option("--noise/--no-noise", default=True, help="Read noise on (default) or off.")


def results_option(files: str) -> Callable[..., Any]:
    """-o of commands that write results for the documentation; ``files`` names them."""
    return click.option(
        "-o",
        "--output",
        default=Path("docs/results"),
        show_default=True,
        metavar="DIR",
        type=click.Path(path_type=Path),
        help=f"Folder for {files}.",
    )


def samples_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a command learns from: a data set by name (None where not given), or own samples."""
    options = (
        click.option(
            "--data",
            type=click.Choice(DATA),
            help="Data set; default: the one that the program names, fashion-mnist in training.",
        ),
        click.option(
            "--folder",
            metavar="DIR",
            help="Folder with Fashion-MNIST's original train-*.gz files, or all four of MNIST's.",
        ),
        click.option(
            "--inputs",
            metavar="X.npy",
            type=click.Path(path_type=Path),
            help="Own samples, uint8 (n, inputs).",
        ),
        click.option(
            "--labels", metavar="Y.npy", type=click.Path(path_type=Path), help="Their classes from 0, (n,)."
        ),
    )
    # As decorators are: the last one first.
    for option in reversed(options):
        command = option(command)
    return command
