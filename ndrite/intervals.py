"""95 % intervals. The docstring of each function says over which individuals the
interval is: samples, dies, networks or seeds."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import Floats

LEVEL = 0.95
NORMAL_95 = 1.959963984540054
DRAWS = 2000
"""Number of bootstrap samples."""
STUDENT_FEW = 2.2281388519649385
"""Student's factor for 10 degrees of freedom. Above it, the interval is symmetric,
since too few values say nothing about skewness."""
TOGETHER = 200
"""Number of bootstrap samples that are computed at once."""


def mean_interval(values: npt.NDArray[np.float64]) -> tuple[float, float | None]:
    """Return the mean of ``values`` (n,) and half its 95 % interval by Student's t; the
    half interval is None if there is a single value."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None
    from scipy.stats import t

    return mean, float(t.ppf(0.5 + LEVEL / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))


def spread(
    measure: str, each: npt.NDArray[np.float64], of: str = "chip"
) -> dict[str, float | list[float] | None]:
    """Summarise a measure over several chips (or over other individuals, which ``of``
    names) as plain values by name. The 95 % interval of the mean is computed by
    Student's t over the chips."""
    mean, half = mean_interval(each)
    return {
        f"{measure}_mean": mean,
        f"{measure}_mean_interval_95": None if half is None else [mean - half, mean + half],
        f"{measure}_std": float(each.std(ddof=1)) if len(each) > 1 else None,
        f"{measure}_min": float(each.min()),
        f"{measure}_median": float(np.median(each)),
        f"{measure}_max": float(each.max()),
        f"{measure}_per_{of}": [float(value) for value in each],
    }


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the proportion ``successes / n`` by Wilson's score
    (1927, doi 10.1080/01621459.1927.10502953)."""
    z2 = NORMAL_95**2
    centre = (successes + z2 / 2) / (n + z2)
    half = NORMAL_95 / (n + z2) * math.sqrt(successes * (n - successes) / n + z2 / 4)
    return max(0.0, centre - half) if successes else 0.0, min(1.0, centre + half) if successes < n else 1.0


def proportion(accuracy: float, n: int) -> list[float] | None:
    """Return the 95 % interval, over samples, of an ``accuracy`` (0..1) that was
    measured on ``n`` samples; None if ``n`` is 0."""
    return list(wilson(round(accuracy * n), n)) if n else None


def paired(lost: int, won: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of ``(lost - won) / n``, the difference of the
    accuracies of two networks on the same ``n`` samples.

    ``lost`` samples only the first has right, ``won`` only the second. Half a sample is
    added to each of the four cases, so that no difference at all has an interval too
    (Agresti and Min, Statistics in Medicine 24, 729, 2005).
    """
    total, b, c = n + 2.0, lost + 0.5, won + 0.5
    middle = (b - c) / total
    half = NORMAL_95 * math.sqrt((b + c) / total - middle**2) / math.sqrt(total)
    return max(-1.0, middle - half), min(1.0, middle + half)


def is_noise(lost: int, won: int, n: int) -> bool:
    """Return whether the interval of ``paired`` contains 0, so that the
    difference may be chance."""
    low, high = paired(lost, won, n)
    return low <= 0 <= high


def loss(lost: int, won: int, n: int) -> str:
    """Format a loss of accuracy in percentage points with its interval by ``paired``,
    and say whether it may be chance.

    A gain is called one: no loss is negative.
    """
    low, high = paired(lost, won, n)
    if won > lost:
        low, high = -high, -low
    change = f"{100 * abs(lost - won) / n:.2f} points {'won' if won > lost else 'lost'}"
    noise = f", within the noise of {n:,} samples" if is_noise(lost, won, n) else ""
    return f"{change} ({100 * low:.2f} .. {100 * high:.2f}){noise}"


def percent(accuracy: float, n: int) -> str:
    """Format an accuracy and its interval over ``n`` samples, in percent."""
    interval = proportion(accuracy, n)
    if interval is None:
        return "-"
    return f"{100 * accuracy:.2f} % ({100 * interval[0]:.2f} .. {100 * interval[1]:.2f})"


def crossed(values: npt.NDArray[np.float64], *, same_dies: bool = False) -> tuple[float, float]:
    """Return the 95 % interval of the mean of ``values`` (networks, dies, n), over
    networks, dies and samples. Without ``same_dies`` each network has its own dies;
    with ``same_dies`` all networks share their dies."""
    return crossed_of(lambda mean: mean, values, same_dies=same_dies)


