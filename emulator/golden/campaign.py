"""campaign: runs samples on virtual chips, one chip after the other, and counts the
votes (``ndrite.emulator.spec.variation``).

Where the compiled loops are there, they draw the chips as
``ndrite.emulator.golden.noise`` does.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.core import Core
from ndrite.emulator.golden.fast import FastCore, available, suits
from ndrite.emulator.golden.noise import key_schedule, virtual_chip
from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.variation import (
    CODE_FRACTION,
    DOMAIN_CELL,
    Campaign,
    CampaignResult,
    inference_index,
)


class FastChips:
    """Samples the weights of a program's virtual chips, one chip at a time. Computes
    what ``virtual_chip`` and ``FastCore`` compute together, without building a new
    program for each chip."""

    def __init__(self, program: Program, seed: int) -> None:
        variation = program.variation
        assert variation is not None
        self._seed = seed
        self._core = FastCore(program)
        mean = (variation.mean.astype(np.int32) << CODE_FRACTION) + (1 << (2 * CODE_FRACTION - 1))
        sigma = variation.sigma.astype(np.int32)
        self._laws = []
        for layer in program.layers:
            columns = np.ascontiguousarray(layer.weights.T)
            codes = np.concatenate([columns.clip(0), (-columns).clip(0)], axis=1)
            self._laws.append((mean[codes], sigma[codes]))
        self._law = np.array(
            [
                variation.stuck_low,
                (1 << 16) - variation.stuck_high,
                variation.stuck_code_low,
                variation.stuck_code_high,
                variation.code_max,
            ],
            np.int32,
        )

    def chip(self, chip: int) -> FastCore:
        """Return the compiled model of virtual chip number ``chip``. The object is
        reused: the call overwrites the model that the previous call returned."""
        from ndrite.emulator.golden.fast_chips import Cells, redraw

        schedule = key_schedule(self._seed, DOMAIN_CELL, chip + 1)
        for i, ((mean, sigma), weights) in enumerate(zip(self._laws, self._core.weights, strict=True)):
            key = np.empty((4, len(mean)), np.uint16)
            redraw(Cells(mean, sigma, self._law), schedule, i, key, weights)
        self._core.refresh()
        return self._core


def campaign(
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: IntArray,
    plan: Campaign,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CampaignResult:
    """Run all samples x uint8 (n, inputs) on the virtual chips that ``plan`` lists, and
    count votes and right answers; ``labels`` are the right classes, integers (n,).

    ``program`` has ``variation``, to draw chips from. ``progress(done, total)`` counts
    chips. Raises CampaignError: a parameter is out of range.
    """
    plan.check(x, labels, program.inputs)
    chips, seed, first_chip = plan.chips, plan.seed, plan.first_chip
    votes = np.zeros((len(x), program.outputs), np.int64)
    correct = np.zeros(chips, np.int64)
    everyone = np.arange(len(x))
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
