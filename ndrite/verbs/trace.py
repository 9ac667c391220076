"""trace: the waveforms of one inference in the compiled RTL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import InputError
from host.inputs import check_inputs
from ndrite.files import check_outputs
from ndrite.results import Result, Table
from ndrite.samples import seen_samples
from ndrite.signature import Array, DataSet, Output, Seed, Source, Whole, verb
from ndrite.sources import held
from ndrite.stages import Stages, silent
from ndrite.url import geometry_for
from ndrite.waveforms import Trace, on_array, trace_inference, write_lists


@dataclass(frozen=True, eq=False)
class Traced(Result):
    """What was traced, and the lists of signals to look at first: GTKWave's, Surfer's."""

    trace: Trace
    lists: tuple[Path, Path]

    def as_dict(self) -> dict[str, Any]:
        """Cycles, busy cycles of every block, outputs."""
        return {
            "waveforms": str(self.trace.path),
            "lists": [str(path) for path in self.lists],
            "cycles": self.trace.cycles,
            "bound_cycles": self.trace.bound,
            "traced_cycles": self.trace.traced,
            "busy_cycles": self._busy(),
            "outputs": self.trace.outputs.tolist(),
        }

    def tables(self) -> Iterable[Table]:
        """Busy cycles of every block."""
        rows = [(block, str(cycles)) for block, cycles in self._busy().items()]
        yield Table(f"{self.trace.path}: {self.trace.traced} clock cycles", ("block", "busy"), rows)

    def lines(self) -> Iterable[str]:
        """Cycles of the inference, and the lists."""
        yield f"inference: {self.trace.cycles} cycles; schedule bound {self.trace.bound}"
        yield f"signal lists: {self.lists[0]} (GTKWave), {self.lists[1]} (Surfer)"

    def _busy(self) -> dict[str, int]:
        return {block: int(active.sum()) for block, active in self.trace.activity.items()}


@verb
def trace(
    program: Source,
    /,
    inputs: Array | None = None,
    *,
    output: Output = "trace.vcd",
    sample: Whole = 0,
    product: Whole | None = None,
    data: DataSet | None = None,
    codes: bool = False,
    preset: str | None = None,
    seed: Seed = 0,
    noise: bool = True,
    progress: Stages | None = None,
) -> Traced:
    """Waveforms of one inference in the compiled RTL.

    Every clock cycle goes to a VCD file; beside it go lists of the signals to look at first, by block:
    .gtkw for GTKWave, .sucl for Surfer. The lanes inside the array are left out. A model with waveforms is
    compiled once, which takes minutes.

    Parameters
    ----------
    program:
        What `compile` wrote or gave, or a program alone.
    inputs:
        Inputs (n, inputs). Default: test samples of the data set that the network names, else the samples
        that calibrated the die.
    output:
        File of the waveforms.
    sample:
        Which input, from 0.
    product:
        Of a program that is no chain of full layers: which product, whose first patch runs on the array;
        default: the first one that is not grouped.
    data:
        A data set by name.
    codes:
        The inputs are codes uint8 0..255, not values in the model's unit.
    preset:
        Geometry preset; default: as large as the program needs.
    seed:
        Read-noise seed.
    noise:
        Read noise on or off.
    progress:
        Told of the stage ``programming``.

    Raises
    ------
    InputError, EmulatorError, SpecError, FileNotFoundError
        When inputs or program cannot be used.
    HostError
        When the simulation fails.

    Examples
    --------
    $ ndrite trace mine --sample 3 -o trace.vcd
    > gtkwave trace.gtkw       or: surfer -c trace.sucl trace.vcd
    """
    check_outputs(output)
    what, whole = held(program)
    x = seen_samples(what, whole, inputs, data=data, codes=codes)
    x = check_inputs(x, what.inputs, seed=seed, first_index=0)
    if sample >= len(x):
        raise InputError(f"sample is {sample}; accepted: 0..{len(x) - 1}")
    geometry = geometry_for(on_array(what, product), preset)
    options: dict[str, Any] = {"product": product, "index": sample, "seed": seed, "noise": noise}
    with (progress or silent)("programming") as report:
        found = trace_inference(what, x[sample], Path(output), geometry, **options, progress=report)
    return Traced(found, write_lists(Path(output)))
