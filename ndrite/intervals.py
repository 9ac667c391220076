"""95 % intervals; each says over what it is taken."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import Floats

LEVEL = 0.95
NORMAL_95 = 1.959963984540054
DRAWS = 2000
"""Of a bootstrap."""
TOGETHER = 200
"""Draws worked on at once."""


def mean_interval(values: npt.NDArray[np.float64]) -> tuple[float, float | None]:
    """Mean of (n,) values and half its 95 % interval by the t law; None for a single value."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None
    from scipy.stats import t

    return mean, float(t.ppf(0.5 + LEVEL / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    z2 = NORMAL_95**2
    centre = (successes + z2 / 2) / (n + z2)
    half = NORMAL_95 / (n + z2) * math.sqrt(successes * (n - successes) / n + z2 / 4)
    return max(0.0, centre - half) if successes else 0.0, min(1.0, centre + half) if successes < n else 1.0


def proportion(accuracy: float, n: int) -> list[float] | None:
    """The 95 % interval over samples of an accuracy (0..1) found on ``n`` of them; None without any."""
    return list(wilson(round(accuracy * n), n)) if n else None


def paired(lost: int, won: int, n: int) -> tuple[float, float]:
    """95 % interval of ``(lost - won) / n``, a difference of two accuracies on the same ``n`` samples.

    ``lost`` samples only the first has right, ``won`` only the second. Half a sample is added to each of the
    four cases, so that no difference at all has an interval too (Agresti and Min, Statistics in Medicine 24,
    729, 2005).
    """
    total, b, c = n + 2.0, lost + 0.5, won + 0.5
    middle = (b - c) / total
    half = NORMAL_95 * math.sqrt((b + c) / total - middle**2) / math.sqrt(total)
    return max(-1.0, middle - half), min(1.0, middle + half)


def is_noise(lost: int, won: int, n: int) -> bool:
    """Whether the interval of ``paired`` has 0 in it."""
    low, high = paired(lost, won, n)
    return low <= 0 <= high


def loss(lost: int, won: int, n: int) -> str:
    """A loss of accuracy in words: points with their interval by ``paired``, and whether it is noise.

    A gain is called one: no loss is negative.
    """
    low, high = paired(lost, won, n)
    if won > lost:
        low, high = -high, -low
    change = f"{100 * abs(lost - won) / n:.2f} points {'won' if won > lost else 'lost'}"
    noise = f", within the noise of {n:,} samples" if is_noise(lost, won, n) else ""
    return f"{change} ({100 * low:.2f} .. {100 * high:.2f}){noise}"


def percent(accuracy: float, n: int) -> str:
    """An accuracy and its interval over ``n`` samples, in percent."""
    interval = proportion(accuracy, n)
    if interval is None:
        return "-"
    return f"{100 * accuracy:.2f} % ({100 * interval[0]:.2f} .. {100 * interval[1]:.2f})"


def crossed(values: npt.NDArray[np.float64], *, same_dies: bool = False) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (networks, dies, n): a bootstrap that draws networks, each
    network's dies (``same_dies``: all networks are on the same ones, drawn once for all) and, for all of
    them, samples again; seed 0."""
    return crossed_of(lambda mean: mean, values, same_dies=same_dies)


def crossed_of(
    statistic: Callable[..., float], *values: Floats, beside: Floats | None = None, same_dies: bool = False
) -> tuple[float, float]:
    """95 % interval of ``statistic(mean, mean, ...)`` of several quantities of the same networks, dies and
    samples, drawn together as ``crossed`` draws them; seed 0.

    Parameters
    ----------
    values:
        (networks, dies, n) each, of one shape.
    beside:
        (others, n): something else on the same samples, such as networks that stay in software, drawn on its
        own but with the same samples; its mean is the statistic's last argument.
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
    statistics = [statistic(*means) for means in drawn.T]
    low, high = np.nanquantile(statistics, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@lru_cache(maxsize=4)
def _draws(
    networks: int, dies: int, n: int, others: int, same_dies: bool
) -> tuple[Floats, npt.NDArray[np.uint8], Floats]:
    """Counts of each of ``DRAWS`` draws: parts of the rows (DRAWS, networks * dies), how often each sample
    (DRAWS, n), and parts of what is beside (DRAWS, others). Many quantities share them."""
    rng = np.random.default_rng(0)
    rows, other_counts = np.empty((DRAWS, networks * dies)), np.zeros((DRAWS, others))
    counts = np.empty((DRAWS, n), np.uint8)  # 256 times the same sample is not drawn
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