def crossed_of(
    statistic: Callable[..., float], *values: Floats, beside: Floats | None = None, same_dies: bool = False
) -> tuple[float, float]:
    """Return the 95 % interval of ``statistic(mean, mean, ...)``. Each argument of
    ``statistic`` is the mean of one of several quantities, measured on the same
    networks, dies and samples.

    A bootstrap (seed 0) draws networks, dies and, for all of them, samples again. A
    bootstrap of few is too narrow: it misses a part 1/k of the variance of k, and
    Student's law. So its ends are moved away from the statistic, as far as the variance
    over each factor with few (jackknife; Efron 1981, Biometrika 68, 589) and its
    degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2, 110) demand. The
    variance that other factors add counts as exactly known. Below 10 degrees of freedom
    the interval is Student's, symmetric: the skewness of so few is chance.

    Parameters
    ----------
    values:
        (networks, dies, n) each, of one shape.
    beside:
        (others, n): something else on the same samples, such as networks that stay in
        software, drawn on its own but with the same samples; its mean is the
        statistic's last argument.
    """
    networks, dies, n = values[0].shape
    rows, counts, other_draws = _draws(networks, dies, n, 0 if beside is None else len(beside), same_dies)
    quantities = [(np.asarray(v.reshape(networks * dies, n), np.float64), rows) for v in values]
    quantities += [] if beside is None else [(beside, other_draws)]
    drawn = np.empty((len(quantities), DRAWS))
    for first in range(0, DRAWS, TOGETHER):
        some = slice(first, first + TOGETHER)
        of_samples = counts[some].T / n
        for means, (quantity, parts) in zip(drawn, quantities, strict=True):
            means[some] = ((quantity @ of_samples) * parts[some].T).sum(axis=0)
    statistics = np.array([statistic(*means) for means in drawn.T])
    low, high = np.nanquantile(statistics, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    whole = statistic(*(v.mean() for v in values), *([] if beside is None else [beside.mean()]))
    factors = _left_out(statistic, values, beside, same_dies)
    deviation, student = _deviation(float(np.nanvar(statistics)), factors)
    if student is None:
        return float(low), float(high)
    half = student * deviation
    if student > STUDENT_FEW:
        return float(whole - half), float(whole + half)
    wider = 2 * half / (high - low) if high > low else 1.0
    return float(whole - wider * (whole - low)), float(whole + wider * (high - whole))


def _left_out(
    statistic: Callable[..., float], values: tuple[Floats, ...], beside: Floats | None, same_dies: bool
) -> list[Floats]:
    """Compute the statistic with each network left out in turn, then with each die left
    out (if all networks share dies, or there is one network), then with each row of
    ``beside`` left out. Return an array of results for each of these factors that has
    at least two values."""
    networks, dies, n = values[0].shape
    others = [] if beside is None else [float(beside.mean())]
    axes = [0] if networks > 1 else []
    axes += [1] if dies > 1 and (same_dies or networks == 1) else []
    factors = []
    for axis in axes:
        sums = [v.sum(axis=tuple({0, 1, 2} - {axis})) for v in values]
        rest = values[0].size - values[0].size // values[0].shape[axis]
        left = [(total.sum() - total) / rest for total in sums]
        factors.append(np.array([statistic(*means, *others) for means in zip(*left, strict=True)]))
    if beside is not None and len(beside) > 1:
        means = [float(v.mean()) for v in values]
        left_means = (beside.sum() - beside.sum(axis=1)) / (beside.size - n)
        factors.append(np.array([statistic(*means, float(mean)) for mean in left_means]))
    return factors


def _deviation(drawn: float, factors: list[Floats]) -> tuple[float, float | None]:
    """Return the standard deviation of a statistic whose variance over bootstrap
    samples is ``drawn``, and Student's factor for its degrees of freedom (None if no
    factor has few values). ``factors`` is the result of ``_left_out``."""
    from scipy.stats import t

    counts = np.array([len(left) for left in factors], np.float64)
    parts = np.array([(len(left) - 1) * np.nanvar(left) for left in factors])
    rest = max(0.0, drawn - float((parts * (counts - 1) / counts).sum()))
    total = float(parts.sum()) + rest
    squares = float((parts**2 / (counts - 1)).sum())
    if not np.isfinite(total) or squares <= 0:
        return math.sqrt(drawn), None
    return math.sqrt(total), float(t.ppf(0.5 + LEVEL / 2, total**2 / squares))


@lru_cache(maxsize=4)
def _draws(
    networks: int, dies: int, n: int, others: int, same_dies: bool
) -> tuple[Floats, npt.NDArray[np.uint8], Floats]:
    """Generate ``DRAWS`` bootstrap samples, shared by all quantities of a
    statistic. Return the weight of each row of values (DRAWS, networks * dies),
    how often each sample is in it (DRAWS, n), and the weight of each row of
    ``beside`` (DRAWS, others)."""
    rng = np.random.default_rng(0)
    rows, other_counts = np.empty((DRAWS, networks * dies)), np.zeros((DRAWS, others))
    counts = np.empty((DRAWS, n), np.uint8)  # uint8: no sample is drawn 256 times
    for draw in range(DRAWS):
        some = rng.integers(0, networks, (networks, 1))
        drawn_dies = rng.integers(0, dies, (1 if same_dies else networks, dies))
        rows[draw] = np.bincount((some * dies + drawn_dies).ravel(), minlength=networks * dies) / (
            networks * dies
        )
        counts[draw] = np.bincount(rng.integers(0, n, n), minlength=n)
        if others:
            other_counts[draw] = np.bincount(rng.integers(0, others, others), minlength=others) / others
    return rows, counts, other_counts
