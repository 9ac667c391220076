"""campaign: virtual chips one by one, the votes of all samples on each (``emulator.spec.campaign``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.core import Core
from emulator.golden.fast import available, suits
from emulator.golden.fast_chips import FastChips
from emulator.golden.redraw import virtual_chip
from emulator.spec.campaign import Campaign, CampaignResult
from emulator.spec.program import Program
from emulator.spec.variation import inference_index


def campaign(
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    plan: Campaign,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CampaignResult:
    """Run samples ``x`` uint8 (n, inputs) with ``labels`` integers (n,) on the virtual chips of ``plan``.

    ``progress(done, total)`` counts chips.

    Raises
    ------
    CampaignError
        A parameter is out of range.
    ProgramError
        The program has no variation to draw chips from.
    """
    plan.check(x, labels, program.inputs)
    chips, seed, first_chip = plan.chips, plan.seed, plan.first_chip
    votes = np.zeros((len(x), program.outputs), np.int64)
    correct = np.zeros(chips, np.int64)
    everyone = np.arange(len(x))
    if program.variation is None:
        virtual_chip(program, seed=seed, chip=first_chip)  # raises
    fast = FastChips(program, seed) if available() and suits(program) else None
    for c in range(chips):
        chip = first_chip + c
        core = fast.chip(chip) if fast else Core(virtual_chip(program, seed=seed, chip=chip), fast=False)
        for t in range(plan.trials):
            index = inference_index(plan.first_sample, t)
            logits = core.infer(x, seed=seed, first_index=index, noise=plan.noise, stream=chip + 1)
            winner = logits.argmax(axis=1)
            votes[everyone, winner] += 1
            correct[c] += int((winner == labels).sum())
        if progress is not None:
            progress(c + 1, chips)
    return CampaignResult(votes, correct, plan.trials, seed, first_chip)
