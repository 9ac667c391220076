"""RRAM fits: a programming-error polynomial and rates of stuck cells from measured
conductances by target."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.sweeps import rounded
from ndrite.emulator.errors import DatasetError, require
from ndrite.emulator.spec.arithmetic import Bools, Floats
from ndrite.emulator.spec.brief import record

TARGETS_MIN, CELLS_MIN = 3, 10
TIMES_MAX = 2.0
"""Largest ratio between the times since programming of the rows of one fit."""
DEGREE_MAX = 4
STUCK_SIGMAS = 6.0
"""A cell at an end of the range counts as stuck if it is further from its target than
this many robust deviations."""
END = 0.1
"""Fraction of the range at each end within which a cell counts as stuck and not as
badly programmed."""
SIGMA_FLOOR = 1e-6
OFFSET_MAX = 0.1
"""Largest mean offset from the target, relative to it (or to a tenth of the range),
that counts as programming error."""


@record()
class RramFit:
    """Result of ``fit_rram``: deviation of programmed cells as a function of their
    target conductance, and numbers of stuck cells; microsiemens.

    ``values`` are fields of the section ``cell``; ``target``, ``mean``, ``sigma`` and
    ``cells`` per target (T,), stuck cells left out; ``coefficients`` the polynomial in
    G / reference, rising powers.
    """

    section: ClassVar[str] = "cell"
    values: dict[str, Any]
    target: Floats
    mean: Floats
    sigma: Floats
    cells: npt.NDArray[np.intp]
    coefficients: Floats
    reference: float
    stuck_low: int
    stuck_high: int
    notes: tuple[str, ...]

    def model(self, g: npt.ArrayLike) -> Floats:
        """Return the fitted standard deviation of cells programmed to the target
        conductance ``g``, microsiemens."""
        x = np.asarray(g, np.float64) / self.reference
        return np.asarray(np.polynomial.polynomial.polyval(x, self.coefficients), np.float64)

    @property
    def summary(self) -> dict[str, Any]:
        """Return the number of cells, of targets, and of cells stuck low and stuck high."""
        return {
            "cells": int(self.cells.sum()),
            "targets": len(self.target),
            "stuck_low": self.stuck_low,
            "stuck_high": self.stuck_high,
        }

    def held_out(self, kept: Measurements, left: Measurements) -> float:
        """Fit the rows ``kept``, and return the relative difference between the fitted
        standard deviation and that of the held-out rows ``left``."""
        refit = fit_rram(kept)
        target, g = left.columns["target"] * 1e6, left.columns["conductance"] * 1e6
        deviation = np.abs(g - np.interp(target, refit.target, refit.mean))
        # The median, which the fit uses as well, ignores stuck cells among the held-out
        # rows; a mean would count them as deviation.
        return float(abs(1.4826 * np.median(deviation / refit.model(target)) - 1))


def fit_rram(data: Measurements) -> RramFit:
    """Fit the standard deviation of programmed conductances as a function of their target.

    Columns are ``target`` and ``conductance`` (siemens), one row a cell, several cells
    for each target; a column ``time`` (seconds since programming), where there is one,
    must hold one time. Raises DatasetError when there are too few targets or cells, or
    values no cell can have.
    """
    target, conductance = data.columns["target"] * 1e6, data.columns["conductance"] * 1e6
    times = data.columns.get("time", np.zeros(0))
    if len(times) and times.max() > TIMES_MAX * max(times.min(), 1e-9):
        raise DatasetError(
            f"time is {times.min():g}..{times.max():g} s; accepted: rows of one time since programming, as "
            "cells drift"
        )
    require(not (target < 0).any(), "target conductance", f"{target.min():g} uS", "0 or more", DatasetError)
    require(
        target.max() > 0, "every target conductance", 0, "targets spread over the cell's range", DatasetError
    )
    read = "0 or more (read noise may put it slightly below)"
    require(
        conductance.min() >= -0.05 * target.max(),
        "conductance",
        f"{conductance.min():g} uS",
        read,
        DatasetError,
    )
    levels = np.unique(np.round(target, 9))
    groups = [conductance[np.isclose(target, level, rtol=1e-9, atol=1e-9)] for level in levels]
    if len(levels) < TARGETS_MIN:
        raise DatasetError(f"{len(levels)} different targets; accepted: at least {TARGETS_MIN}")
    fewest = min(len(group) for group in groups)
    if fewest < CELLS_MIN:
        level = levels[[len(group) for group in groups].index(fewest)]
        raise DatasetError(
            f"{fewest} cells with the target {level:g} uS; accepted: at least {CELLS_MIN} for every target"
        )
    low, high = float(levels.min()), float(levels.max())
    notes: list[str] = []
    levels_used, stuck_low, stuck_high, could_low, could_high = [], 0, 0, 0, 0
    for level, group in zip(levels, groups, strict=True):
        down, up = _stuck(group, level, low, high)
        levels_used.append(group[~(down | up)])
        # Near an end of the range, a cell stuck at that end looks like a programmed
        # one. Targets near an end are therefore left out when the rate of cells stuck
        # at that end is computed.
        if level > low + 2 * END * (high - low):
            stuck_low, could_low = stuck_low + int(down.sum()), could_low + len(group)
        if level < high - 2 * END * (high - low):
            stuck_high, could_high = stuck_high + int(up.sum()), could_high + len(group)
    cells = np.array([len(group) for group in levels_used])
    mean, sigma = np.array([g.mean() for g in levels_used]), np.array([g.std(ddof=1) for g in levels_used])
    # The standard deviation of a few cells is too small on average; this factor corrects it.
    sigma *= 1 + 1 / (4 * (cells - 1))
    if not (sigma > 0).any():
        raise DatasetError("cells do not differ at any target; accepted: measured conductances, not targets")
    _refuse_offset(levels, mean, sigma, cells, high)
    worst = np.abs(mean - levels).max()
    if worst > sigma.max():
        notes.append(f"the mean is off target by up to {worst:.3g} uS; the model is centred on the target")
    coefficients = _polynomial(levels, sigma, cells, high)
    values = {
        "g_min_uS": low,
        "g_max_uS": high,
        "levels": min(len(levels), 256),
        "programming_error": "fitted",
        "error_coefficients_uS": tuple(map(rounded, coefficients)),
        "error_reference_uS": high,
        "fitted_min_uS": low,
        "fitted_max_uS": high,
        "stuck_low_percent": float(f"{100 * stuck_low / max(could_low, 1):.4g}"),
        "stuck_high_percent": float(f"{100 * stuck_high / max(could_high, 1):.4g}"),
    }
    return RramFit(
        values, levels, mean, sigma, cells, coefficients, high, stuck_low, stuck_high, tuple(notes)
    )


def _refuse_offset(
    levels: Floats, mean: Floats, sigma: Floats, cells: npt.NDArray[np.intp], high: float
) -> None:
    """Raise DatasetError if the mean of the cells of some target clearly differs from
    that target. The fitted model is centred on the target, so it would describe such
    cells as more accurate than they are."""
    offset = mean - levels
    certain = np.abs(offset) > t.isf(1e-3 / len(levels), cells - 1) * sigma / np.sqrt(cells)
    large = np.abs(offset) > np.maximum(0.5 * sigma, OFFSET_MAX * np.maximum(levels, 0.1 * high))
    # Readings cannot be negative, so noise raises the mean reading of targets near
    # 0, by up to 1.33 of their measured standard deviation. This is not an offset
    # of the programming.
    lifted = (offset > 0) & (levels < 2 * sigma) & (offset < 1.5 * sigma)
    wrong = certain & large & ~lifted
    if wrong.any():
        worst = int(np.abs(np.where(wrong, offset, 0.0)).argmax())
        raise DatasetError(
            f"cells for {levels[worst]:g} uS read {mean[worst]:.4g} uS on average ({offset[worst]:+.3g} uS, "
            f"deviation {sigma[worst]:.3g} uS); accepted: a mean within half a deviation or {OFFSET_MAX:.0%} "
            "of its target"
        )


def _stuck(group: Floats, level: float, low: float, high: float) -> tuple[Bools, Bools]:
    middle = float(np.median(group))
    deviation = 1.4826 * float(np.median(np.abs(group - middle)))
    far = np.abs(group - middle) > STUCK_SIGMAS * max(deviation, SIGMA_FLOOR)
    edge = END * (high - low)
    return far & (group < min(low + edge, level)), far & (group > max(high - edge, level))


def _polynomial(levels: Floats, sigma: Floats, cells: npt.NDArray[np.intp], reference: float) -> Floats:
    """Fit a polynomial of the target to the deviations ``sigma``. Its degree has the
    smallest corrected Akaike criterion among the polynomials that are nowhere
    negative in the range."""
    x = levels / reference
    grid, few = np.linspace(x.min(), x.max(), 1001), np.sqrt(2.0 * (cells - 1))
    best, smallest_score = np.array([float(np.average(sigma, weights=cells - 1))]), np.inf
    for degree in range(min(DEGREE_MAX, len(levels) - 2) + 1):
        sigma_fitted = np.full(len(levels), best[0])
        for _ in range(5):
            # Each target is weighted by the standard error of sigma, sigma / sqrt(2 (n
            # - 1)). It is computed from the fitted sigma: the measured one would give
            # the largest weight to targets whose sigma is small by chance.
            error = np.maximum(sigma_fitted, sigma.max() * 1e-3) / few
            fitted = np.polynomial.polynomial.polyfit(x, sigma, degree, w=1 / error)
            sigma_fitted = np.polynomial.polynomial.polyval(x, fitted)
        if (np.polynomial.polynomial.polyval(grid, fitted) < 0).any():
            continue
        lost = float((np.square((sigma_fitted - sigma) / error) + 2 * np.log(error)).sum())
        k, n = degree + 1, len(levels)
        score = lost + 2 * k + (2 * k * (k + 1) / (n - k - 1) if n > k + 1 else 0.0)
        if score < smallest_score:
            best, smallest_score = fitted, score
    return best
