"""Cells programmed higher where wires take from their current, so that columns see the weights asked for.

Wires lower a cell's part of its column's current by a factor that the design alone decides: cells near the
drivers and the sense amplifiers lose little, those at the far ends most. A cell is given the level nearest to
its weight over that factor. The largest weights cannot go above the largest conductance, so a layer may take
a larger limit, whose smaller currents cost less of it, against the cells' errors that weigh more then.
"""

import numpy as np

from ndrite.emulator.device.description import Cell, Chip
from ndrite.emulator.mapping.cells import level_targets, pair_targets, through_wires
from ndrite.emulator.spec.arrays import Floats, Ints

LIMIT_RISES = (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
"""Factors on the limits that are tried."""
ROUNDS = 3
"""Times that levels, and what wires leave of them, are worked out; a fourth moves no limit."""
LEAST = 0.1
"""Least part of a cell's current that is made up for."""


def compensated(
    weights: Floats,
    limits: Floats,
    chip: Chip,
    row_voltage_V: Floats | None,
    place: Ints | None = None,
    *,
    may_rise: bool,
) -> tuple[Ints, Floats]:
    """Levels -(L-1)..L-1 (K, M) to program, and limits (M,).

    ``weights`` (K, M), ``limits``: the weight of the largest level in each column; ``row_voltage_V`` and
    ``place`` (K,) as ``make_cells``; ``may_rise``: whether all limits may be raised, by one of
    ``LIMIT_RISES``.
    """
    top = chip.cell.levels - 1
    target = weights / limits * top
    rise, part = 1.0, part_left(nearest(target, top), chip, row_voltage_V, place)
    for _ in range(ROUNDS):
        # Cells programmed higher load the wires more, so the limit is chosen anew for what is left then.
        before, rise = rise, _best_rise(target, part, rise, chip) if may_rise else 1.0
        levels = nearest(target / rise / _part_at(part, rise / before), top)
        part = part_left(levels, chip, row_voltage_V, place)
    return nearest(target / rise / part, top), limits * rise


def nearest(wanted: Floats, top: int) -> Ints:
    """Levels nearest to ``wanted``, in steps of levels, within -top..top."""
    return np.rint(np.clip(wanted, -top, top)).astype(np.int64)


def part_left(levels: Ints, chip: Chip, row_voltage_V: Floats | None, place: Ints | None = None) -> Floats:
    """What wires and access transistors leave of every pair's difference, (K, M); 1 where that is 0."""
    cell = chip.cell
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    plus, minus = through_wires(pair_targets(levels, cell), chip, row_voltage_V, place)
    part = np.divide((plus - minus) / step, levels, out=np.ones(levels.shape), where=levels != 0)
    return np.asarray(np.clip(part, LEAST, 1.0), np.float64)


def _part_at(part: Floats, rise: float) -> Floats:
    """Conductances lower by ``rise`` lose less, in proportion."""
    return np.clip(1.0 - (1.0 - part) / rise, LEAST, 1.0)


def _best_rise(wanted: Floats, part: Floats, before: float, chip: Chip) -> float:
    """The factor with the least square error of levels, limiting and cells, in steps of ``wanted``.

    ``part`` (K, M) is left where limits are raised by ``before``.
    """
    top, spread = chip.cell.levels - 1, _spread(chip.cell, chip.conditions.time_since_programming_s)

    def error(rise: float) -> float:
        left = _part_at(part, rise / before)
        levels = nearest(wanted / rise / left, top)
        missed = rise * levels * left - wanted
        return float(np.square(missed).sum() + rise**2 * spread[np.abs(levels)].sum())

    return min(LIMIT_RISES, key=error)


def _spread(cell: Cell, time_s: float) -> Floats:
    """Variance of a pair at each level 0..L-1, in squared steps."""
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    sigma = cell.spread(level_targets(cell), time_s) / step
    return np.asarray(np.square(sigma) + np.square(sigma[0]), np.float64)
