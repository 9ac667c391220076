"""Cells that do not program: stuck at a low or a high conductance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.errors import PhysicsError

STUCK_LOW, STUCK_HIGH = -1, 1


@dataclass(frozen=True)
class Faults:
    """Rates in 0..1 of stuck cells, each cell on its own, and the conductances they are stuck at."""

    low_rate: float
    high_rate: float
    low_uS: float
    high_uS: float

    def __post_init__(self) -> None:
        if not (self.low_rate >= 0 and self.high_rate >= 0 and self.low_rate + self.high_rate <= 1):
            raise PhysicsError(
                f"stuck rates are {self.low_rate} and {self.high_rate}; accepted: 0..1, together at most 1"
            )
        if not 0 <= self.low_uS <= self.high_uS:
            raise PhysicsError(
                f"stuck conductances are {self.low_uS} and {self.high_uS} uS; accepted: 0 <= low <= high"
            )

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.int8]:
        """Which cells are stuck: ``STUCK_LOW``, ``STUCK_HIGH``, or 0 for a good cell."""
        u = rng.random(shape)  # one draw a cell, whatever the rates
        stuck = np.zeros(shape, np.int8)
        stuck[u < self.low_rate] = STUCK_LOW
        stuck[u >= 1.0 - self.high_rate] = STUCK_HIGH
        return stuck

    def apply(self, g_uS: npt.NDArray[np.float64], stuck: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
        """``g_uS`` with the stuck cells at their conductances."""
        return np.where(stuck == 0, g_uS, np.where(stuck == STUCK_LOW, self.low_uS, self.high_uS))
