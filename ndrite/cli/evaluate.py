"""ndrite evaluate: accuracy or error on test samples, and agreement with the golden model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from emulator.spec import Program
from host import InputError
from ndrite.cli.inputs import judged, judged_options
from ndrite.cli.main import CheckFailed
from ndrite.cli.options import board_option, json_option, network_option, noise_option, seed_option
from ndrite.cli.terminal import note, print_json, print_table, progress_bar, shown
from ndrite.url import connect

RTL_IMAGES = 500
"""Default on anything slower than the golden model."""


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@board_option
@click.option(
    "--images",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help=f"First N test images; default: all 10,000 on golden:, {RTL_IMAGES} elsewhere.",
)
@judged_options
@network_option
@seed_option
@noise_option
@json_option
def command(
    program_path: Path,
    url: str,
    count: int | None,
    inputs_path: Path | None,
    labels_path: Path | None,
    data: str | None,
    codes: bool,
    network_path: Path | None,
    seed: int,
    noise: bool,
    as_json: bool,
) -> None:
    """Judge PROGRAM by the test samples of the data set that its network names, or by your own.

    Prints accuracy with its 95 % interval over samples, or (labels that are floats, or a row for each output)
    the root mean square error in the model's unit; the inputs whose outputs differ from the golden model in
    any bit; on gateware the clock cycles per inference against the schedule bound, the sum of
    K * J * ceil(M / lanes). Of a program that the board does not hold as a whole: in how many segments it
    ran, and how many memory words were swapped over the link. Exit code 1 when any input differs.

    \b
    Example: ndrite evaluate program.npz --board uart:/dev/pts/3 --images 100
             ndrite evaluate program.npz --inputs x.npy --labels y.npy
    """
    from ndrite.evaluate import Targets, evaluate, steps_on_host, swaps, targets_of
    from ndrite.labelled import check_classes
    from ndrite.shipped import network_of

    program = Program.load(program_path)
    images, labels = judged(
        program.meaning,
        program.inputs,
        inputs_path=inputs_path,
        labels_path=labels_path,
        data=data,
        codes=codes,
    )
    if len(labels) != len(images):
        raise InputError(f"{labels_path}: {len(labels)} rows; accepted: {len(images)}, one for each input")
    targets = targets_of(labels, program, str(labels_path))
    if targets is None:
        check_classes(labels, len(images), program.outputs, str(labels_path))
    network = network_of(program, network_path)
    if count is None:
        count = len(images) if url.startswith("golden:") else min(RTL_IMAGES, len(images))
    if count > len(images):
        raise click.UsageError(f"--images is {count}; accepted: 1..{len(images)}")
    with connect(url) as board:
        x = images[:count]
        y = labels[:count] if targets is None else Targets(targets.values[:count], targets.step)
        floats = None if network is None else network.forward(x / np.float32(255))
        options: dict[str, Any] = {"seed": seed, "noise": noise, "floats": floats}
        with progress_bar("programming") as report:
            board.program(program, progress=report)
        with progress_bar("inference") as report:
            result = evaluate(board, program, x, y, **options, progress=report)
        on_host, swapped = steps_on_host(board), swaps(board)
    if as_json:
        where = {"program": str(program_path), "board": url, "seed": seed, "noise": noise}
        print_json({**where, **result.as_dict(), **swapped, "on_host": on_host})
    else:
        if on_host:
            note(f"on the host, not in gateware: {'; '.join(on_host)}")
        rows = [(name, shown(value)) for name, value in result.as_dict().items() if value is not None]
        if swapped["segments"] != 1:
            rows += [(name, shown(value)) for name, value in swapped.items()]
        if targets is not None and program.meaning.output_unit:
            rows.append(("unit of errors", program.meaning.output_unit))
        print_table(f"{program.name} on {url}", ("quantity", "value"), rows)
    if result.mismatches:
        raise CheckFailed(
            f"{result.mismatches} of {count} images differ from golden; {result.first_mismatch}"
        )
