"""ndrite evaluate: accuracy or error on test samples, and agreement with the golden model."""

from __future__ import annotations

from pathlib import Path

import click

from emulator.spec import Program
from ndrite.cli.inputs import judged_options
from ndrite.cli.main import CheckFailed
from ndrite.cli.options import board_option, json_option, network_option, noise_option, seed_option
from ndrite.cli.terminal import note, print_json, print_table, progress_bar, shown


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@board_option
@click.option(
    "--images",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help="First N test images; default: all 10,000 on golden:, 500 elsewhere.",
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

    Prints accuracy with its 95 % interval over samples. Where labels are floats, or a row for each output, it
    prints the root mean square error in the model's unit instead. It counts the inputs whose outputs differ
    from the golden model in any bit. On gateware it compares the clock cycles per inference with the schedule
    bound, the sum of K * J * ceil(M / lanes). Of a program that the board does not hold as a whole it says in
    how many segments it ran, and how many memory words were swapped over the link. Exit code 1
    when any input differs.

    \b
    Example: ndrite evaluate program.npz --board uart:/dev/pts/3 --images 100
             ndrite evaluate program.npz --inputs x.npy --labels y.npy
    """
    from ndrite.api.evaluating import evaluate

    program = Program.load(program_path)
    result = evaluate(
        program,
        inputs_path,
        labels_path,
        board=url,
        images=count,
        network=network_path,
        data=data,
        codes=codes,
        seed=seed,
        noise=noise,
        progress=progress_bar,
    )
    swapped = {"segments": result.segments, "swapped_words": result.swapped_words}
    if as_json:
        where = {"program": str(program_path), "board": url, "seed": seed, "noise": noise}
        print_json({**where, **result.as_dict(), **swapped, "on_host": list(result.on_host)})
    else:
        if result.on_host:
            note(f"on the host, not in gateware: {'; '.join(result.on_host)}")
        rows = [(name, shown(value)) for name, value in result.as_dict().items() if value is not None]
        if result.segments != 1:
            rows += [(name, shown(value)) for name, value in swapped.items()]
        if result.rms_error is not None and program.meaning.output_unit:
            rows.append(("unit of errors", program.meaning.output_unit))
        print_table(f"{program.name} on {url}", ("quantity", "value"), rows)
    if result.mismatches:
        raise CheckFailed(
            f"{result.mismatches} of {result.images} images differ from golden; {result.first_mismatch}"
        )
