"""ndrite infer: inputs through a program on a board."""

from __future__ import annotations

from pathlib import Path

import click

from emulator.spec import Program
from host.inputs import check_inputs
from ndrite.arrays import STANDARD, save_array
from ndrite.cli.files import require_folder
from ndrite.cli.inputs import codes_option
from ndrite.cli.options import board_option, json_option, noise_option, seed_option
from ndrite.cli.terminal import note, print_json, progress_bar, say
from ndrite.evaluations import output_step, steps_on_host
from ndrite.samples import codes_of
from ndrite.url import connect


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option(
    "--inputs",
    "inputs_path",
    required=True,
    metavar="X.npy",
    type=click.Path(path_type=Path),
    help="Inputs (n, inputs): in the unit of an imported network, else codes uint8.",
)
@codes_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="Y.npy",
    type=click.Path(path_type=Path),
    help="(n, outputs), written in whole or not at all.",
)
@click.option(
    "--model-unit",
    is_flag=True,
    help="Write float64 outputs in the unit of the model, as a regression's; default: the chip's int32 sums.",
)
@board_option
@seed_option
@click.option(
    "--first-index",
    default=0,
    show_default=True,
    type=click.IntRange(0, (1 << 32) - 1),
    help="Inference index of the first row; selects its read noise together with the seed.",
)
@noise_option
@json_option
def command(
    program_path: Path,
    inputs_path: Path,
    codes: bool,
    output: Path,
    model_unit: bool,
    url: str,
    seed: int,
    first_index: int,
    noise: bool,
    as_json: bool,
) -> None:
    """Run every row of X.npy through PROGRAM and write the outputs.

    \b
    Example: ndrite infer program.npz --inputs x.npy --board sim: --seed 7 -o y.npy
             make_inputs | ndrite infer program.npz --inputs - -o - > y.npy
    """
    program = Program.load(program_path)
    # Before the board is opened: a wrong file should not cost a compilation first.
    x = check_inputs(
        codes_of(inputs_path, program, codes=codes),
        program.inputs,
        seed=seed,
        first_index=first_index,
    )
    if as_json and str(output) == STANDARD:
        raise click.UsageError("--json and -o - both want standard output; accepted: one of them")
    require_folder(output)
    step = output_step(program, str(program_path)) if model_unit else None
    with connect(url) as board, progress_bar("inference") as report:
        board.program(program)
        y = board.infer(x, seed=seed, first_index=first_index, noise=noise, progress=report)
        on_host = steps_on_host(board)
    if on_host:
        note(f"on the host, not in gateware: {'; '.join(on_host)}")
    save_array(output, y if step is None else y * step)
    summary = {"output": str(output), "inferences": len(y), "outputs": y.shape[1], "board": url, "seed": seed}
    if as_json:
        print_json({**summary, "first_index": first_index, "noise": noise, "on_host": on_host})
    else:
        tell = note if str(output) == STANDARD else say
        tell(f"{output}: {len(y)} inferences of {y.shape[1]} outputs, on {url}")
