"""Calibrating the chip on a board: ``emulator.learning.tuning`` with a board's forward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.learning.tuning import CalibrationResult, Learner, Plan, Tunable, calibrate
from emulator.mapping import Die
from emulator.network import Network
from emulator.spec import Program
from host import BoardApi
from host.api import Progress

INDEX_MASK = (1 << 32) - 1
LEARNING_SEED = 1 << 32
"""Added to the read-noise seed while learning, so that no noise of the measurement has been learned."""

CORRECTED_ON = 2000
"""Last samples, which the model's columns are corrected on."""


def calibrate_board(
    board: BoardApi,
    program: Program,
    die: Die,
    network: Network | None,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer[Any]],
    *,
    plan: Plan,
    seed: int = 0,
    noise: bool = True,
    cells: bool = False,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Tune the neurons of ``die`` on ``board``, which holds its program at the end.

    Raises CompileError when the program's chip has no ECRAM, or network, samples and program do not fit
    together. Raises HostError as ``BoardApi.program`` and ``infer``.

    ``network``: the float network the program was compiled from; None only with ``plan.method`` perturb;
    ``x``, ``labels``: labelled samples to learn from, uint8 (n, inputs) and (n,); ``seed``, ``noise``: read
    noise of the forward passes, as ``BoardApi.infer``; ``cells``: whether gradients go back through the
    cells as a test read shows them, instead of the network's weights.
    """
    chip = Tunable(program, die)
    learner = None if network is None else Learner(network, chip, cells=cells)
    if learner is not None and cells and die.mitigation.bias_correction:
        learner.correct(x[-CORRECTED_ON:], die.chip, die.mitigation)

    def infer(batch: npt.NDArray[np.uint8], first: int) -> npt.NDArray[np.int32]:
        return board.infer(
            batch, seed=(seed + LEARNING_SEED) % (1 << 64), first_index=first & INDEX_MASK, noise=noise
        )

    return calibrate(chip, learner, x, labels, infer=infer, load=board.program, plan=plan, progress=progress)
