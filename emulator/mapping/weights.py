"""Weights: float -> levels of differential pairs -> programmed conductances -> signed codes.

Column m of the float weights is scaled by its own limit s[m], the weight that the largest conductance
stands for; weights beyond it saturate. A positive weight raises G+, a negative one G-; the other cell of
the pair stays at g_min. Conductance codes are finer than the levels and reach above g_max, so programming
error, drift, faults and IR drop survive in the signed difference, the effective weight the array multiplies
with.
"""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Cell, Chip
from ndrite.emulator.mapping.cells import Cells, level_targets, make_cells, pair_targets, places, stuck_cells
from ndrite.emulator.mapping.mitigation import Mitigation
from ndrite.emulator.mapping.wires import compensated, nearest
from ndrite.emulator.spec.arrays import Array, Floats
from ndrite.emulator.spec.brief import record

LIMIT_FACTORS = np.linspace(1.0, 0.4, 13)
"""Column limits tried, relative to the column's largest weight."""
LIMIT_SPAN = 256.0
"""Largest ratio of two columns' limits in a layer; gains and scales have 16 bits to undo it with."""
HEADROOM_SIGMAS = 4.0
"""Room above g_max in the conductance codes, in standard deviations of the programming error."""


@record()
class MappedWeights:
    """One layer's weights on a chip; arrays (K, M) unless said otherwise.

    Attributes
    ----------
    levels:
        int16, signed target level, -(L-1)..L-1.
    cells:
        Conductances of both cells after every step.
    codes:
        int16, signed effective conductance codes, code(G+) - code(G-).
    limits:
        float64 (M,), float weight of the largest level.
    unit:
        float64 (M,), float weight that one code stands for.
    full_scale_uS:
        Conductance of the largest code.
    saturated:
        Conductances (of 2 K M) beyond the full scale, held at the largest code.
    limited:
        Weights beyond their column's limit.
    """

    levels: npt.NDArray[np.int16]
    cells: Cells
    codes: npt.NDArray[np.int16]
    limits: Floats
    unit: Floats
    full_scale_uS: float
    saturated: int
    limited: int

    @property
    def g_plus_uS(self) -> Floats:
        """Conductances of the plus cells at the chip's time, float64."""
        return np.asarray(self.cells.faulted[0], np.float64)

    @property
    def g_minus_uS(self) -> Floats:
        """Conductances of the minus cells at the chip's time, float64."""
        return np.asarray(self.cells.faulted[1], np.float64)

    @property
    def effective(self) -> Floats:
        """The float weights the codes stand for, (K, M)."""
        return self.codes * self.unit


def code_max(cell: Cell) -> int:
    """Largest code of one conductance: 255 for 9-bit differences, 127 for 8-bit ones."""
    return (1 << (cell.weight_bits - 1)) - 1


def full_scale(chip: Chip) -> float:
    """Conductance of the largest code in microsiemens: every level with its headroom fits below."""
    cell, time = chip.cell, chip.conditions.time_since_programming_s
    targets = level_targets(cell)
    rise = np.maximum(cell.drift_model.shift(targets, time), 0.0)
    top = float((targets + rise + HEADROOM_SIGMAS * cell.spread(targets, time)).max())
    return max(top, cell.stuck_at_uS[1]) if cell.stuck_high_percent else top


def column_limits(weights: Array, levels: int, *, uniform: bool = False) -> Floats:
    """Limit s (M,) of each column: the one of ``LIMIT_FACTORS`` times its largest weight with least error.

    The error is the mean square of limiting and rounding to ``levels`` levels a side. No limit is below
    1 / ``LIMIT_SPAN`` of the largest (1 for a layer of zeros), so a dead column keeps to the scale of the
    others. ``uniform`` gives all columns the same limit.
    """
    w = weights.astype(np.float64)
    if uniform:
        return np.full(w.shape[1], column_limits(w.reshape(-1, 1), levels)[0])
    largest = np.abs(w).max(axis=0)
    largest = np.maximum(largest, largest.max() / LIMIT_SPAN if largest.any() else 1.0)
    limits: Floats = largest.copy()
    best = np.full(w.shape[1], np.inf)
    for factor in LIMIT_FACTORS:
        limit = factor * largest
        rounded = nearest(w / limit * (levels - 1), levels - 1)
        error = np.square(rounded * (limit / (levels - 1)) - w).sum(axis=0)
        better = error < best
        best[better], limits[better] = error[better], limit[better]
    return limits


def map_weights(
    weights: Array,
    chip: Chip,
    rng: np.random.Generator,
    *,
    ratio: Floats | None = None,
    limits: Floats | None = None,
    mitigation: Mitigation | None = None,
    row_voltage_V: Floats | None = None,
    programmed_on: Chip | None = None,
    movable: bool = False,
) -> MappedWeights:
    """Map and program float weights (K, M) onto differential pairs.

    Raises PhysicsError when a target conductance lies outside the error model's fitted range.

    Parameters
    ----------
    weights:
        Float weights, (K, M).
    chip:
        The chip whose codes the weights become.
    rng:
        Source of programming error, drift and faults; the same state gives the same chip.
    ratio:
        (M,): the columns' limits are in this ratio, so that a code stands for so much weight in each.
    limits:
        (M,): the limits themselves, where they are known; else chosen for the weights.
    mitigation:
        Measures to take; None: the default ones.
    row_voltage_V:
        (K,), where cells with a cubic I-V curve are linearised.
    programmed_on:
        The chip whose cells are programmed, where it is not ``chip``, whose codes are used in any case.
    movable:
        Whether rows may change places (``Mitigation.row_placement``).
    """
    cell = chip.cell
    limits_known = limits is not None
    if limits is None:
        even = np.ones(1) if ratio is None else ratio
        limits = column_limits(weights / even, cell.levels, uniform=ratio is not None) * even
    measures = mitigation or Mitigation()
    floats = weights.astype(np.float64)
    levels = nearest(floats / limits * (cell.levels - 1), cell.levels - 1)
    on, place = programmed_on or chip, None
    if movable and measures.row_placement and row_voltage_V is not None:
        target = pair_targets(levels, cell)
        place = places(target, stuck_cells(target.shape, on, rng), on, row_voltage_V)
    if measures.compensates_wires(chip):
        levels, limits = compensated(floats, limits, chip, row_voltage_V, place, may_rise=not limits_known)
    cells = make_cells(pair_targets(levels, cell), on, rng, measures, row_voltage_V, place)
    top, scale = code_max(cell), full_scale(chip)
    codes, saturated = conductance_codes(cells, top, scale)
    return MappedWeights(
        levels=levels.astype(np.int16),
        cells=cells,
        codes=codes,
        limits=limits,
        unit=limits * (scale / (top * (cell.g_max_uS - cell.g_min_uS))),
        full_scale_uS=scale,
        saturated=saturated,
        limited=int((np.abs(weights) > limits * (1 + 1e-6)).sum()),
    )


def conductance_codes(cells: Cells, top: int, scale: float) -> tuple[npt.NDArray[np.int16], int]:
    """Signed codes int16 (K, M) of pairs of cells, ``scale`` uS being code ``top``; conductances beyond."""
    plus, minus = np.rint(cells.effective * (top / scale)).astype(np.int64)
    saturated = int((plus > top).sum() + (minus > top).sum())
    return (np.minimum(plus, top) - np.minimum(minus, top)).astype(np.int16), saturated
