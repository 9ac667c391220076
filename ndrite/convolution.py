"""Convolutional images on a board: a stage is programmed, all its patches run, then the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boards.golden import GoldenBoard
from emulator.convolution import ConvImage
from emulator.spec import Program
from host import BoardApi
from host.api import Progress
from ndrite.evaluate import Evaluation, Targets, compare

BATCH = 512
"""Images between two changes of the image on the board."""


def infer_convolutional(
    board: BoardApi,
    image: ConvImage,
    x: npt.NDArray[np.uint8],
    *,
    seed: int = 0,
    first_index: int = 0,
    noise: bool = True,
    progress: Progress | None = None,
) -> tuple[npt.NDArray[np.int32], int | None]:
    """Outputs int32 (n, outputs) of input codes uint8 (n, inputs), and the clock cycles they took.

    Cycles are of the array at work, programming and the link left out; None on a board without a clock.

    Raises
    ------
    ProgramError
        When ``x`` has another size.
    HostError
        As ``BoardApi.program`` and ``BoardApi.infer``.
    """
    cycles: list[int | None] = []

    def infer(part: Program, codes: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.int32]:
        board.program(part)
        board.clear_counters()
        y = board.infer(codes, seed=seed, first_index=index, noise=noise)
        cycles.append(board.counters().get("inference_cycles"))
        return y

    outputs = []
    for start in range(0, len(x), BATCH):
        outputs.append(image.run(infer, x[start : start + BATCH], first_index=first_index + start))
        if progress is not None:
            progress(min(start + BATCH, len(x)), len(x))
    y = np.concatenate(outputs) if outputs else np.empty((0, image.outputs), np.int32)
    known = [c for c in cycles if c is not None]
    return y, sum(known) if known else None


def evaluate_convolutional(
    board: BoardApi,
    image: ConvImage,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any] | Targets,
    *,
    seed: int = 0,
    noise: bool = True,
    floats: npt.NDArray[np.float32] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """As ``evaluate``; the bound is of the programmed layers, without the ones that pass codes on."""
    y, cycles = infer_convolutional(board, image, x, seed=seed, noise=noise, progress=progress)
    expected = y
    if not isinstance(board, GoldenBoard):
        expected, _ = infer_convolutional(GoldenBoard(), image, x, seed=seed, noise=noise)
    geometry = board.geometry
    return compare(
        y,
        expected,
        labels,
        floats=floats,
        cycles_per_inference=None if cycles is None else cycles / max(1, len(x)),
        bound=None if geometry is None else image.bound_cycles(geometry.lanes, geometry.slices),
    )
