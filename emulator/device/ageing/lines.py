"""Fit of one straight line per cell: mean and spread of the slopes, misfit and noise,
each with its interval."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from ndrite.emulator.device.ageing.card import TAIL, Interval
from ndrite.emulator.spec.arithmetic import Floats, Ints
from ndrite.emulator.spec.brief import record

CHANCE = 0.001
"""A misfit of the lines is reported if the probability that noise alone causes it is
smaller than this."""
SAME = 0.02
"""x values that differ by at most this fraction of their range count as equal when
misfit and noise are separated."""


class Estimate(NamedTuple):
    """An estimated parameter: its value and its 95 % interval."""

    value: float
    interval: Interval


@record()
class Lines:
    """Straight lines y = a_i + b_i x, one for each cell i, and the statistics of their fit.

    ``slope``: mean of the b_i, interval by Student's t over cells; ``spread``: their
    standard deviation beyond what noise makes; ``noise`` and ``misfit``: rms of a
    point, by what differs from cell to cell and by what all cells share; ``share``:
    probability of so much misfit by noise alone; ``fitted`` (n,).
    """

    slope: Estimate
    spread: Estimate
    noise: Estimate
    misfit: float
    share: float
    intercepts: Floats
    slopes: Floats
    fitted: Floats


def mean_of(values: Floats) -> Estimate:
    """Return the mean of n independent values (n,), with Student's 95 % interval."""
    half = float(stats.t.isf(TAIL, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    mean = float(values.mean())
    return Estimate(mean, (mean - half, mean + half))


def spread_of(variance: float, freedom: int, noise_variance: float, noise_freedom: int) -> Estimate:
    """Return the true standard deviation between cells, with its interval. ``variance``
    is the variance of the estimates, one per cell, and includes ``noise_variance``, the
    noise of an estimate. The interval is Williams' (Biometrika 49, 278, 1962), whose
    coverage is at least the nominal level."""
    ends = []
    for tail in (TAIL, 1 - TAIL):
        noise = noise_variance * float(stats.f.isf(tail, freedom, noise_freedom))
        ends.append(freedom * max(variance - noise, 0.0) / float(stats.chi2.isf(tail, freedom)))
    return Estimate(math.sqrt(max(variance - noise_variance, 0.0)), (math.sqrt(ends[0]), math.sqrt(ends[1])))


def deviation_of(squares: float, freedom: int) -> Estimate:
    """Return the standard deviation of residuals whose sum of squares is ``squares``
    with ``freedom`` degrees of freedom, with its chi-squared interval."""
    ends = (math.sqrt(squares / float(stats.chi2.isf(tail, freedom))) for tail in (TAIL, 1 - TAIL))
    low, high = ends
    return Estimate(math.sqrt(squares / freedom), (low, high))


def shared_of(residuals: Floats, places: Ints, lost: int) -> tuple[Floats, int, int]:
    """Average the residuals (n,) over all rows that were measured at the same x value.
    Return each row's average, the number of x values, and the degrees of freedom that
    remain for noise. ``places`` (n,) numbers the x value of each row; the fit of the
    cells' own curves has used up ``lost`` degrees."""
    _, place = np.unique(places, return_inverse=True)
    counts = np.bincount(place)
    means = np.asarray((np.bincount(place, residuals) / counts)[place], np.float64)
    return means, len(counts), len(residuals) - lost - len(counts)


def misfit_of(means: Floats, noise: float, points: int) -> float:
    """Return the root mean square of the residuals ``means`` that all cells share,
    with the variance that noise alone causes subtracted first. ``points`` is the
    number of averages."""
    return math.sqrt(max(float(np.square(means).mean()) - points * noise**2 / len(means), 0.0))


def fit_lines(x: Floats, y: Floats, cells: list[Ints]) -> Lines:
    """Fit one line to each cell's rows of x and y (n,); each cell needs at least
    three different x."""
    intercepts, slopes, inverse_squares = np.zeros((3, len(cells)))
    fitted = np.zeros_like(y)
    for i, rows in enumerate(cells):
        centred = x[rows] - x[rows].mean()
        squares = float(np.square(centred).sum())
        slopes[i] = float(centred @ y[rows]) / squares
        intercepts[i] = y[rows].mean() - slopes[i] * x[rows].mean()
        inverse_squares[i] = 1 / squares
        fitted[rows] = intercepts[i] + slopes[i] * x[rows]
    residuals = y - fitted
    places = np.round((x - x.min()) / (SAME * float(np.ptp(x)))).astype(np.int64)
    means, count, freedom = shared_of(residuals, places, 2 * len(cells) - 2)
    noise = deviation_of(float(np.square(residuals - means).sum()), max(freedom, 1))
    of_misfit = max(count - 2, 1)
    ratio = float(np.square(means).sum()) / of_misfit / max(noise.value**2, 1e-300)
    share = float(stats.f.sf(ratio, of_misfit, max(freedom, 1)))
    error = noise.value**2 * float(inverse_squares.mean())
    spread = spread_of(float(slopes.var(ddof=1)), len(cells) - 1, error, max(freedom, 1))
    misfit = misfit_of(means, noise.value, of_misfit)
    return Lines(mean_of(slopes), spread, noise, misfit, share, intercepts, slopes, fitted)
