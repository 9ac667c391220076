"""ndrite explain: where the accuracy goes."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.inputs import judged_options
from ndrite.cli.options import json_option, seed_option
from ndrite.cli.terminal import print_json, print_table, say
from ndrite.labelled import CALIBRATION_SAMPLES


@click.command()
@click.argument("path", metavar="PROGRAM|FLOAT.npz", type=click.Path(path_type=Path))
@click.option(
    "--chip", metavar="NAME", help="Chip of a float network: preset, YAML file, or several joined by +."
)
@click.option(
    "--network",
    metavar="FLOAT.npz",
    type=click.Path(path_type=Path),
    help="Float network a PROGRAM was compiled from, unless it is the shipped one.",
)
@click.option(
    "--samples",
    "samples_path",
    metavar="S.npy",
    type=click.Path(path_type=Path),
    help="Inputs that calibrate, (n, inputs), as --inputs; default: "
    f"{CALIBRATION_SAMPLES} samples of the data set that the network names.",
)
@judged_options
@click.option("--images", default=2000, show_default=True, type=click.IntRange(1), help="Test images used.")
@click.option(
    "--chip-seed", type=click.IntRange(0, (1 << 63) - 1), help="Which chip; default: PROGRAM's own, or 0."
)
@seed_option
@click.option(
    "--mitigation", is_flag=True, help="Also measure what each measure against the errors is worth."
)
@click.option(
    "-p", "--picture", type=click.Path(path_type=Path, dir_okay=False), metavar="PICTURE", help="Draw it."
)
@json_option
def command(
    path: Path,
    chip: str | None,
    network: Path | None,
    samples_path: Path | None,
    inputs_path: Path | None,
    labels_path: Path | None,
    data: str | None,
    codes: bool,
    images: int,
    chip_seed: int | None,
    seed: int,
    mitigation: bool,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Break the loss of a compiled network down by cause: accuracy (%) and output SNR (dB).

    Every cause alone, as it is and with gains and biases corrected on the samples as compiling does; all of
    them; and the program itself. --json says what every cause covers. Give a program, or a float network
    with --chip.

    \b
    Example: ndrite explain program.npz -p explain.png
             ndrite explain float.npz --chip dendritic-ndr --mitigation --json
    """
    from ndrite.api.explaining import explain
    from ndrite.intervals import percent

    require_folder(picture)
    loss = explain(
        path,
        chip=chip,
        network=network,
        samples=samples_path,
        inputs=inputs_path,
        labels=labels_path,
        data=data,
        codes=codes,
        images=images,
        chip_seed=chip_seed,
        seed=seed,
        mitigation=mitigation,
    )
    if picture is not None:
        loss.plot(picture)
    if as_json:
        print_json(loss.as_dict())
        return
    result = loss.explanation
    rows = [
        (
            row.cause,
            _percent(row.accuracy),
            _decibels(row.snr_db),
            _percent(row.accuracy_corrected),
            _decibels(row.snr_corrected_db),
        )
        for row in result.rows
    ]
    floats_do = percent(result.reference, result.images)
    title = f"{result.network} on {result.chip}: float {floats_do}, 95 % over {result.images} samples"
    print_table(title, ("cause", "accuracy", "SNR", "corrected", "SNR"), rows)
    if loss.mitigation:
        lines = [(o.name, _percent(o.accuracy), _decibels(o.snr_db)) for o in loss.mitigation]
        print_table("measures, on the golden model", ("compiled with", "accuracy", "SNR"), lines)
    for note in loss.notes:
        say(f"note: {note}")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _decibels(value: float | None) -> str:
    if value is None:
        return ""
    return "none" if value >= 99.95 else f"{value:.1f} dB"
