"""Weights: from floats to levels of differential pairs, programmed conductances and
signed codes; and their spread.

Column m of the float weights is scaled by its own limit s[m], the weight that the
largest conductance stands for; larger weights saturate. A positive weight raises G+, a
negative one G-; the other cell of the pair stays at g_min. Conductance codes are finer
than the levels and reach above g_max, so programming error, drift, faults and IR drop
survive in the signed difference, the effective weight that the array multiplies with.

Analog columns as built are here too: errors of their amplifiers, and biases that
cells hold. The amplifiers' full scale is the largest column current that the samples
cause in the layer: noise and offset are in percent of it. All amplifiers of a layer
have the same design.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Cell, Chip
from ndrite.emulator.device.pulsing import Programming
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.mapping.cells import (
    Cells,
    compensated,
    level_targets,
    make_cells,
    nearest,
    pair_targets,
    places,
    stuck_cells,
)
from ndrite.emulator.mapping.report import Mitigation
from ndrite.emulator.spec.arithmetic import INPUT_MAX, SIGMA_MAX, Array, Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.variation import CODE_FRACTION, TABLE_WORDS, Variation

LIMIT_FACTORS = np.linspace(1.0, 0.4, 13)
"""Weight limits of a column that are tried, relative to the column's largest weight."""
CACHED = 1 << 16
"""Number of weights for which limits are tried together, so that they stay in the cache."""
LIMIT_SPAN = 256.0
"""Largest ratio between the weight limits of two columns in a layer, which 16-bit gains
and scales have to compensate."""
HEADROOM_SIGMAS = 4.0
"""Range of the conductance codes above the largest conductance, in standard deviations
of the programming error."""


@record()
class MappedWeights:
    """The weights of one layer as they are mapped to a chip's cells; arrays are (K, M)
    unless another shape is stated.

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
        """The float weights (K, M) that the codes represent: code times unit."""
        return self.codes * self.unit


def code_max(cell: Cell) -> int:
    """Return the largest code of one cell's conductance: 255 if differences have 9
    bits, 127 if they have 8."""
    return (1 << (cell.weight_bits - 1)) - 1


def full_scale(chip: Chip) -> float:
    """Return the conductance that the largest code represents, in
    microsiemens. It is so large that the conductance of every level is below
    it, expected errors included."""
    cell, time = chip.cell, chip.conditions.time_since_programming_s
    targets = level_targets(cell)
    rise = np.maximum(cell.drift_model.shift(targets, time), 0.0)
    top = float((targets + rise + HEADROOM_SIGMAS * cell.spread(targets, time)).max())
    return max(top, cell.stuck_at_uS[1]) if cell.stuck_high_percent else top


def column_limits(weights: Array, levels: int, *, uniform: bool = False) -> Floats:
    """Choose for each column the limit s (M,), the weight that its largest level
    represents. A limit is the column's largest absolute weight times the factor of
    ``LIMIT_FACTORS`` with the smallest error.

    The error is the mean square of limiting and rounding to ``levels`` levels a
    side. No limit is below 1 / ``LIMIT_SPAN`` of the largest (1 for a layer of
    zeros), so a dead column keeps to the scale of the others. ``uniform`` gives all
    columns the same limit.
    """
    w = weights.astype(np.float64)
    if uniform:
        return np.full(w.shape[1], column_limits(w.reshape(-1, 1), levels)[0])
    largest = np.abs(w).max(axis=0)
    largest = np.maximum(largest, largest.max() / LIMIT_SPAN if largest.any() else 1.0)
    limits: Floats = largest.copy()
    at_once = max(2, CACHED // len(w))
    for start in range(0, w.shape[1], at_once):
        some = slice(start, start + at_once)
        part, best = w[:, some], np.full(len(limits[some]), np.inf)
        for factor in LIMIT_FACTORS:
            limit = factor * largest[some]
            rounded = np.rint(np.clip(part / limit * (levels - 1), 1 - levels, levels - 1))
            error = np.square(rounded * (limit / (levels - 1)) - part).sum(axis=0)
            better = error < best
            best[better], limits[some][better] = error[better], limit[better]
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
    """Map float weights (K, M) to differential pairs of cells and program the cells.

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
        (M,): the columns' limits are in this ratio, so that a code stands for so
        much weight in each.
    limits:
        (M,): the limits themselves, where they are known; else chosen for the weights.
    mitigation:
        Measures to take; None: the default ones.
    row_voltage_V:
        (K,), where cells with a cubic I-V curve are linearised.
    programmed_on:
        The chip whose cells are programmed, where it is not ``chip``, whose codes are
        used in any case.
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
    """Return the signed codes int16 (K, M) of differential pairs of cells, and
    the number of conductances above ``scale``. Code ``top`` stands for
    ``scale`` microsiemens."""
    plus, minus = np.rint(cells.effective * (top / scale)).astype(np.int64)
    saturated = int((plus > top).sum() + (minus > top).sum())
    return (np.minimum(plus, top) - np.minimum(minus, top)).astype(np.int16), saturated


BIAS_ROWS_MAX = 64


@record()
class Columns:
    """The amplifiers of M analog columns: ``gain`` float64 (M,) near 1,
    ``offset`` float64 (M,) and the standard deviation ``noise``, the last two in
    accumulator units."""

    gain: Floats
    offset: Floats
    noise: float


