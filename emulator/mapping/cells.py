"""Programmed cells: conductances as columns see them, after programming, ageing, stuck
cells and IR drop.

Wires lower the contribution of a cell to its column's current by a factor that the
design alone decides: cells near the drivers and the sense amplifiers lose little, cells
at the far ends most. ``compensated`` gives a cell the level nearest to its weight
divided by that factor. The largest weights cannot exceed the largest conductance, so a
layer may use a larger limit; its smaller currents lose less in the wires, but the
cells' errors then weigh more.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from ndrite.emulator.device import crossbar
from ndrite.emulator.device.description import Cell, Chip
from ndrite.emulator.device.pulsing import PulseCount
from ndrite.emulator.device.rram.drift import age
from ndrite.emulator.device.rram.programming import STUCK_LOW, readable
from ndrite.emulator.device.settling import settled
from ndrite.emulator.errors import CompileError
from ndrite.emulator.mapping.report import Mitigation
from ndrite.emulator.spec.arithmetic import Floats, Ints
from ndrite.emulator.spec.brief import record

Stuck = npt.NDArray[np.int8]


def level_targets(cell: Cell) -> Floats:
    """Return the target conductance of each programmable level of a cell,
    microsiemens (levels,)."""
    return np.linspace(cell.g_min_uS, cell.g_max_uS, cell.levels)


def pair_targets(levels: Ints, cell: Cell) -> Floats:
    """Return the target conductances (2, K, M) of the two cells of differential pairs
    at signed ``levels`` (K, M); index 0 is G+."""
    return level_targets(cell)[np.maximum(np.stack([levels, -levels]), 0)]


@record()
class Cells:
    """Conductances of both cells of every differential pair after each step from target
    to read-out, microsiemens (2, K, M); index 0 is G+.

    Attributes
    ----------
    target, programmed, aged, faulted:
        Cell conductances wanted, right after programming (before clipping: below 0 a
        cell reads as 0), at the chip's time, and with stuck cells.
    effective:
        Column current per row voltage, with access transistors and wires.
    stuck:
        Stuck cells, int8 (2, K, M).
    ageing:
        The standard normal draw that decides where each cell drifts.
    row_voltage_V:
        (K,), where cells with a cubic I-V curve are linearised; None: at the read voltage.
    place:
        Physical row (K,) of every row; None: the same.
    pulses:
        Pulses that programming took; None: by a law, or read from a file.
    """

    target: Floats
    programmed: Floats
    aged: Floats
    faulted: Floats
    effective: Floats
    stuck: Stuck
    ageing: Floats
    row_voltage_V: Floats | None = None
    place: Ints | None = None
    pulses: PulseCount | None = None

    @classmethod
    def fresh(cls, target: Floats, programmed: Floats, stuck: Stuck, ageing: Floats, **rest: Any) -> Cells:
        """Build cells as they are right after programming; call ``at`` to age them."""
        return cls(target, programmed, programmed, programmed, programmed, stuck, ageing, **rest)

    def at(self, chip: Chip) -> Cells:
        """Return the cells as they are at the chip's time: aged, with the chip's stuck
        cells, and with the losses of its wires. No random numbers are used."""
        time_s = chip.conditions.time_since_programming_s
        aged = age(self.programmed, self.target, chip.cell.drift_model, time_s, self.ageing)
        faulted = chip.cell.with_stuck(aged, self.stuck)
        effective = through_wires(faulted, chip, self.row_voltage_V, self.place)
        return dataclasses.replace(self, aged=aged, faulted=faulted, effective=effective)


def make_cells(
    target_uS: Floats,
    chip: Chip,
    rng: np.random.Generator,
    mitigation: Mitigation,
    row_voltage_V: Floats | None = None,
    place: Ints | None = None,
) -> Cells:
    """Program differential pairs of cells and age them. Return their conductances after
    programming and after each later stage.

    Raises PhysicsError when a target lies outside the error model's fitted range.
    Raises CompileError when cells that pulses program are to be verified once more.
    ``target_uS``: wanted conductances, (2, K, M). ``rng``: draws are always made in the
    same order and number (write-verify's last), whatever the chip, so that chips
    differing in one value are comparable. ``row_voltage_V``: (K,), where cells with a
    cubic I-V curve are linearised; the read voltage by default. ``place``: physical row
    (K,) of every row; the same by default.
    """
    cell = chip.cell
    shape = target_uS.shape
    noise = rng.standard_normal(shape)  # for all G+ of the layer, then for all G-
    stuck = cell.draw_stuck(shape, rng)
    if place is not None:
        stuck = stuck[:, place]
    if mitigation.fault_aware:
        target_uS = compensate(target_uS, stuck, chip)
    programmed = cell.error_model.programmed(target_uS, noise)
    ageing = rng.standard_normal(shape)
    pulses = None
    if chip.programming.model == "none":
        programmed = _verified(programmed, target_uS, chip, mitigation, rng)
    elif mitigation.write_verify_attempts:
        raise CompileError(
            f"write_verify_attempts is {mitigation.write_verify_attempts}; accepted: 0, as programming.model "
            f"is {chip.programming.model!r}, which verifies each pulse"
        )
    else:
        programmed, pulses = _pulsed(target_uS, stuck, chip, rng)
    volts = row_voltage_V if cell.iv_cubic_per_V2 else None
    cells = Cells.fresh(target_uS, programmed, stuck, ageing, row_voltage_V=volts, place=place, pulses=pulses)
    return cells.at(chip)


def _pulsed(
    target_uS: Floats, stuck: Stuck, chip: Chip, rng: np.random.Generator
) -> tuple[Floats, PulseCount]:
    """Program cells by pulses; return the conductances reached and the effort. Cells
    that a test read finds stuck get no pulses. The pulses' random numbers come from a
    separate generator, so that ``rng`` does not advance."""
    cell, free = chip.cell, stuck == 0
    free_target, programmed = target_uS[free], target_uS.copy()
    pulse_rng = np.random.default_rng(copy.deepcopy(rng).integers(1 << 63))
    programmed[free], pulses = chip.programming.write(
        free_target,
        (cell.g_min_uS, cell.g_max_uS),
        cell.error_model.sigma(free_target),
        pulse_rng,
        cell.relaxed_sigma(free_target, chip.conditions.time_since_programming_s),
    )
    return programmed, pulses


def stuck_cells(shape: tuple[int, ...], chip: Chip, rng: np.random.Generator) -> Stuck:
    """Return which cells (2, K, M) a test read before programming would find stuck: the
    same ones that ``make_cells`` will choose with ``rng``. ``rng`` does not advance."""
    ahead = copy.deepcopy(rng)
    ahead.standard_normal(shape)
    return chip.cell.draw_stuck(shape, ahead)


def compensate(target_uS: Floats, stuck: Stuck, chip: Chip) -> Floats:
    """Compensate stuck cells: in each differential pair with one stuck cell, move the
    target of the working cell so that the pair keeps its difference. Return the
    targets (2, K, M).

    The good cell takes the level nearest to (stuck conductance -+ wanted difference);
    where that is outside g_min..g_max the difference is met as far as it goes. Pairs
    that are stuck on both sides stay.
    """
    cell = chip.cell
    result = target_uS.copy()
    difference = target_uS[0] - target_uS[1]
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    for side, sign in ((0, 1.0), (1, -1.0)):
        half = (stuck[side] != 0) & (stuck[1 - side] == 0)
        stuck_uS = np.where(stuck[side][half] == STUCK_LOW, *cell.stuck_at_uS)
        partner_uS = np.clip(stuck_uS - sign * difference[half], cell.g_min_uS, cell.g_max_uS)
        level = np.rint((partner_uS - cell.g_min_uS) / step)
        result[1 - side][half] = np.minimum(cell.g_min_uS + step * level, cell.g_max_uS)
    return result


def _verified(
    g: Floats, target_uS: Floats, chip: Chip, mitigation: Mitigation, rng: np.random.Generator
) -> Floats:
    tolerance = mitigation.write_verify_tolerance_percent / 100 * chip.cell.g_max_uS
    for _ in range(mitigation.write_verify_attempts):
        reprogrammed = chip.cell.error_model.program(target_uS, rng)
        g = np.where(np.abs(readable(g) - target_uS) > tolerance, reprogrammed, g)
    return g


def through_wires(g: Floats, chip: Chip, row_voltage_V: Floats | None, place: Ints | None = None) -> Floats:
    """Return the effective conductances (2, K, M) of cells ``g`` with the losses in
    wires and access transistors, and with the loss from currents that have not settled
    when they are read. Each array is solved separately. ``place`` (K,): the row of the
    physical array that holds each matrix row."""
    if place is not None:
        order = np.argsort(place)
        volts = None if row_voltage_V is None else row_voltage_V[order]
        return through_wires(g[:, order], chip, volts)[:, place]
    layout, cubic = chip.array, chip.cell.iv_cubic_per_V2
    wire, access = layout.wire_resistance_ohm, layout.access_resistance_ohm
    if not (wire or access or cubic):
        return g
    voltage = np.full(g.shape[1], chip.input.read_voltage_V) if row_voltage_V is None else row_voltage_V
    law = crossbar.Cubic(cubic, chip.input.read_voltage_V)

    def solved(block: Floats, v: Floats) -> Floats:
        if cubic:
            return crossbar.effective_matrix_at(block, v, law, wire, access) * _settled(block, chip)
        return crossbar.effective_matrix(block, wire, access) * _settled(block, chip)

    result = np.empty_like(g)
    for region, sides in arrays_of(g, chip):
        result[region] = _pairs([solved(side, voltage[region[1]]) for side in sides])
    return result


def _pairs(sides: list[Floats]) -> Floats:
    """Return the conductances (2, rows, M) of differential pairs from those of one
    region's arrays, which are in the form that ``arrays_of`` returns."""
    out = np.stack(sides)
    return out.reshape(len(out[0]), -1, 2).transpose(2, 0, 1) if len(sides) == 1 else out


def _settled(block: Floats, chip: Chip) -> Floats | float:
    """Return what fraction of its final current each cell of an array adds when it is
    read. ``block`` is the used corner of the array."""
    layout = chip.array
    if layout.settles_for_s is None:
        return 1.0
    # A matrix smaller than the array occupies the corner next to the drivers and the
    # sensed ends. The unused cells at the far ends of the wires still load them by
    # their capacitance, so the whole array is computed.
    whole = settled(layout.rows, layout.columns, layout.segment_time_s, layout.settles_for_s)
    return whole[layout.rows - block.shape[0] :, : block.shape[1]]


def settled_parts(g: Floats, chip: Chip, place: Ints | None = None) -> Floats:
    """Return the fraction 0..1 (2, K, M) of its final current that each cell of
    differential pairs ``g`` adds when it is read. ``place`` as for
    ``through_wires``."""
    parts = np.empty_like(g)
    for region, sides in arrays_of(g, chip):
        parts[region] = _pairs([np.broadcast_to(_settled(side, chip), side.shape) for side in sides])
    return parts if place is None else parts[:, place]


def arrays_of(g: Floats, chip: Chip) -> Iterator[tuple[tuple[slice, slice, slice], list[Floats]]]:
    """Yield the arrays that hold differential pairs ``g`` (2, K, M), whose rows are in
    physical order. Each item is a region as slices of ``g``, with the conductances
    (rows, columns) of its two arrays for separate pairs, or of its single array for
    interleaved pairs."""
    layout = chip.array
    for k in range(0, g.shape[1], layout.rows):
        for m in range(0, g.shape[2], layout.weights_across):
            region = (slice(None), slice(k, k + layout.rows), slice(m, m + layout.weights_across))
            part = g[region]
            together = layout.pairs == "interleaved"
            yield region, [part.transpose(1, 2, 0).reshape(part.shape[1], -1)] if together else list(part)


def places(target_uS: Floats, stuck: Stuck, chip: Chip, row_voltage_V: Floats) -> Ints:
    """Choose the physical row (K,) for every row of weights, given the stuck cells that
    a test read has found.

    Rows whose inputs carry little, or whose weights a stuck pair can hold, take the
    worst places: the assignment with the least sum of squares of what pairs miss of
    their difference, each row's by the mean square of its input (Hungarian method).
    ``target_uS``: wanted conductances (2, K, M), in the network's order. ``stuck``: of
    the physical rows, (2, K, M). ``row_voltage_V``: root mean square over samples,
    (K,). Rows of converters' tiles stay in their tile, as partial sums are converted
    tile by tile; without converters all rows of a layer may change places.
    """
    rows = len(row_voltage_V)
    span = chip.array.rows if chip.readout.kind == "adc" else rows
    row_places = np.arange(rows)
    for start in range(0, rows, span):
        part = slice(start, min(start + span, rows))
        target, energy = target_uS[:, part], np.square(row_voltage_V[part])
        missed = np.empty((target.shape[1],) * 2)
        for place, of_row in enumerate(stuck[:, part].swapaxes(0, 1)):
            everywhere = np.broadcast_to(of_row[:, None], target.shape)
            mended = chip.cell.with_stuck(compensate(target, everywhere, chip), everywhere)
            lost = (mended[0] - mended[1]) - (target[0] - target[1])
            missed[:, place] = np.square(lost).sum(axis=1) * energy
        row_places[part] = start + linear_sum_assignment(missed)[1]
    return row_places


LIMIT_RISES = (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
"""Factors by which it is tried to raise the weight limits, to compensate losses in wires."""
ROUNDS = 3
"""Number of rounds in which levels and wire losses are computed in turn; a fourth round
would not change the limits."""
LEAST = 0.1
"""Smallest effective fraction of a conductance difference that is assumed when losses
in wires are compensated."""


def compensated(
    weights: Floats,
    limits: Floats,
    chip: Chip,
    row_voltage_V: Floats | None,
    place: Ints | None = None,
    *,
    may_rise: bool,
) -> tuple[Ints, Floats]:
    """Choose the levels to program so that the losses in wires are compensated. Return
    two arrays: the levels -(L-1)..L-1 (K, M), and the limits (M,); a limit is the
    weight that the column's largest level represents.

    ``weights`` (K, M), ``limits``: the weight of the largest level in each column;
    ``row_voltage_V`` and ``place`` (K,) as ``make_cells``; ``may_rise``: whether all
    limits may be raised, by one of ``LIMIT_RISES``.
    """
    top = chip.cell.levels - 1
    target = weights / limits * top
    rise, part = 1.0, part_left(nearest(target, top), chip, row_voltage_V, place)
    for _ in range(ROUNDS):
        # Higher levels cause larger losses in the wires, so in each round the limits
        # are chosen again for the losses of the round before.
        before, rise = rise, _best_rise(target, part, rise, chip) if may_rise else 1.0
        levels = nearest(target / rise / _part_at(part, rise / before), top)
        part = part_left(levels, chip, row_voltage_V, place)
    return nearest(target / rise / part, top), limits * rise


def nearest(wanted: Floats, top: int) -> Ints:
    """Return the integer levels nearest to ``wanted``, which is in units of one level,
    clipped to -top..top."""
    return np.rint(np.clip(wanted, -top, top)).astype(np.int64)


def part_left(levels: Ints, chip: Chip, row_voltage_V: Floats | None, place: Ints | None = None) -> Floats:
    """Return the fraction (K, M) of each differential pair's conductance
    difference that is effective after losses in wires and access transistors; 1
    where the difference is 0."""
    cell = chip.cell
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    plus, minus = through_wires(pair_targets(levels, cell), chip, row_voltage_V, place)
    part = np.divide((plus - minus) / step, levels, out=np.ones(levels.shape), where=levels != 0)
    return np.asarray(np.clip(part, LEAST, 1.0), np.float64)


def _part_at(part: Floats, rise: float) -> Floats:
    """Return the effective fraction ``part`` of differences for conductances lower by
    the factor ``rise``: the losses in wires fall in proportion."""
    return np.maximum(1.0 - (1.0 - part) / rise, LEAST)


def _best_rise(wanted: Floats, part: Floats, before: float, chip: Chip) -> float:
    """Return the factor by which to raise the column limits: the one of ``LIMIT_RISES``
    with the smallest mean square error from rounding, from clipping to the largest
    level, and from cell errors. ``wanted`` are weights in units of one level.

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
    """Return the variance of the difference of a pair of cells at each level 0..L-1, in
    squared steps of a level."""
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    sigma = cell.spread(level_targets(cell), time_s) / step
    return np.asarray(np.square(sigma) + np.square(sigma[0]), np.float64)
