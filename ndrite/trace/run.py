"""trace_inference: one inference on the compiled RTL, every cycle of it in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from boards.sim import SimLink
from emulator.spec import Geometry, Program
from emulator.spec.brief import brief_repr
from emulator.spec.schedule import bound_cycles
from host import Board
from host.api import Progress
from ndrite.trace.signals import BLOCKS, SIGNALS
from ndrite.trace.vcd import read_activity

LEVELS = 99
"""Modules deep; the lanes of the array are left out when the model is built."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What was traced: the outputs int32 (outputs,), clock cycles, and each block's cycles of work.

    ``cycles`` from the inference's first to its last (the gateware's own counter), ``bound`` the schedule's;
    ``activity`` bool (traced cycles,) by block, the packets in and out included.
    """

    __repr__ = brief_repr

    path: Path
    outputs: npt.NDArray[np.int32]
    cycles: int
    bound: int
    activity: dict[str, npt.NDArray[np.bool_]]

    @property
    def traced(self) -> int:
        """Clock cycles in the file."""
        return len(next(iter(self.activity.values())))


def trace_inference(
    image: Program,
    x: npt.NDArray[np.uint8],
    path: Path,
    geometry: Geometry,
    *,
    index: int = 0,
    seed: int = 0,
    noise: bool = True,
    progress: Progress | None = None,
) -> Trace:
    """Write a VCD file of the inference of ``x`` uint8 (inputs,), programming left out.

    Parameters
    ----------
    index, seed, noise:
        As ``first_index``, ``seed`` and ``noise`` of ``BoardApi.infer``.

    Raises
    ------
    LinkError
        When the simulation cannot be built or the file cannot be written.
    GeometryError
        When the image does not fit the geometry.
    """
    link = SimLink(geometry, waveforms=True)
    with Board(link) as board:
        board.program(image, progress=progress)
        board.clear_counters()
        link.model.trace(path, LEVELS)
        try:
            y = board.infer(x[None], seed=seed, first_index=index, noise=noise)
        finally:
            link.model.end_trace()
        cycles = board.counters()["last_cycles"]
    busy = {signal.block: signal.path for signal in SIGNALS if signal.busy}
    found = read_activity(path, list(busy.values()))
    activity = {block: found[busy[block]] for block in BLOCKS}
    return Trace(path, y[0], cycles, bound_cycles(image, geometry.lanes, geometry.slices), activity)
