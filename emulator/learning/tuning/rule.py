"""From a gradient to a wanted change of state: Adam's form with a bound, or the gradient's sign alone."""

from __future__ import annotations

import numpy as np

from emulator.spec.arrays import Floats

BETA_1, BETA_2, TINY = 0.8, 0.95, 1e-12
"""Decay of the gradient's running mean and mean square (Adam's form, shorter as there are few steps)."""
SIGN_PART = 1 / 3
"""Part of the rate that the sign rule moves every device by."""


def rate_at(rate: float, step: int, steps: int) -> float:
    """The rate of a step: from ``rate`` to a tenth by a cosine."""
    return float(rate * (0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * step / steps))))


class Rule:
    """The memory of one bank of ``count`` devices; ``sign`` (Manhattan) has none."""

    def __init__(self, count: int, *, sign: bool = False) -> None:
        self._mean, self._square = np.zeros(count), np.zeros(count)
        self._sign = sign
        self._steps = 0

    def change(self, gradient: Floats, rate: float) -> Floats:
        """Wanted change of state (n,), each at most ``rate``, of the gradient (n,) by state."""
        if self._sign:
            return np.asarray(-rate * SIGN_PART * np.sign(gradient), np.float64)
        self._steps += 1
        self._mean = BETA_1 * self._mean + (1 - BETA_1) * gradient
        self._square = BETA_2 * self._square + (1 - BETA_2) * gradient * gradient
        mean = self._mean / (1 - BETA_1**self._steps)
        spread = np.sqrt(self._square / (1 - BETA_2**self._steps))
        return np.asarray(-rate * np.clip(mean / (spread + TINY), -1.0, 1.0), np.float64)
