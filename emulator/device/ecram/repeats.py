"""Repeated runs of pulses: separates their noise from what the fitted law misses."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ndrite.emulator.device.sweeps import smoothed
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.brief import record

PULSES_MIN = 8
NEAR, FAR = 2, 5
"""Two distances in rows over which the moves of two runs of pulses are compared. The
noise of pulses grows with the distance, that of reads does not. Over a single row
interpolation between neighbours would remove a part of the noise."""
AT_START = 0.04
"""States within this distance of the smallest state of a run of pulses (of a range of
2) may belong to the plateau before its first pulse."""


@record()
class Branch:
    """A run of pulses in one direction: pulse numbers counted from ``start``, and the
    measured and modelled state after each pulse."""

    device: str
    up: bool
    start: float
    pulse: Floats
    state: Floats
    model: Floats


def repeats_of(branches: Sequence[Branch], pulses: Sequence[float]) -> tuple[Floats, float | None]:
    """Return two results of comparing repeated runs of pulses: the standard deviation
    per pulse of the noise that accumulates, (2,) for up and down, and the law's misfit
    (rms, relative to the range). Both use the first ``pulses`` of each run. If no run
    repeats, the noise is 0 and the misfit None.

    Moves of a run are compared with those of the run before it from the same state:
    whatever the law is, they are equal but for noise. Read noise does not accumulate:
    it is the same over two rows and over more. What the law misses is in both runs
    alike, and the noise of two runs is independent: the mean of the product of their
    residuals is the misfit's alone.
    """
    walks, products = np.zeros(2), list[float]()
    for direction, up in enumerate((True, False)):
        variances = []
        runs = [branch for branch in branches if branch.up is up]
        for run, again in pairwise(runs):
            n, later = (of.pulse[of.pulse <= max(pulses[direction], PULSES_MIN)] for of in (run, again))
            if run.device != again.device or min(len(n), len(later)) <= PULSES_MIN:
                continue
            missed = np.interp(later, n, (run.state - run.model)[: len(n)])
            products.append(float(np.mean(missed * (again.state - again.model)[: len(later)])))
            sign = 1 if up else -1
            variance = _variance(n, sign * run.state[: len(n)], later, sign * again.state[: len(later)])
            variances += [] if variance is None else [variance]
        walks[direction] = math.sqrt(max(float(np.mean(variances)), 0.0)) if variances else 0.0
    return walks, math.sqrt(max(float(np.mean(products)), 0.0)) / 2 if products else None


def _variance(n: Floats, first: Floats, later: Floats, second: Floats) -> float | None:
    """Compare two runs of rising states, ``first`` (n,) and ``second``: return the
    variance per pulse of the difference between their moves from the same state; None
    if the runs share no states."""
    started, again = (
        int(np.flatnonzero(s <= s.min() + AT_START)[-1]) for s in (smoothed(first), smoothed(second))
    )
    n, first, later, second = n[started:], first[started:], later[again:], second[again:]
    if min(len(n), len(later)) <= PULSES_MIN:
        return None
    passed = np.maximum.accumulate(smoothed(first)) + 1e-9 * np.arange(len(n))
    same = np.interp(smoothed(second), passed, n)
    pulses, squares = [], []
    for lag in (NEAR, max(FAR, len(later) // 20)):
        ends = later[lag:] - later[:-lag]
        both = same[:-lag] + ends <= n[-1]
        if not both.any():
            return None
        before, after = (np.interp((same[:-lag] + of)[both], n, first) for of in (0.0, ends))
        pulses.append(float(ends.mean()))
        squares.append(float(np.square((second[lag:] - second[:-lag])[both] - (after - before)).mean()))
    return (squares[1] - squares[0]) / (2 * (pulses[1] - pulses[0]))
