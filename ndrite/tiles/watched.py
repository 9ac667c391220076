"""Watched: what samples show of one product's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import EmulatorError
from emulator.network import InputRange
from emulator.network.importing.span import code_span
from emulator.spec.patches import Patches


class Watched:
    """What samples show of a product's inputs: first their range, then patches as codes of that range.

    ``seen``: patches; ``codes`` uint8 (n, groups * K), evenly picked of them.
    """

    def __init__(self) -> None:
        self.low, self.high, self.seen = np.inf, -np.inf, 0
        self.codes: npt.NDArray[np.uint8] | None = None
        self._parts: list[npt.NDArray[np.uint8]] = []
        self._at = 0

    @property
    def input_range(self) -> InputRange:
        """What codes 0 and 255 stand for; 0, where it is inside, is exactly a code."""
        span = code_span(self.low, self.high, (0.0,) if self.low < 0 < self.high else ())
        return InputRange(np.array([span.low]), np.array([span.low + span.width]))

    def show_range(self, name: str, x: npt.NDArray[Any], patches: int) -> None:
        """First pass: inputs of one call, ``patches`` of them."""
        if x.size:
            low, high = float(x.min()), float(x.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise EmulatorError(f"{name}: samples give it values that are not finite")
            self.low, self.high = min(self.low, low), max(self.high, high)
        self.seen += patches

    def show_rows(self, x: npt.NDArray[Any], patches: Patches, wanted: int) -> None:
        """Second pass: maps (n, C, H, W) of the same calls."""
        count = len(x) * patches.positions
        pick = np.unique(np.linspace(0, self.seen - 1, min(wanted, self.seen)).astype(np.int64))
        pick = pick[(pick >= self._at) & (pick < self._at + count)] - self._at
        self._at += count
        if len(pick):
            self._parts.append(self.input_range.encode(patches.pick(x, pick)))
        if self._at == self.seen and self._parts:
            self.codes = np.concatenate(self._parts)
            self._parts = []
