"""The samples a command works on: a user's files, or the data set that the network names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from emulator.spec.meaning import Meaning
from ndrite.cli.terminal import note
from ndrite.labelled import DATA

Codes = npt.NDArray[np.uint8]
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


def load_inputs(path: Path, meaning: Meaning, inputs: int, *, codes: bool) -> Codes:
    """Codes uint8 (n, inputs) from a file; says on stderr how many values were clipped.

    Raises
    ------
    InputError
        When there is no such file, or it does not fit.
    """
    from ndrite.arrays import load_array
    from ndrite.inputs import encode

    encoded = encode(load_array(path), meaning, inputs, what=str(path), codes=codes)
    if encoded.warning is not None:
        note(f"ndrite: warning: {path}: {encoded.warning}")
    return encoded.codes


def judged(
    meaning: Meaning,
    inputs: int,
    *,
    inputs_path: Path | None,
    labels_path: Path | None,
    data: str | None,
    codes: bool,
    seen: bool = True,
) -> tuple[Codes, npt.NDArray[Any]]:
    """Codes uint8 (n, inputs) and labels (n,): the user's, or a data set's test samples.

    ``seen``: whether those too that calibrate where nothing else is given.

    Raises
    ------
    InputError
        When files do not fit, or nothing is given and the network names no data set.
    """
    from ndrite.arrays import load_array
    from ndrite.labelled import chosen_data_set, judging_set, unseen

    if (inputs_path is None) != (labels_path is None):
        raise click.UsageError("--inputs and --labels belong together; accepted: both or neither")
    if inputs_path is not None and labels_path is not None:
        if data is not None:
            raise click.UsageError("--data and --inputs exclude each other")
        return load_inputs(inputs_path, meaning, inputs, codes=codes), load_array(labels_path)
    name = chosen_data_set(meaning, inputs, data, "--inputs X.npy and --labels Y.npy")
    return judging_set(name) if seen else unseen(name)


def seen_inputs(meaning: Meaning, inputs: int, *, path: Path | None, data: str | None, codes: bool) -> Codes:
    """Codes uint8 (n, inputs): a user's file, or a data set's test samples; errors as ``judged``."""
    from ndrite.labelled import chosen_data_set, judging_set

    if path is None:
        return judging_set(chosen_data_set(meaning, inputs, data, "--inputs X.npy"))[0]
    if data is not None:
        raise click.UsageError("--data and --inputs exclude each other")
    return load_inputs(path, meaning, inputs, codes=codes)


def typical_inputs(
    meaning: Meaning, inputs: int, *, path: Path | None, data: str | None, codes: bool
) -> Codes:
    """Codes that set converter ranges: a user's file, or samples of the data set; errors as ``judged``."""
    from ndrite.labelled import chosen_data_set, typical

    if path is not None:
        return load_inputs(path, meaning, inputs, codes=codes)
    return typical(chosen_data_set(meaning, inputs, data, "--samples X.npy"))
