"""compile: a network onto a chip."""

from __future__ import annotations

import os
from typing import Any

from emulator.device.description import Chip
from emulator.mapping import Mitigation, map_network
from host import InputError
from ndrite.api.sources import network_from
from ndrite.compiled import Compiled
from ndrite.samples import typical_samples
from ndrite.stages import Stages, silent


def compile(
    network: Any,
    chip: Chip | str | os.PathLike[str],
    *,
    samples: Any = None,
    data: str | None = None,
    codes: bool = False,
    seed: int = 0,
    name: str | None = None,
    nominal: bool = False,
    lanes: int | None = None,
    depth: int | None = None,
    mitigation: Mitigation | None = None,
    progress: Stages | None = None,
) -> Compiled:
    """Put a network on a chip: program its cells, calibrate its converters, turn its curves into tables.

    Parameters
    ----------
    network:
        A ``Network`` or its file, a ``torch.nn.Module``, or an ``.onnx``, ``.pt`` or ``.pth`` file.
    chip:
        A chip, a preset's name, the path of a YAML file, or several of these joined with ``+``.
    samples:
        Typical inputs, (n, inputs) with n at least 16, as an array or an ``.npy`` file: in the unit of an
        imported network, else codes uint8. They set the converters' ranges. Default: samples of the data set
        that the network names.
    data:
        A data set by name in place of ``samples``.
    codes:
        The samples are codes 0..255 even where the network stores a range of its inputs.
    seed:
        Which individual chip, 0..2^63-1.
    name:
        The program's name; the network's by default.
    nominal:
        Leave every cell on its target and store how cells spread: the program of a campaign.
    lanes, depth:
        Program kernels several times over where that is faster on so many lanes of so many weight words.
    mitigation:
        The measures against the chip's errors; default: gain and bias correction.
    progress:
        Told of the stage ``layers``.

    Raises
    ------
    CompileError, ChipError, NetworkError, InputError
        When the samples, the chip or the network cannot be used; the message names field and value.

    Warns
    -----
    CompileWarning
        One line for everything that was cut on the way; ``Compiled.report.warnings`` has them too.

    Examples
    --------
    >>> import ndrite
    >>> network = ndrite.shipped_network()
    >>> compiled = ndrite.compile(network, "wan2022", seed=7)
    >>> compiled.program.inputs, compiled.program.outputs
    (784, 10)
    >>> compiled.save("program.npz").name
    'program.npz'
    """
    if depth is not None and lanes is None:
        raise InputError("depth is given without lanes; accepted: both, or lanes alone")
    floats = network_from(network, samples)
    typical = typical_samples(floats, samples, data=data, codes=codes)
    with (progress or silent)("layers") as report:
        mapped = map_network(
            floats,
            chip,
            typical,
            seed=seed,
            name=name,
            nominal=nominal,
            lanes=lanes,
            depth=depth,
            mitigation=mitigation,
            progress=report,
        )
    return Compiled(floats, *mapped)