@record()
class BiasCells:
    """Rows of cells that hold the biases of an analog layer. Their input is
    always at full scale.

    ``mapped`` (R, M); ``asked`` float64 (M,): the biases they were programmed to
    hold; ``fixed`` float64 (M,): what else is in the program's bias. Both in
    accumulator units.
    """

    mapped: MappedWeights
    asked: Floats
    fixed: Floats

    @property
    def current(self) -> Floats:
        """Sum that the bias rows add to each column, in accumulator units (M,)."""
        return np.asarray(INPUT_MAX * self.mapped.codes.sum(axis=0, dtype=np.float64), np.float64)

    @property
    def total(self) -> Floats:
        """Bias of each column in the program, before rounding, (M,): the sum of the
        bias rows and the fixed part."""
        return np.asarray(self.current + self.fixed, np.float64)

    def noise(self, var_cell: int) -> float:
        """Return the standard deviation of the bias rows' read noise, in accumulator
        units. ``var_cell`` is the read-noise variance of the layer's weights."""
        return float(np.sqrt(var_cell / 256 * len(self.mapped.codes)) * INPUT_MAX)


def build_columns(p: Floats, chip: Chip, mismatch: Floats, *, final: bool) -> Columns:
    """Return the amplifiers of the analog columns that receive the samples' sums ``p``
    (n, M). If the chip has ADCs, they are ideal.

    ``mismatch`` (2, M): standard normal, gain and offset. The sums of a
    ``final`` layer leave the chip as they are: what reads them there is not part
    of it, so its gain is 1.
    """
    readout = chip.readout
    if readout.kind != "analog":
        return Columns(np.ones(p.shape[1]), np.zeros(p.shape[1]), 0.0)
    full = float(np.abs(p).max(initial=1.0))
    gain = 1.0 + readout.column_gain_mismatch_percent / 100 * mismatch[0]
    return Columns(
        np.ones(p.shape[1]) if final else np.maximum(gain, 0.01),
        readout.column_offset_percent / 100 * full * mismatch[1],
        readout.column_noise_percent / 100 * full * chip.noise_factor,
    )


def program_bias(
    bias: Floats, mapped: MappedWeights, chip: Chip, rng: np.random.Generator, **how: Any
) -> MappedWeights:
    """Program the biases ``bias`` (M,), in the float network's unit, into as many rows
    of cells as they need. The columns' weight limits are those of ``mapped``. ``how``:
    options of ``map_weights``.

    A column's levels are spread over its rows as evenly as whole levels go, so that a
    bias has the levels of a weight, however many rows it takes. Raises CompileError
    when that is more than ``BIAS_ROWS_MAX``.
    """
    top = chip.cell.levels - 1
    bias_levels = np.rint(bias / mapped.limits * top)
    rows = max(1, int(np.ceil(np.abs(bias_levels).max() / top)))
    times = f"{rows} times the largest weight of its column"
    accepted = f"at most {BIAS_ROWS_MAX}, with readout.bias 'cells'"
    require(rows <= BIAS_ROWS_MAX, "a bias", times, accepted, CompileError)
    per_row, remainder = np.divmod(np.abs(bias_levels), rows)
    levels = np.sign(bias_levels) * (per_row + (np.arange(rows)[:, None] < remainder))
    return map_weights(
        levels * (mapped.limits / top),
        chip,
        rng,
        limits=mapped.limits,
        **how,
    )


def total_noise(columns: Columns | None, bias: BiasCells | None, var_cell: int) -> int:
    """Return ``sigma_out``, the noise of an analog layer's columns and bias rows
    together, in accumulator units. Raises CompileError when it exceeds the
    arithmetic's range."""
    parts = [0.0 if columns is None else columns.noise, 0.0 if bias is None else bias.noise(var_cell)]
    value = round(math.hypot(*parts))
    if value > SIGMA_MAX:
        raise CompileError(f"column noise is {value} accumulator units; accepted: at most {SIGMA_MAX}")
    return value


RATE_ONE = 1 << 16
FIXED_MAX = 65535


def variation_of(chip: Chip) -> Variation:
    """Return how the chip's virtual chips differ: by target code, the mean and
    deviation from programming error and drift up to the chip's time; and the
    shares of stuck cells.

    A target code a stands for the conductance g_min + a * unit; codes beyond g_max are
    never targets and repeat its entry. Programming error and drift add as variances.
    Wire and access resistance lower the targets (they are in the nominal weights), not
    the spread around them: a cell is taken to spread as one that is not behind a wire.
    """
    cell, time = chip.cell, chip.conditions.time_since_programming_s
    top = code_max(cell)
    per_uS = top / full_scale(chip)
    g = np.minimum(cell.g_min_uS + np.arange(TABLE_WORDS) / per_uS, cell.g_max_uS)
    drift = cell.drift_model
    mean = np.maximum(cell.g_min_uS + np.arange(TABLE_WORDS) / per_uS + drift.shift(g, time), 0.0) * per_uS
    sigma = cell.spread(g, time) * per_uS
    low, high = cell.stuck_at_uS

    def fixed(values: Floats) -> npt.NDArray[np.uint16]:
        scaled: Floats = np.rint(values * (1 << CODE_FRACTION))
        return np.minimum(scaled, FIXED_MAX).astype(np.uint16)

    def rate(percent: float) -> int:
        return min(round(percent / 100 * RATE_ONE), FIXED_MAX)

    stuck_low = rate(cell.stuck_low_percent)
    return Variation(
        mean=fixed(mean),
        sigma=fixed(sigma),
        stuck_low=stuck_low,
        stuck_high=min(rate(cell.stuck_high_percent), FIXED_MAX - stuck_low),
        stuck_code_low=min(round(low * per_uS), top),
        stuck_code_high=min(round(high * per_uS), top),
        code_max=top,
    )


def without_errors(chip: Chip) -> Chip:
    """Return the chip with ideal cells, which reach their targets exactly and keep them."""
    cell = dataclasses.replace(
        chip.cell, programming_error="ideal", drift="none", stuck_low_percent=0.0, stuck_high_percent=0.0
    )
    return dataclasses.replace(chip, cell=cell, programming=Programming())
