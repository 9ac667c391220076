"""ndrite compile: a float network onto a chip."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.inputs import codes_option, data_option
from ndrite.cli.options import json_option
from ndrite.cli.terminal import note, print_json, print_table, progress_bar
from ndrite.labelled import CALIBRATION_SAMPLES


@click.command()
@click.argument("network", metavar="FLOAT.npz", type=click.Path(path_type=Path))
@click.option(
    "--chip",
    required=True,
    metavar="NAME",
    help="Chip preset (see `ndrite chip list`), a YAML file, or several joined with +.",
)
@click.option("-o", "--output", required=True, metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    "samples_path",
    metavar="X.npy",
    type=click.Path(path_type=Path),
    help="Typical inputs that set ADC ranges, (n, inputs): in the unit of an imported network, else codes "
    f"uint8; default: {CALIBRATION_SAMPLES} samples of the data set that the network names.",
)
@data_option
@codes_option
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, (1 << 63) - 1),
    help="Programming-error seed: which individual chip.",
)
@click.option(
    "--nominal",
    is_flag=True,
    help="Cells on their targets, and how they spread beside them: the program for `ndrite campaign`.",
)
@click.option(
    "--lanes",
    type=click.IntRange(1),
    metavar="N",
    help="Convolutions: program kernels several times over, side by side, where that is faster on N lanes.",
)
@click.option(
    "--depth",
    type=click.IntRange(1),
    metavar="WORDS",
    help="With --lanes: weight words that each lane has, which those copies must not exceed.",
)
@json_option
def command(
    network: Path,
    chip: str,
    output: Path,
    samples_path: Path | None,
    data: str | None,
    codes: bool,
    seed: int,
    nominal: bool,
    lanes: int | None,
    depth: int | None,
    as_json: bool,
) -> None:
    """Map FLOAT.npz onto a chip and write the program, with its die beside it; report what it lost.

    The die, the individual chip with its cells, goes to PROGRAM with .die.npz for .npz; explain, report and
    calibrate read it. Errors of weights are relative to the weights' rms, table errors in output steps (LSB),
    SNR in dB.

    \b
    Example: ndrite compile float.npz --chip wan2022 -o program.npz --samples x.npy --seed 7
    """
    from emulator.errors import CompileWarning
    from emulator.network import load_network
    from ndrite.api.compiling import compile as compile_network

    if depth is not None and lanes is None:
        raise click.UsageError("--depth goes with --lanes")
    require_folder(output)
    with warnings.catch_warnings():
        # They come with the report and are printed below, one line each.
        warnings.simplefilter("ignore", CompileWarning)
        compiled = compile_network(
            load_network(network),
            chip,
            samples=samples_path,
            data=data,
            codes=codes,
            seed=seed,
            nominal=nominal,
            lanes=lanes,
            depth=depth,
            progress=progress_bar,
        )
    program, result = compiled.program, compiled.report
    for text in result.warnings:
        note(f"ndrite: warning: {text}")
    compiled.save(output)
    report = result.as_dict()
    if as_json:
        print_json({"program": str(output), "tag": f"{program.tag:08x}", **report})
        return
    title = f"{output}: {report['network']} on {report['chip']}"
    for kind in ("layer", "table"):
        parts = report[f"{kind}s"]
        if parts:
            rows = [(name, *(_text(part[name]) for part in parts)) for name in parts[0]]
            header = ("quantity", *(f"{kind} {i}" for i in range(len(parts))))
            print_table(title, header, rows)


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return " .. ".join(_text(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
