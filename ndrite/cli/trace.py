"""ndrite trace: the waveforms of one inference in the compiled RTL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from emulator.spec import Program
from ndrite.cli.files import require_folder
from ndrite.cli.inputs import codes_option, data_option
from ndrite.cli.options import json_option, noise_option, product_option, seed_option, sized_option
from ndrite.cli.terminal import print_json, print_table, progress_bar, say
from ndrite.samples import seen_samples
from ndrite.url import geometry_for


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option(
    "--image", "number", default=0, show_default=True, type=click.IntRange(0), help="Which input, from 0."
)
@click.option(
    "--inputs",
    "inputs_path",
    metavar="X.npy",
    type=click.Path(path_type=Path),
    help="Own inputs (n, inputs): in the unit of an imported network, else codes uint8.",
)
@product_option
@data_option
@codes_option
@click.option(
    "-o",
    "--output",
    default=Path("trace.vcd"),
    show_default=True,
    metavar="WAVES.vcd",
    type=click.Path(path_type=Path, dir_okay=False),
)
@sized_option
@seed_option
@noise_option
@json_option
def command(
    program_path: Path,
    number: int,
    inputs_path: Path | None,
    product: int | None,
    data: str | None,
    codes: bool,
    output: Path,
    name: str | None,
    seed: int,
    noise: bool,
    as_json: bool,
) -> None:
    """Run one input through PROGRAM on the compiled RTL and write every cycle to a VCD file.

    Beside it go lists of the signals to look at first, by block: WAVES.gtkw for GTKWave, WAVES.sucl for
    Surfer. Prints each block's busy cycles. The lanes inside the array are left out; a model with waveforms
    is compiled once, which takes minutes.

    \b
    Example: ndrite trace program.npz --image 3 -o trace.vcd
             gtkwave trace.gtkw       or: surfer -c trace.sucl trace.vcd
    """
    from host.inputs import check_inputs
    from ndrite.trace import on_array, trace_inference, write_lists

    program = Program.load(program_path)
    require_folder(output)
    x = seen_samples(program, inputs_path, data=data, codes=codes)
    x = check_inputs(x, program.inputs, seed=seed, first_index=0)
    if number >= len(x):
        raise click.UsageError(f"--image is {number}; accepted: 0..{len(x) - 1}")
    geometry = geometry_for(on_array(program, product), name)
    options: dict[str, Any] = {"product": product, "index": number, "seed": seed, "noise": noise}
    with progress_bar("programming") as report:
        trace = trace_inference(program, x[number], output, geometry, **options, progress=report)
    lists = write_lists(output)
    busy = {block: int(active.sum()) for block, active in trace.activity.items()}
    if as_json:
        print_json(
            {
                "waveforms": str(output),
                "lists": [str(path) for path in lists],
                "cycles": trace.cycles,
                "bound_cycles": trace.bound,
                "traced_cycles": trace.traced,
                "busy_cycles": busy,
                "outputs": trace.outputs.tolist(),
            }
        )
        return
    print_table(
        f"{output}: {trace.traced} clock cycles", ("block", "busy"), [(b, str(n)) for b, n in busy.items()]
    )
    say(f"inference: {trace.cycles} cycles; schedule bound {trace.bound}")
    say(f"signal lists: {lists[0]} (GTKWave), {lists[1]} (Surfer)")
