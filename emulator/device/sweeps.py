"""Sweeps of a quantity up and down: finds them in the order of the rows, and measures
the noise from row to row."""

from dataclasses import dataclass

import numpy as np

from ndrite.emulator.spec.arithmetic import Floats

SWING = 0.1
"""A change of direction over less than this fraction of the range is noise and does not
begin a new leg of the sweep."""
JUMP = 3
LEG_MIN = 8
"""Smallest average number of rows per leg of a sweep. If there are fewer, the rows are
not in sweep order."""


@dataclass(frozen=True)
class Leg:
    """One direction of a sweep: the rows ``start``..``stop`` (both included) over which
    a quantity rises (``up``) or falls."""

    start: int
    stop: int
    up: bool

    @property
    def jump(self) -> bool:
        """Whether the leg is a jump back to the start of the next sweep."""
        return self.stop - self.start < JUMP

    @property
    def rows(self) -> slice:
        """Slice of the leg's rows; neighbouring legs share the row at which the
        direction changes."""
        return slice(self.start, self.stop + 1)


def legs_of(x: Floats, swing: float = SWING) -> list[Leg]:
    """Split ``x`` (n,) into legs in which it rises or falls. Each leg spans at least
    the fraction ``swing`` of the range of ``x``."""
    smallest_swing = swing * float(np.ptp(x))
    if not smallest_swing > 0:
        return []
    turns: list[tuple[int, bool]] = []
    up: bool | None = None
    low = high = 0
    for i, value in enumerate(x):
        # A device at its bound keeps its value for several pulses. The last of these
        # equal values is the turning point.
        high = i if value >= x[high] else high
        low = i if value <= x[low] else low
        if up is not True and value - x[low] > smallest_swing:
            turns.append((low, True))
            up, high = True, i
        elif up is not False and x[high] - value > smallest_swing:
            turns.append((high, False))
            up, low = False, i
    if not turns:
        return []
    starts = [0, *(turn for turn, _ in turns[1:])]
    ends = [*starts[1:], len(x) - 1]
    return [Leg(a, b, direction) for a, b, (_, direction) in zip(starts, ends, turns, strict=True)]


def in_order(x: Floats) -> list[Leg]:
    """Return the rising and falling legs of ``x`` if its rows are in sweep order, or an
    empty list if the rows are mixed."""
    legs = legs_of(x)
    swept = sum(not leg.jump for leg in legs)
    return legs if swept and len(x) >= LEG_MIN * swept and len(legs) <= 2 * swept else []


def noise_of(x: Floats) -> float:
    """Return the standard deviation of the noise from row to row. It is computed from
    second differences, so that a slope does not count as noise."""
    if len(x) < 3:
        return 0.0
    return 1.4826 * float(np.median(np.abs(np.diff(x, 2)))) / 6**0.5


def rms(*parts: Floats) -> float:
    """Return the root mean square of all values of the arrays ``parts``, which may have
    different lengths."""
    return float(np.sqrt(np.square(np.concatenate(parts)).mean()))


def smoothed(x: Floats) -> Floats:
    """Return the running median of five values, with the end values repeated at both
    ends. A single outlier then does not form a peak."""
    padded = np.pad(x, 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1), np.float64)


def rounded(value: float) -> float:
    """Return the value rounded to six significant digits, as chip descriptions state values."""
    return float(f"{value:.6g}")
