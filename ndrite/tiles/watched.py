"""Watched: what samples show of one product's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import EmulatorError
from emulator.network import InputRange
from emulator.network.importing.view import code_span
from emulator.spec.patches import Patches


class Watched:
    """What samples show of a product's inputs: first their range, then patches as codes of that range.

    ``calls`` and ``seen``: calls, and patches of all; ``codes`` uint8 (n, groups * K), evenly picked of them;
    ``given``: what the die gives the product for the first of these, where it is read once a sample.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.low, self.high, self.seen = np.inf, -np.inf, 0
        self.calls = 0
        self.given: npt.NDArray[np.uint8] | None = None
        self.codes: npt.NDArray[np.uint8] | None = None
        self._parts: list[npt.NDArray[np.uint8]] = []
        self._at = 0

    @property
    def input_range(self) -> InputRange:
        """What codes 0 and 255 stand for; 0, where it is inside, is exactly a code."""
        span = code_span(self.low, self.high, (0.0,) if self.low < 0 < self.high else ())
        return InputRange(np.array([span.low]), np.array([span.low + span.width]))

    def show_range(self, x: npt.NDArray[Any], patches: Patches, wanted: int) -> None:
        """First pass: maps (n, C, H, W) of one call."""
        if x.size:
            low, high = float(x.min()), float(x.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise EmulatorError(f"{self.name}: samples give it values that are not finite")
            self.low, self.high = min(self.low, low), max(self.high, high)
        self.seen += len(x) * patches.positions
        self.calls += 1

    def show_rows(self, x: npt.NDArray[Any], patches: Patches, wanted: int) -> None:
        """Second pass: maps (n, C, H, W) of the same calls."""
        rows = self._picked(x, patches, wanted, self._at)
        self._at += len(x) * patches.positions
        if len(rows):
            self._parts.append(rows)
        if self._at == self.seen and self._parts:
            self.codes = np.concatenate(self._parts)
            self._parts = []

    def show_given(self, x: npt.NDArray[Any], patches: Patches, wanted: int) -> None:
        """Third pass: maps (n, C, H, W) of the first call as the die makes them."""
        self.given = self._picked(x, patches, wanted, 0)

    def _picked(
        self, x: npt.NDArray[Any], patches: Patches, wanted: int, first: int
    ) -> npt.NDArray[np.uint8]:
        """Codes of those patches of a call that are picked; its first has number ``first``."""
        pick = np.unique(np.linspace(0, self.seen - 1, min(wanted, self.seen)).astype(np.int64))
        pick = pick[(pick >= first) & (pick < first + len(x) * patches.positions)] - first
        if not len(pick):
            return np.zeros((0, patches.groups * patches.inputs), np.uint8)
        return self.input_range.encode(patches.pick(x, pick))
