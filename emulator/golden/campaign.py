"""campaign: virtual chips one after another, the votes of all images on each (``emulator.spec.campaign``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.core import Core
from emulator.golden.fast import available, suits
from emulator.golden.fast_chips import FastChips
from emulator.golden.redraw import virtual_chip
from emulator.spec.campaign import CampaignResult, check_campaign
from emulator.spec.program import Program
from emulator.spec.variation import inference_index


def campaign(
    image: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    *,
    chips: int,
    draws: int = 1,
    seed: int = 0,
    first_chip: int = 0,
    first_image: int = 0,
    noise: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> CampaignResult:
    """Run images ``x`` uint8 (n, inputs) on virtual chips first_chip .. first_chip + chips - 1 of ``seed``.

    ``labels`` integers (n,); image i has index ``first_image`` + i in every draw; ``noise`` False leaves
    read noise off; ``progress(done, total)`` counts chips.

    Raises
    ------
    CampaignError
        A parameter is out of range.
    ProgramError
        The image has no variation to draw chips from.
    """
    check_campaign(
        x,
        labels,
        inputs=image.inputs,
        chips=chips,
        draws=draws,
        seed=seed,
        first_chip=first_chip,
        first_image=first_image,
    )
    votes = np.zeros((len(x), image.outputs), np.int64)
    correct = np.zeros(chips, np.int64)
    everyone = np.arange(len(x))
    if image.variation is None:
        virtual_chip(image, seed=seed, chip=first_chip)  # raises
    fast = FastChips(image, seed) if available() and suits(image) else None
    for c in range(chips):
        chip = first_chip + c
        core = fast.chip(chip) if fast else Core(virtual_chip(image, seed=seed, chip=chip), fast=False)
        for t in range(draws):
            index = inference_index(first_image, t)
            logits = core.infer(x, seed=seed, first_index=index, noise=noise, stream=chip + 1)
            winner = logits.argmax(axis=1)
            votes[everyone, winner] += 1
            correct[c] += int((winner == labels).sum())
        if progress is not None:
            progress(c + 1, chips)
    return CampaignResult(votes, correct, draws, seed, first_chip)
