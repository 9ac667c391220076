"""Trace: every intermediate of an inference, and the first place where two traces differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Key = tuple[str, int, int, int]
"""(block, product, tile, slice); tile and slice are 0 where a block has none."""


@dataclass
class Trace:
    """Values by (block, product, tile, slice), each int64 (samples * positions, columns); of the last call.

    Blocks: ``array`` (a), ``noise`` (g), ``noisy`` (a'), ``readout`` (what is added to p), ``partial``
    (p), ``preneuron`` (z), ``neuron`` (y). ``sigma`` holds a column for each group.
    """

    values: dict[Key, npt.NDArray[np.int64]] = field(default_factory=dict)

    def record(
        self,
        block: str,
        layer: int,
        tile: int,
        dac_slice: int,
        value: npt.NDArray[Any],
        *,
        beside: bool = False,
    ) -> None:
        """Store a copy of one intermediate; ``beside``: its columns follow those that are there."""
        key = (block, layer, tile, dac_slice)
        held = [self.values[key]] if beside else []
        self.values[key] = np.concatenate([*held, value], axis=1).astype(np.int64)
