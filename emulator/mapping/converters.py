"""A layer's converters: ranges as designed, as built (mismatch), and their column gains as calibrated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.mapping.mitigation import Mitigation
from emulator.mapping.ranges import GAIN_MAX, OFFSET_MAX, OFFSET_MIN, AdcRange, Sums, calibrate
from emulator.spec.arithmetic import dac_slice, slices

Floats = npt.NDArray[np.float64]

GAIN_CORRECTION = (0.25, 4.0)
"""A column's gain is corrected within these factors."""


def design(
    sums: Sums, codes: npt.NDArray[np.int16], chip: Chip, mitigation: Mitigation, ratio: Floats | None
) -> AdcRange:
    """Ranges as designed for these column sums; ``ratio`` as in ``ranges.calibrate``."""
    columns = sums.shape[3]
    if chip.readout.kind == "analog":
        return AdcRange(np.zeros(columns, np.uint16), np.zeros(columns, np.int16), 0, 0.0)
    bound = None
    if not mitigation.range_calibration:
        rows = min(chip.array.rows, len(codes))
        largest = (1 << chip.input.dac_bits) - 1
        tiles = [
            np.abs(codes[k : k + rows].astype(np.float64)).sum(axis=0) for k in range(0, len(codes), rows)
        ]
        bound = largest * np.max(tiles, axis=0)
    return calibrate(
        sums,
        adc_bits=chip.readout.adc_bits,
        dac_bits=chip.input.dac_bits,
        policy=chip.readout.range_policy,
        ratio=ratio,
        bound=bound,
    )


def placed(sums: Sums, chip: Chip) -> Floats:
    """What ideal converters would add to p (n, M): sums (tiles, slices, n, M) at their place values."""
    places = (1 << (chip.input.dac_bits * np.arange(sums.shape[1]))).astype(np.float64)
    return np.asarray(np.einsum("tjnm,j->nm", sums, places), np.float64)


def build(designed: AdcRange, chip: Chip, mismatch: Floats) -> AdcRange:
    """The converters as they are: gain and offset of every column off by the chip's mismatch.

    ``mismatch`` (2, M): standard normal.
    """
    gain_noise, offset_noise = mismatch
    readout = chip.readout
    if chip.readout.kind == "analog" or not (readout.gain_mismatch_percent or readout.offset_mismatch_lsb):
        return designed
    gain = designed.gain * (1.0 + readout.gain_mismatch_percent / 100 * gain_noise)
    offset = designed.offset + readout.offset_mismatch_lsb * offset_noise
    return _range(gain, offset, designed)


def trim(built: AdcRange, factor: Floats) -> AdcRange:
    """Converters with every column's gain times ``factor`` (M,)."""
    return _range(built.gain * factor, built.offset.astype(np.float64), built)


def column_gain(wanted: Floats, linear: Floats) -> Floats:
    """Factor (M,) that brings ``linear`` (n, M) closest to ``wanted``, about their means; 1 where dead."""
    together, power = _together(wanted, linear)
    factor = np.divide(together, power, out=np.ones(power.shape), where=power > 0)
    return np.asarray(np.clip(factor, *GAIN_CORRECTION), np.float64)


def common_gain(wanted: Floats, linear: Floats) -> float:
    """The one factor that brings all of ``linear`` (n, M) closest to ``wanted``; 1 where all is dead."""
    together, power = (float(values.sum()) for values in _together(wanted, linear))
    return float(np.clip(together / power, *GAIN_CORRECTION)) if power > 0 else 1.0


def _together(wanted: Floats, linear: Floats) -> tuple[Floats, Floats]:
    """Of every column, about its mean: sums of ``wanted`` times ``linear``, and of ``linear`` squared."""
    a, b = wanted - wanted.mean(axis=0), linear - linear.mean(axis=0)
    return (a * b).sum(axis=0), np.square(b).sum(axis=0)


def fitted_gain(which: str, wanted: Floats, linear: Floats, unit: Floats | float = 1.0) -> Floats:
    """Gains (M,) of columns ``linear`` (n, M), as many as ``Mitigation.gains`` says.

    ``unit`` (M,): one unit of each column's neuron in the unit of the sums; by it columns count that have one
    gain together.
    """
    if which == "column":
        return column_gain(wanted, linear)
    return np.full(wanted.shape[1], common_gain(wanted / unit, linear / unit) if which == "common" else 1.0)


def row_voltages(x: npt.NDArray[np.uint8], chip: Chip) -> Floats:
    """Root mean square voltage (K,) on the rows over inputs ``x`` uint8 (n, K) and their slices."""
    bits = chip.input.dac_bits
    power = [np.square(dac_slice(x, j, bits).astype(np.float64)).mean(axis=0) for j in range(slices(bits))]
    rms: Floats = np.sqrt(np.mean(power, axis=0)) / ((1 << bits) - 1) * chip.input.read_voltage_V
    return rms


def _range(gain: Floats, offset: Floats, like: AdcRange) -> AdcRange:
    return AdcRange(
        np.clip(np.rint(gain), 1, GAIN_MAX).astype(np.uint16),
        np.clip(np.rint(offset), OFFSET_MIN, OFFSET_MAX).astype(np.int16),
        like.shift,
        like.clipped,
    )
