"""ndrite fit: your own measurements into a device description."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    from emulator.device.fitting import fit_ndr, read_measurements

    require_folder(output, picture)
    measured = read_measurements(data, ["voltage", "current"], columns=_mapping(columns))
    fit = fit_ndr(measured, model)
    summary = {
        "model": fit.model,
        "devices": len(fit.curves),
        "rms_of_peak": fit.rms,
        "peak_to_valley": fit.peak_to_valley,
    }
    _report("neuron", fit.values, summary, fit.notes, measured, output, as_json)
    if picture:
        from ndrite.fit import draw_ndr

        draw_ndr(fit, picture)


@command.command()
@_shared
def rram(
    data: Path, columns: tuple[str, ...], output: Path | None, picture: Path | None, as_json: bool
) -> None:
    """Conductance (S) of programmed cells against their target (S), one row a cell.

    \b
    Example: ndrite fit rram g.csv -o mine.yaml
    """
    from emulator.device.fitting import fit_rram, read_measurements

    require_folder(output, picture)
    measured = read_measurements(
        data, ["target", "conductance"], optional=["time"], columns=_mapping(columns)
    )
    fit = fit_rram(measured)
    summary = {
        "cells": int(fit.cells.sum()),
        "targets": len(fit.target),
        "stuck_low": fit.stuck_low,
        "stuck_high": fit.stuck_high,
    }
    _report("cell", fit.values, summary, fit.notes, measured, output, as_json)
    if picture:
        from ndrite.fit import draw_rram

        draw_rram(fit, picture)


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
    from emulator.device.fitting import fit_ecram, read_measurements

    require_folder(output, picture)
    measured = read_measurements(data, ["pulse", "conductance"], columns=_mapping(columns))
    fit = fit_ecram(measured, model)
    summary = {"low_uS": fit.low_uS, "high_uS": fit.high_uS, "rms_of_range": fit.rms}
    _report("ecram", fit.values, summary, fit.notes, measured, output, as_json)
    if picture:
        from ndrite.fit import draw_ecram

        draw_ecram(fit, picture)


def _mapping(columns: tuple[str, ...]) -> dict[str, str]:
    mapping = {}
    for text in columns:
        quantity, equals, header = text.partition("=")
        if not (quantity and equals and header):
            raise click.UsageError(f"--column is {text!r}; accepted: QUANTITY=HEADER or QUANTITY=HEADER:UNIT")
        mapping[quantity] = header
    return mapping


def _report(
    section: str,
    values: dict[str, Any],
    summary: dict[str, Any],
    notes: tuple[str, ...],
    measured: Any,
    output: Path | None,
    as_json: bool,
) -> None:
    from emulator.device.preset import check_values, save_preset

    check_values(section, values)
    source = (
        f"fitted by ndrite to {measured.name}, {len(measured.device)} rows, {len(measured.devices)} device(s)"
    )
    if output is not None:
        save_preset(output, section, values, source=source, description=f"Fitted to {measured.name}.")
    notes = (*notes, f"{measured.skipped} rows with gaps left out") if measured.skipped else notes
    if as_json:
        content = {"section": section, "values": values, **summary, "notes": list(notes)}
        print_json(content | {"output": None if output is None else str(output)})
        return
    rows = [(f"{section}.{name}", _text(value)) for name, value in values.items()]
    print_table(measured.name, ("field", "value"), [*rows, *((k, _text(v)) for k, v in summary.items())])
    for note in notes:
        say(f"note: {note}")
    if output is not None:
        say(f"{output}: use it with --chip NAME+{output}")


def _text(value: Any) -> str:
    if isinstance(value, tuple) and len(value) > 8:
        return f"{value[0]:g} .. {value[-1]:g} ({len(value)} values)"
    if isinstance(value, tuple):
        return ", ".join(f"{v:g}" for v in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
