"""trace: the waveforms of one inference in the compiled RTL."""

from pathlib import Path
from typing import Any

from host import InputError
from host.inputs import check_inputs
from ndrite.compiled import held
from ndrite.results import Found, Table
from ndrite.samples import seen_samples
from ndrite.signature import Codes, DataSet, Inputs, Noise, Output, Runs, Seed, Stages, Whole, silent, verb
from ndrite.url import geometry_for
from ndrite.waveforms import on_array, trace_inference, write_lists


@verb
def trace(
    program: Runs,
    /,
    inputs: Inputs | None = None,
    *,
    output: Output = "trace.vcd",
    sample: Whole = 0,
    product: Whole | None = None,
    data: DataSet | None = None,
    codes: Codes = False,
    preset: str | None = None,
    seed: Seed = 0,
    noise: Noise = True,
    progress: Stages = silent,
) -> Found:
    """Waveforms of one inference in the compiled RTL.

    Every clock cycle goes to a VCD file; beside it go lists of the signals to look at first, by block:
    .gtkw for GTKWave, .sucl for Surfer. The lanes inside the array are left out. A model with waveforms is
    compiled once, which takes minutes.

    Parameters
    ----------
    output:
        File of the waveforms.
    sample:
        Which input, from 0.
    product:
        Of a program that is no chain of full layers: which product, whose first patch runs on the array;
        default: the first one that is not grouped.
    preset:
        Geometry preset; default: as large as the program needs.

    Examples
    --------
    $ ndrite trace mine --sample 3 -o trace.vcd
    > gtkwave trace.gtkw       or: surfer -c trace.sucl trace.vcd
    """
    what, whole = held(program)
    x = seen_samples(what, whole, inputs, data=data, codes=codes)
    x = check_inputs(x, what.inputs, seed=seed, first_index=0)
    if sample >= len(x):
        raise InputError(f"sample is {sample}; accepted: 0..{len(x) - 1}")
    geometry = geometry_for(on_array(what, product)[0], preset)
    options: dict[str, Any] = {"product": product, "index": sample, "seed": seed, "noise": noise}
    with progress("programming") as report:
        found = trace_inference(what, x[sample], Path(output), geometry, **options, progress=report)
    lists = write_lists(Path(output))
    busy = {block: int(active.sum()) for block, active in found.activity.items()}
    values = {
        "waveforms": str(output),
        "lists": [str(path) for path in lists],
        "cycles": found.cycles,
        "bound_cycles": found.bound,
        "traced_cycles": found.traced,
        "busy_cycles": busy,
        "outputs": found.outputs.tolist(),
    }
    rows = [(block, str(cycles)) for block, cycles in busy.items()]
    said = (
        f"inference: {found.cycles} cycles; schedule bound {found.bound}",
        f"signal lists: {lists[0]} (GTKWave), {lists[1]} (Surfer)",
    )
    title = f"{output}: {found.traced} clock cycles"
    return Found(values, (Table(title, ("block", "busy"), rows),), said)
