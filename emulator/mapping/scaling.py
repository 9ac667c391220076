"""Real quantities to the layer's integers: neuron scales, noise, biases; refused when they do not fit."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.mapping.ranges import AdcRange
from ndrite.emulator.mapping.weights import MappedWeights, code_max
from ndrite.emulator.spec.arithmetic import SHIFT_MAX, SIGMA_MAX, V_MAX
from ndrite.emulator.spec.arrays import Floats, Ints

SCALE_MAX = 65535
STEP = 2.0 * V_MAX


def shift_for(largest: float) -> int:
    """The largest shift with ``largest`` * 2^shift at most ``SCALE_MAX``, within 0..``SHIFT_MAX``."""
    return int(np.clip(np.floor(np.log2(SCALE_MAX / largest)), 0, SHIFT_MAX))


def scale_and_shift(wanted: Floats) -> tuple[Ints, int]:
    """Integer scale (M,) and vshift with scale / 2^vshift = wanted, the largest scale near 2^16.

    A factor above ``STEP`` takes every sum but 0 to an end of the table: a neuron that is a step. Larger ones
    compute the same and are held there.
    """
    if not np.isfinite(wanted).all():
        raise CompileError(f"neuron scale is {wanted.max():g}; accepted: finite values")
    wanted = np.minimum(wanted, STEP)
    vshift = shift_for(float(wanted.max()))
    scale = np.rint(wanted * 2.0**vshift).astype(np.int64)
    if scale.min() < 1:
        raise CompileError(
            f"neuron scales of a layer are {wanted.min():g}..{wanted.max():g}; accepted: a ratio below 65536"
        )
    return scale, vshift


def read_sigma_uS(chip: Chip, mapped: MappedWeights) -> float:
    """Standard deviation of an effective weight at a read: the layer's root mean square, microsiemens.

    Telegraph noise is in it: drawn for every slice of an inference, where a trap would stay for all of them.
    """
    pairs = mapped.cells.faulted
    read = chip.cell.read_sigma(pairs, chip.conditions.time_since_programming_s)
    return float(np.hypot(read, chip.cell.telegraph_sigma(pairs)))


def telegraph_share(chip: Chip, mapped: MappedWeights) -> float:
    """The part of ``var_cell`` that is telegraph noise, 0..1."""
    read_sigma = read_sigma_uS(chip, mapped)
    return 0.0 if read_sigma == 0 else (chip.cell.telegraph_sigma(mapped.cells.faulted) / read_sigma) ** 2


def cell_noise(chip: Chip, mapped: MappedWeights) -> int:
    """var_cell: read-noise variance of an effective weight, code units squared, Q8.8."""
    sigma = read_sigma_uS(chip, mapped) / mapped.full_scale_uS * code_max(chip.cell)
    value = round(sigma * sigma * 256)
    require(value <= 65535, "read noise", f"{sigma:.2f} codes an effective weight", "below 16", CompileError)
    return value


def output_noise(chip: Chip, ranges: AdcRange) -> int:
    """sigma_out: column and ADC noise in accumulator units; the middle column's step stands for all."""
    if chip.readout.kind == "analog":
        return 0
    value = round(chip.readout.output_noise_lsb * chip.noise_factor * float(np.median(ranges.lsb)))
    if value > SIGMA_MAX:
        raise CompileError(f"output noise is {value} accumulator units; accepted: at most {SIGMA_MAX}")
    return value


def int32(name: str, values: Floats) -> npt.NDArray[np.int32]:
    """Rounded to int32, refused from 2^30 on."""
    if not np.abs(values).max() < 1 << 30:
        raise CompileError(f"{name} reaches {np.abs(values).max():g} steps of its sums; accepted: below 2^30")
    return np.rint(values).astype(np.int32)
