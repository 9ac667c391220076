"""Analog columns as built: errors of their amplifiers, and biases that cells hold.

The amplifiers' full scale is the largest column current that the samples cause in the layer: noise and offset
are in percent of it. All amplifiers of a layer are designed alike.
"""

import math
from typing import Any

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.mapping.weights import MappedWeights, map_weights
from ndrite.emulator.spec.arithmetic import INPUT_MAX, SIGMA_MAX
from ndrite.emulator.spec.arrays import Floats
from ndrite.emulator.spec.brief import record

BIAS_ROWS_MAX = 64


@record()
class Columns:
    """M analog columns: ``gain`` float64 (M,) about 1, ``offset`` float64 (M,) in accumulator units, and the
    standard deviation of their noise in the same."""

    gain: Floats
    offset: Floats
    noise: float


@record()
class BiasCells:
    """Rows of cells whose input is always full.

    ``mapped`` (R, M); ``asked`` float64 (M,): the biases they were programmed to hold; ``fixed`` float64
    (M,): what else is in the program's bias. Both in accumulator units.
    """

    mapped: MappedWeights
    asked: Floats
    fixed: Floats

    @property
    def current(self) -> Floats:
        """Sum of the bias rows on every column, accumulator units (M,)."""
        return np.asarray(INPUT_MAX * self.mapped.codes.sum(axis=0, dtype=np.float64), np.float64)

    @property
    def total(self) -> Floats:
        """The program's bias before rounding, (M,)."""
        return np.asarray(self.current + self.fixed, np.float64)

    def noise(self, var_cell: int) -> float:
        """Standard deviation of the rows' read noise, accumulator units; ``var_cell`` as the layer's."""
        return float(np.sqrt(var_cell / 256 * len(self.mapped.codes)) * INPUT_MAX)


def build_columns(p: Floats, chip: Chip, mismatch: Floats, *, final: bool) -> Columns:
    """The columns that sums ``p`` (n, M) of the samples meet; ideal ones before converters.

    ``mismatch`` (2, M): standard normal, gain and offset. The sums of a ``final`` layer leave the chip as
    they are: what reads them there is not part of it, so its gain is 1.
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
    """As many rows of cells as ``bias`` (M,) needs, float network's unit, beside the weights ``mapped``.
    ``how``: as of ``map_weights``.

    A column's levels are spread over its rows as evenly as whole levels go, so that a bias has the levels of
    a weight, however many rows it takes. Raises CompileError when that is more than ``BIAS_ROWS_MAX``.
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
        row_voltage_V=np.full(rows, chip.input.read_voltage_V),
        **how,
    )


def total_noise(columns: Columns | None, bias: BiasCells | None, var_cell: int) -> int:
    """sigma_out of an analog layer: columns and bias rows, accumulator units. Raises CompileError when it
    leaves the arithmetic's range."""
    parts = [0.0 if columns is None else columns.noise, 0.0 if bias is None else bias.noise(var_cell)]
    value = round(math.hypot(*parts))
    if value > SIGMA_MAX:
        raise CompileError(f"column noise is {value} accumulator units; accepted: at most {SIGMA_MAX}")
    return value
