"""cost: models the cost of one inference of a compiled network or a module, and
shows the constants."""

from pathlib import Path
from typing import Annotated, Any

from ndrite.compiled import compiled_of, takes_module
from ndrite.costs.account import Account, account_of
from ndrite.costs.constants import CONSTANTS, Constants, load_constants
from ndrite.results import Found
from ndrite.samples import first, seen_samples
from ndrite.signature import (
    ChipName,
    Codes,
    Count,
    DataSet,
    Inputs,
    Option,
    SamplesOf,
    Source,
    Stages,
    silent,
    verb,
)

SAMPLES = 100
"""Default of the largest number of samples over which the cost is averaged."""


@verb
def cost(
    program: Source | None = None,
    /,
    inputs: Inputs | None = None,
    *,
    data: DataSet | None = None,
    codes: Codes = False,
    count: Count | None = None,
    chip: ChipName | None = None,
    samples: SamplesOf | None = None,
    constants: Annotated[Any, Option("FILE.yaml")] | None = None,
    node_nm: Annotated[float, Option("NM", least=5, most=500)] | None = None,
    show: bool = False,
    progress: Stages = silent,
) -> Account | Found:
    """Model the energy, latency and area of one inference.

    Prints energy (pJ, a mean over samples), latency (ns) and area (mm2) by step and
    component: low, typical and high values. They are computed from the die's
    conductances, the codes of samples, and constants, each of which has a source or is
    called illustrative. TOPS/W and TOPS/mm2 count two operations per MAC. Nothing here
    is a measurement.

    Parameters
    ----------
    program:
        A result of `compile` or its file; or a PyTorch module, or FILE.py:FUNCTION, a
        function of a file that returns one. This runs the file's code. Default: the
        network that ships with the package.
    inputs:
        Samples (n, inputs) that the work is counted on. Default: test samples of the
        data set that the network names, else those that calibrated the die.
    count:
        Number of samples, the first ones; default: 100, or all if there are fewer.
    chip:
        Chip of a module; only its products have a cost, as for ``ndrite.cost_of``. The
        chip of a compiled network is in its file.
    samples:
        Typical inputs of a module, on which the work is counted too; default: the
        file's ``samples()``.
    constants:
        Constants or their YAML file, in place of the built-in constants.
    node_nm:
        Technology node, nanometres; default: the node of the constants.
    show:
        Print only the constants with their sources, as a file to edit.

    Examples
    --------
    $ ndrite cost mine --inputs x.npy --json
    > ndrite cost --show > mine.yaml
    > ndrite cost mine --constants mine.yaml --node-nm 65
    > ndrite cost model.py:make --chip wan2022
    >>> import ndrite
    >>> account = ndrite.cost(count=20)
    >>> low, typical, high = account.total.energy_pJ
    >>> bool(low < typical < high)
    True
    >>> sorted(account.by_component())[:3]
    ['array', 'buffers', 'converters']
    """
    if show:
        text = Path(constants or CONSTANTS).read_text(encoding="utf-8")
        return Found({"constants": text}, said=(text.rstrip("\n"),))
    chosen_constants = (
        constants if isinstance(constants, Constants) else load_constants(Path(constants or CONSTANTS))
    )
    on = chosen_constants.on(node_nm)
    of_networks = {"inputs": inputs, "data": data, "codes": codes}
    if takes_module(program, of_networks, {"chip": chip, "samples": samples}):
        from ndrite.tiles import cost_of_module

        assert chip is not None
        with progress("samples"):
            return cost_of_module(program, chip, samples, count or SAMPLES, on)
    compiled = compiled_of(program)
    x = first(seen_samples(compiled.program, compiled, inputs, data=data, codes=codes), count, SAMPLES)
    with progress("samples") as report:
        return account_of(compiled.program, compiled.die, x, on, network=compiled.network, progress=report)
