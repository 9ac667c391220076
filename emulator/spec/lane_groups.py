"""lane_groups: which group of lanes takes which row, where several work on one tile at once.

Of a word of eight rows group g of G takes rows g * 8 / G and those after it, 8 / G of them. In its lanes they
follow each other: row k of a layer lies at (k div 8) * (8 / G) + k mod (8 / G) from where the layer begins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.spec.geometry import WORD_ROWS


def words_of(rows: int, groups: int) -> int:
    """Weight words a lane that ``rows`` rows take in ``groups`` groups; one group needs no whole words."""
    return rows if groups == 1 else -(-rows // WORD_ROWS) * (WORD_ROWS // groups)


def places_of_rows(rows: int, groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group and word of each of ``rows`` rows, int64 (rows,)."""
    k, each = np.arange(rows), WORD_ROWS // groups
    return k % WORD_ROWS // each, k // WORD_ROWS * each + k % each
