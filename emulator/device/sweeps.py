"""Sweeps of a quantity up and down, found in the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SWING = 0.1
"""A way back shorter than this part of the range is noise, not a turn."""
JUMP = 3
LEG_MIN = 8
"""Rows of a leg; with fewer on average the rows are in no order of sweeps."""


@dataclass(frozen=True)
class Leg:
    """Rows ``start``..``stop``, both included, over which a quantity rises (``up``) or falls."""

    start: int
    stop: int
    up: bool

    @property
    def jump(self) -> bool:
        """Whether it is a jump back to the start of the next sweep."""
        return self.stop - self.start < JUMP

    @property
    def rows(self) -> slice:
        """The leg's rows; neighbours share the row of the turn."""
        return slice(self.start, self.stop + 1)


def legs_of(x: Floats, swing: float = SWING) -> list[Leg]:
    """The runs up and down of ``x`` (n,), each at least ``swing`` of its range long."""
    least = swing * float(np.ptp(x))
    if not least > 0:
        return []
    turns: list[tuple[int, bool]] = []
    up: bool | None = None
    low = high = 0
    for i, value in enumerate(x):
        # The last of equal values is the turn: a device at its bound stays there for a while.
        high = i if value >= x[high] else high
        low = i if value <= x[low] else low
        if up is not True and value - x[low] > least:
            turns.append((low, True))
            up, high = True, i
        elif up is not False and x[high] - value > least:
            turns.append((high, False))
            up, low = False, i
    starts = [0, *(at for at, _ in turns[1:])]
    ends = [*starts[1:], len(x) - 1]
    return [Leg(a, b, way) for a, b, (_, way) in zip(starts, ends, turns, strict=True)]


def in_order(x: Floats) -> list[Leg]:
    """The legs of ``x`` where its rows are in the order of sweeps; none where they are mixed."""
    legs = legs_of(x)
    swept = sum(not leg.jump for leg in legs)
    return legs if swept and len(x) >= LEG_MIN * swept and len(legs) <= 2 * swept else []


def noise_of(x: Floats) -> float:
    """Standard deviation of what is random from row to row, from second differences: a slope is no noise."""
    if len(x) < 3:
        return 0.0
    return 1.4826 * float(np.median(np.abs(np.diff(x, 2)))) / 6**0.5
