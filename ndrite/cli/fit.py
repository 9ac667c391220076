"""ndrite fit: your own measurements into a device description."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table, say


def _shared(function: Callable[..., None]) -> Callable[..., None]:
    """The options all three fits have."""
    path_type = click.Path(path_type=Path, dir_okay=False)
    for option in (
        json_option,
        click.option(
            "-p", "--picture", type=path_type, metavar="PICTURE", help="Draw data, model, residuals."
        ),
        click.option("-o", "--output", type=path_type, metavar="MINE.yaml", help="Description to write."),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="QUANTITY=HEADER[:UNIT]",
            help="Header of a quantity that is not named after it; may be repeated.",
        ),
        click.argument("data", metavar="DATA.csv", type=click.Path(path_type=Path)),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Fit measured data (CSV) and write a description that `--chip wan2022+mine.yaml` takes.

    Headers name quantity and unit: voltage_V, current_uA, conductance_uS, target_uS, pulse; a column
    "device" tells devices apart, and their spread is fitted too. Order does not matter.

    \b
    Example: ndrite fit ndr iv.csv -o mine.yaml -p iv.png
             ndrite fit rram g.csv --column "target=Gset:uS" --column "conductance=Gread:uS" -o mine.yaml
             ndrite fit ecram pulses.csv -o mine.yaml
             ndrite compile float.npz --chip wan2022+mine.yaml -o program.npz
    """


@command.command()
@_shared
@click.option(
    "--model",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "esaki", "tunnel", "bell", "table"]),
    help="Compact model; auto takes the best and tabulates what none describes.",
)
def ndr(
    data: Path, model: str, columns: tuple[str, ...], output: Path | None, picture: Path | None, as_json: bool
) -> None:
    """Current (A) against voltage (V) of one or several NDR devices.

    \b
    Example: ndrite fit ndr iv.csv -o mine.yaml -p iv.png
    """
    _run("ndr", data, model, columns, output, picture, as_json)


@command.command()
@_shared
def rram(
    data: Path, columns: tuple[str, ...], output: Path | None, picture: Path | None, as_json: bool
) -> None:
    """Conductance (S) of programmed cells against their target (S), one row a cell.

    \b
    Example: ndrite fit rram g.csv -o mine.yaml
    """
    _run("rram", data, None, columns, output, picture, as_json)


@command.command()
@_shared
@click.option(
    "--model",
    default="linear-step",
    show_default=True,
    type=click.Choice(["linear-step", "exponential"]),
    help="Pulse model: aihwkit's or NeuroSim's.",
)
def ecram(
    data: Path, model: str, columns: tuple[str, ...], output: Path | None, picture: Path | None, as_json: bool
) -> None:
    """Conductance (S) against a running pulse number, up to the largest conductance and down again.

    \b
    Example: ndrite fit ecram pulses.csv -o mine.yaml
    """
    _run("ecram", data, model, columns, output, picture, as_json)


def _mapping(columns: tuple[str, ...]) -> dict[str, str]:
    mapping = {}
    for text in columns:
        quantity, equals, header = text.partition("=")
        if not (quantity and equals and header):
            raise click.UsageError(f"--column is {text!r}; accepted: QUANTITY=HEADER or QUANTITY=HEADER:UNIT")
        mapping[quantity] = header
    return mapping


def _run(
    kind: str,
    data: Path,
    model: str | None,
    columns: tuple[str, ...],
    output: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    from ndrite.api.fitting import fit

    require_folder(output, picture)
    found = fit(kind, data, model=model, columns=_mapping(columns))
    if output is not None:
        found.save(output)
    if as_json:
        print_json(found.as_dict() | {"output": None if output is None else str(output)})
    else:
        print_table(found.measured.name, ("field", "value"), found.rows())
        for note in found.notes:
            say(f"note: {note}")
        if output is not None:
            say(f"{output}: use it with --chip NAME+{output}")
    if picture is not None:
        found.plot(picture)
