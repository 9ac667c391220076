"""Anything that runs on a board: a chip image, or a convolutional image of several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.convolution import ConvImage
from emulator.convolution.image import is_convolutional
from emulator.spec import Program
from host import BoardApi
from host.api import Progress
from host.inputs import check_inputs
from ndrite.convolution import infer_convolutional

Program = Program | ConvImage


def load_program(path: Path) -> Program:
    """Read either kind of file.

    Raises
    ------
    FileNotFoundError
        When there is none.
    ProgramError
        When it is neither, or damaged.
    """
    if path.is_file() and is_convolutional(path):
        return ConvImage.load(path)
    return Program.load(path)


def run_program(
    board: BoardApi,
    program: Program,
    x: npt.NDArray[np.uint8],
    *,
    seed: int = 0,
    first_index: int = 0,
    noise: bool = True,
    progress: Progress | None = None,
) -> npt.NDArray[np.int32]:
    """Program the board and run input codes uint8 (n, inputs): outputs int32 (n, outputs).

    Raises
    ------
    InputError
        When ``x`` does not fit.
    HostError
        As ``BoardApi.program`` and ``BoardApi.infer``.
    """
    x = check_inputs(x, program.inputs, seed=seed, first_index=first_index)
    if isinstance(program, ConvImage):
        y, _ = infer_convolutional(
            board, program, x, seed=seed, first_index=first_index, noise=noise, progress=progress
        )
        return y
    board.program(program)
    return board.infer(x, seed=seed, first_index=first_index, noise=noise, progress=progress)
