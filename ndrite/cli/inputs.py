"""Options that name the samples a command works on; ndrite.samples finds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ndrite.labelled import DATA

PATH = click.Path(path_type=Path)

codes_option = click.option(
    "--codes",
    is_flag=True,
    help="The files hold codes uint8 0..255, not values in the unit of an imported network.",
)
data_option = click.option(
    "--data",
    type=click.Choice(DATA),
    help="Data set by name; default: the one that the network names.",
)


def judged_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a command judges by: --inputs and --labels, or --data."""
    options = (
        click.option(
            "--inputs",
            "inputs_path",
            metavar="X.npy",
            type=PATH,
            help="Own inputs (n, inputs): in the unit of an imported network, else codes uint8.",
        ),
        click.option("--labels", "labels_path", metavar="Y.npy", type=PATH, help="Their classes, (n,)."),
        data_option,
        codes_option,
    )
    for option in reversed(options):  # as decorators are: the last one first
        command = option(command)
    return command
