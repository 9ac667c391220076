"""ndrite explain: where the accuracy goes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from ndrite.cli.files import require_folder
from ndrite.cli.inputs import judged, judged_options, typical_inputs
from ndrite.cli.options import json_option, seed_option
from ndrite.cli.terminal import print_json, print_table, say
from ndrite.labelled import CALIBRATION_SAMPLES, check_classes


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
    from emulator.errors import CompileWarning
    from emulator.mapping.explain import explain, mitigation_benefits
    from emulator.network import load_network
    from emulator.spec import Program
    from ndrite.explain import draw, shipped_samples, subject_of
    from ndrite.intervals import percent

    require_folder(picture)
    floats = Program.load(path) if chip is None else load_network(path)
    x, labels = judged(
        floats.meaning,
        floats.inputs,
        inputs_path=inputs_path,
        labels_path=labels_path,
        data=data,
        codes=codes,
        seen=False,
    )
    x, labels = x[:images], check_classes(labels, len(x), floats.outputs, str(labels_path))[:images]
    samples = None if samples_path or not isinstance(floats, Program) else shipped_samples(floats)
    if samples is None:
        if inputs_path is not None and samples_path is None:
            raise click.UsageError("--samples is missing; accepted: a file, as --inputs are your own data")
        samples = typical_inputs(floats.meaning, floats.inputs, path=samples_path, data=data, codes=codes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CompileWarning)
        subject = subject_of(path, chip=chip, network=network, samples=samples, seed=chip_seed)
    result = explain(
        subject.network,
        subject.program,
        subject.die,
        samples,
        x,
        labels,
        seed=seed & ((1 << 63) - 1),
    )
    benefits = []
    if mitigation:
        seeds = (subject.die.seed,)
        benefits = mitigation_benefits(subject.network, subject.die.chip, samples, x, labels, seeds=seeds)
    if picture is not None:
        draw(result, picture)
    notes = [str(w.message) for w in caught]
    if as_json:
        content: dict[str, Any] = result.as_dict() | {"notes": notes}
        print_json(content | {"mitigation": [outcome.as_dict() for outcome in benefits]})
        return
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
    if benefits:
        lines = [(o.name, _percent(o.accuracy), _decibels(o.snr_db)) for o in benefits]
        print_table("measures, on the golden model", ("compiled with", "accuracy", "SNR"), lines)
    for note in notes:
        say(f"note: {note}")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _decibels(value: float | None) -> str:
    if value is None:
        return ""
    return "none" if value >= 99.95 else f"{value:.1f} dB"
