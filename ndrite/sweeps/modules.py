"""modules: points of a sweep that put a PyTorch module on the tiles of a die."""

import time
from typing import Any

from ndrite.emulator.device.description import parse_chip
from ndrite.runs import File, Row
from ndrite.sweeps.run import COST_SAMPLES, quantities
from ndrite.tiles.convert import analog
from ndrite.tiles.cost import cost_on
from ndrite.tiles.loss import ReadAs, in_floats, measure
from ndrite.tiles.source import read_source


def module_point(
    *, source: File, function: str, chip: dict[str, Any], seed: int, channel_ranges: float | None
) -> Row:
    """Map a module onto die ``seed`` of a chip; return a row of results: the user's
    metric in floats and on the die, the difference between the two, and the modelled
    cost of one sample.

    ``source``, ``function``: as for ``read_source``; ``channel_ranges``: as for
    ``analog``. Raises InputError and EmulatorError as ``source_of``, ``analog`` and
    ``measure`` do, and RunError when the file is no longer the plan's.
    """
    began = time.monotonic()
    read = read_source(source, function)
    tiled = analog(
        read.module, parse_chip(chip), samples=read.samples, seed=seed, channel_ranges=channel_ranges
    )
    placement = tiled.ndrite
    reference = in_floats(tiled, placement, read.judge)
    value = measure(tiled, placement, read.judge, ReadAs(None))
    row = {
        "metric": value,
        "metric_float": reference,
        "change": abs(value - reference),
        **quantities(cost_on(tiled, COST_SAMPLES).total),
    }
    placement.close()
    return row | {"seconds": time.monotonic() - began}
