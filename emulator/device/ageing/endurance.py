"""Endurance: fits the number of pulses that a device survives to the windows of
cells over cycles."""

import math
from collections.abc import Callable

import numpy as np
from scipy import stats
from scipy.optimize import brentq, minimize

from ndrite.emulator.device.ageing.card import TAIL, AgeingFit, Interval, cells_of, check_above_0
from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.sweeps import rounded
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Bools, Floats

MODELS = ("programming", "ecram")
"""Sections of a chip description in which a fit sets ``endurance_pulses``."""
LIMIT = 0.5
"""A cell has failed once its window is below this fraction of its first window."""
FAILED_MIN = 5
PULSES_A_CYCLE = 2
"""Pulses in a cycle: one up and one down."""
EARLY = 0.01
SIGMA_MAX = 20.0
"""Largest standard deviation of ln(cycles) that the fit considers."""


def fit_endurance(data: Measurements, model: str = "programming") -> AgeingFit:
    """Fit the endurance of ten cells or more: the number of cycles until the window
    (the value after a pulse up minus the value after a pulse down) is below half of its
    first value. Columns: ``cycle``, ``direction`` (up or down: the pulse before the
    read), and ``conductance`` or ``current``.

    The cycles to failure are log-normal, known to lie between two reads, or beyond the
    last one; intervals are profile likelihoods with Student's in place of the normal
    factor. ``model``: the section to fill. Raises DatasetError, one line, when too few
    cells failed to tell.
    """
    quantity = "conductance" if "conductance" in data.columns else "current"
    value, cycle = data.columns[quantity], data.columns["cycle"]
    check_above_0(data, "cycle", cycle, why=", as it is counted")
    cells = cells_of(data, "read after up and down at the same cycles")
    low, high = np.zeros(len(cells)), np.full(len(cells), np.inf)
    windows = []
    for i, (name, rows) in enumerate(zip(data.devices, cells, strict=True)):
        up = data.columns["direction"][rows] > 0
        numbers = np.intersect1d(cycle[rows][up], cycle[rows][~up])
        if len(numbers) < 2 or len(numbers) != max(up.sum(), (~up).sum()):
            raise DatasetError(
                f"{data.name}: device {name!r} has {up.sum()} reads after pulses up and {(~up).sum()} after "
                f"pulses down, which share {len(numbers)} cycles; accepted: one of each at every cycle, and "
                "two cycles or more"
            )
        order = [np.argsort(cycle[rows][part], kind="stable") for part in (up, ~up)]
        window = value[rows][up][order[0]] - value[rows][~up][order[1]]
        if not window[0] > 0:
            raise DatasetError(
                f"{data.name}: device {name!r}: in its first cycle ({numbers[0]:g}) the {quantity} after up "
                "is not above that after down; accepted: a difference above 0"
            )
        failed = np.flatnonzero(window < LIMIT * window[0])
        last = int(failed[0]) if len(failed) else len(numbers)
        low[i], high[i] = numbers[last - 1], numbers[last] if len(failed) else np.inf
        windows.append((numbers, window / window[0]))
    failed_cells = np.isfinite(high)
    count = int(failed_cells.sum())
    if count < FAILED_MIN:
        raise DatasetError(
            f"{data.name}: {count} of {len(cells)} cells failed in {cycle.max():g} cycles, too few to "
            f"fit the endurance; accepted: at least {FAILED_MIN} (measure more cycles or more cells)"
        )
    if len(set(zip(low.tolist(), high.tolist(), strict=True))) < 3:
        raise DatasetError(
            f"{data.name}: cells failed between {low.min():g} and {high[failed_cells].max():g} cycles, "
            "all within one or two intervals between reads; accepted: three intervals or more (read more "
            "often)"
        )
    (middle, sigma), ends = _log_normal(np.log(low), np.log(high), count)
    median = math.exp(middle)
    parameters = {"median_cycles": median, "deviation_of_ln_cycles": sigma}
    early = math.exp(middle + sigma * float(stats.norm.ppf(EARLY)))
    known = np.sort(np.sqrt(low * high)[failed_cells])
    ranks = (np.arange(count) + 0.5) / len(cells)
    modelled = stats.norm.cdf((np.log(known) - middle) / sigma)
    notes = [
        f"a cell fails where its window is below {LIMIT:.0%} of its first; {count} of {len(cells)} did",
        f"endurance_pulses is {PULSES_A_CYCLE} a cycle; by the law {EARLY:.0%} fail by {early:.3g} cycles",
    ]
    return AgeingFit(
        model="log-normal",
        section=model,
        values={"endurance_pulses": rounded(max(PULSES_A_CYCLE * median, 1.0))},
        cells=len(cells),
        parameters=parameters,
        intervals={
            "median_cycles": (math.exp(ends[0][0]), math.exp(ends[0][1])),
            "deviation_of_ln_cycles": ends[1],
        },
        misfit=float(np.sqrt(np.square(ranks - modelled).mean())),
        noise=None,
        unit="of_cells",
        x=known,
        measured=ranks,
        modelled=modelled,
        axes=("cycles", "failed cells"),
        notes=tuple(notes),
    )


