"""lane_groups: which group of lanes takes which row, where several work on one tile at once.

Group g of G takes, of a word of eight rows, rows g * 8 / G and those after it, 8 / G of them. In its lanes
they follow each other: row k of a layer lies at (k div 8) * (8 / G) + k mod (8 / G) from where the layer
begins.
"""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry


def lane_groups(columns: int, geometry: Geometry) -> int:
    """Groups of lanes that share the rows of each tile of so many columns."""
    groups = geometry.lane_groups
    while groups > 1 and columns > geometry.lanes // groups:
        groups //= 2
    return groups


def words_of(rows: int, groups: int) -> int:
    """Weight words a lane that ``rows`` rows take in ``groups`` groups; one group needs no whole words."""
    return rows if groups == 1 else -(-rows // WORD_ROWS) * (WORD_ROWS // groups)


def words_a_lane(inputs: int, share: int, groups: int, geometry: Geometry) -> int:
    """Weight words a lane of a product whose ``groups`` see ``inputs`` rows each, for ``share`` columns."""
    runs = geometry.groups(share) if groups == 1 else -(-groups // beside(share, geometry))
    return runs * words_of(inputs, lane_groups(share, geometry))


def beside(share: int, geometry: Geometry) -> int:
    """A product's groups of ``share`` columns that lie in lanes beside each other, each at whole readouts."""
    return max(1, geometry.lanes // lane_groups(share, geometry) // whole_readouts(share, geometry))


def bank_rows(inputs: int, groups: int) -> int:
    """Codes that ``groups`` of ``inputs`` each take in an input bank, where every group begins a word."""
    return inputs if groups == 1 else groups * (-(-inputs // WORD_ROWS) * WORD_ROWS)


def whole_readouts(columns: int, geometry: Geometry) -> int:
    """Column parameters of a group of columns."""
    return -(-columns // geometry.readouts) * geometry.readouts


def places_of_rows(rows: int, groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group and word of each of ``rows`` rows, int64 (rows,)."""
    k, group_rows = np.arange(rows), WORD_ROWS // groups
    return k % WORD_ROWS // group_rows, k // WORD_ROWS * group_rows + k % group_rows