def _log_normal(
    low: Floats, high: Floats, failed: int
) -> tuple[tuple[float, float], tuple[Interval, Interval]]:
    """Fit a normal distribution to values of which only the bounds ``low`` and ``high``
    (n,) are known. Return two pairs: (mean, standard deviation), and the confidence
    intervals of these two."""
    known: Bools = np.isfinite(high)
    middle = np.where(known, (low + np.where(known, high, low)) / 2, low)

    def loss(mean: float, log_sigma: float) -> float:
        z_low, z_high = ((ends - mean) / math.exp(log_sigma) for ends in (low, high))
        # The probability of an interval is the difference of two values of the
        # distribution function. It is computed in the tail nearer to the interval,
        # because differences of values close to 1 would lose precision.
        flip = z_low > 0
        first, second = np.where(flip, -z_high, z_low), np.where(flip, -z_low, z_high)
        upper, lower = stats.norm.logcdf(second), stats.norm.logcdf(first)
        with np.errstate(divide="ignore"):
            inside = upper + np.log(-np.expm1(np.minimum(lower - upper, -1e-300)))
        return -float(inside.sum())

    start = [float(middle.mean()), math.log(max(float(middle.std()), 0.05))]
    best = minimize(lambda p: loss(*p), start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-8})
    mean, log_sigma = (float(v) for v in best.x)
    # The confidence interval contains the means whose log-likelihood is at most
    # ``limit`` below the maximum. This limit would give Student's interval if all
    # values were known exactly.
    limit = failed / 2 * math.log1p(float(stats.t.isf(TAIL, failed - 1)) ** 2 / (failed - 1))
    smallest, largest = math.log(1e-3), math.log(SIGMA_MAX)

    def over_mean(at: float) -> float:
        fit = minimize(lambda p: loss(at, float(p[0])), [log_sigma], method="Nelder-Mead")
        return float(fit.fun) - float(best.fun) - limit

    def over_sigma(at: float) -> float:
        fit = minimize(lambda p: loss(float(p[0]), at), [mean], method="Nelder-Mead")
        return float(fit.fun) - float(best.fun) - limit

    step = 8 * math.exp(log_sigma)
    means = [_end(over_mean, mean, mean + sign * step) for sign in (-1, 1)]
    logs = [_end(over_sigma, log_sigma, end) for end in (smallest, largest)]
    deviations = (math.exp(logs[0]), math.exp(logs[1]))
    return (mean, math.exp(log_sigma)), ((means[0], means[1]), deviations)


def _end(above: Callable[[float], float], inside: float, outside: float) -> float:
    """Return the end of a confidence interval: the point between ``inside`` and
    ``outside`` at which the function ``above`` is 0, or ``outside`` if the function is
    not above 0 there."""
    return float(brentq(above, inside, outside, xtol=1e-4)) if above(outside) > 0 else outside
