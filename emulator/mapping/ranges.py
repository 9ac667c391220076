"""A layer's converters: ranges as designed for the sums of samples, as built, and as calibrated.

A range may cut rare extremes for a finer step: of ``FACTORS`` the one with the least mean square of
clipping and rounding is taken. The offset centres the range, since a column's sums seldom lie evenly
about zero.
"""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.golden.array import array, readout
from ndrite.emulator.mapping.mitigation import Mitigation
from ndrite.emulator.spec import Layer
from ndrite.emulator.spec.arithmetic import SHIFT_MAX, dac_slice, slices
from ndrite.emulator.spec.arrays import Codes, Floats, Ints
from ndrite.emulator.spec.brief import record

GAIN_MAX = 65535
OFFSET_MIN, OFFSET_MAX = -2048, 2047
RANGE_SPAN = 64.0
"""Largest ratio of two columns' ranges: a column that hardly moves must not take the others' gain bits."""
CACHED = 1 << 15
"""Values that ranges are tried on at a time."""
FACTORS = np.linspace(1.05, 0.4, 14)
"""Ranges tried, relative to the sums' span; above 1 leaves room for noise and unseen data."""


@record()
class AdcRange:
    """ADC settings of one layer; ``clipped`` is the fraction of sample conversions that saturate."""

    gain: npt.NDArray[np.uint16]
    offset: npt.NDArray[np.int16]
    shift: int
    clipped: float

    @property
    def lsb(self) -> Floats:
        """Accumulator units per ADC step, (M,)."""
        return float(1 << self.shift) / self.gain.astype(np.float64)


def column_sums(x: Codes, codes: npt.NDArray[np.int16], rows: int, dac_bits: int) -> Ints:
    """Accumulator values int64 (tiles, slices, n, M) of inputs ``x`` uint8 (n, K), tiles of ``rows`` rows."""
    sums = [
        array(dac_slice(x[:, k : k + rows], j, dac_bits), codes[k : k + rows])
        for k in range(0, x.shape[1], rows)
        for j in range(slices(dac_bits))
    ]
    return np.reshape(sums, (-1, slices(dac_bits), *sums[0].shape))


def partial_sums(sums: Ints, layer: Layer) -> Ints:
    """p (n, M) of ``column_sums``: what the readout makes of each tile and slice, added."""
    p = np.zeros(sums.shape[2:], np.int64)
    for t, j in np.ndindex(sums.shape[:2]):
        p += readout(sums[t, j], layer, j)
    return p


def design(
    sums: Ints, weights: npt.NDArray[np.int16], chip: Chip, mitigation: Mitigation, ratio: Floats | None
) -> AdcRange:
    """Gain, shift and offset as designed for column sums, int64 (tiles, slices, n, M) of ``column_sums``.

    ``readout.range_policy``: each column has a step of its own, or one is for all. ``ratio`` (M,): when given
    the gains are in exactly this ratio, whatever the policy: an output layer's steps must stand for equal
    logits. Without range calibration the range is that of the largest sum that ``weights`` (K, M) could make.
    """
    adc_bits, dac_bits, policy = chip.readout.adc_bits, chip.input.dac_bits, chip.readout.range_policy
    if chip.readout.kind == "analog":
        columns = sums.shape[3]
        return AdcRange(np.zeros(columns, np.uint16), np.zeros(columns, np.int16), 0, 0.0)
    bound = None
    if not mitigation.range_calibration:
        rows, size = chip.array.rows, np.abs(weights.astype(np.float64))
        tiled = [size[k : k + rows].sum(axis=0) for k in range(0, len(size), rows)]
        bound = ((1 << dac_bits) - 1) * np.max(tiled, axis=0)
    tiles, steps, n, columns = sums.shape
    flat = sums.transpose(3, 0, 1, 2).reshape(columns, -1).astype(np.float64)
    low, high = (flat.min(axis=1), flat.max(axis=1)) if bound is None else (-bound, bound)
    centre, half = (low + high) / 2, (high - low) / 2
    half = np.maximum(half, max(half.max() / RANGE_SPAN, 1.0))
    # No finer than lets the offset, -centre in steps, be written down: it matters at 12 bits.
    reach = np.abs(centre) * float((1 << adc_bits) - 1) / (2 * OFFSET_MAX)
    # A slice counts with the square of its place value in the partial sum.
    place = np.tile(np.repeat(4.0 ** (dac_bits * np.arange(steps)), n), tiles)
    codes = float((1 << adc_bits) - 1)
    weight = np.ones(columns)
    if ratio is not None or policy == "layer":
        weight = np.ones(columns) if ratio is None else ratio / ratio.max()
        half, reach = ((v * weight).max() / weight for v in (half, reach))
    factors = FACTORS if bound is None else np.ones(1)
    ranges = np.maximum(half * factors[:, None], reach)
    errors = _mean_squares(flat, centre, ranges, codes, place)
    if ratio is not None or policy == "layer":
        chosen = np.full(columns, (errors * weight**2).sum(axis=1).argmin())
    else:
        chosen = errors.argmin(axis=0)
    exact_gain = codes / (2 * ranges[chosen, np.arange(columns)])
    shift = min(SHIFT_MAX, int(np.floor(np.log2(GAIN_MAX / exact_gain.max()))))
    gain = np.clip(np.rint(exact_gain * (1 << shift)), 1, GAIN_MAX)
    offset = np.clip(np.rint(-centre * gain / (1 << shift) - 0.5), OFFSET_MIN, OFFSET_MAX)
    edge = 1 << (adc_bits - 1)
    c = np.rint(flat * (gain / (1 << shift))[:, None]) + offset[:, None]
    clipped = float((c != np.clip(c, -edge, edge - 1)).mean())
    return AdcRange(gain.astype(np.uint16), offset.astype(np.int16), shift, clipped)


def _mean_squares(flat: Floats, centre: Floats, halves: Floats, codes: float, place: Floats) -> Floats:
    """Errors (F, M) of ranges ``-halves..halves`` (F, M): rounding inside, the distance to it outside.

    A few columns of ``flat`` (M, N) at a time, so that all ranges are tried on what the cache holds.
    """
    count, values = halves.shape[1], flat.shape[1]
    beyond = np.empty_like(halves)
    at_once = max(1, CACHED // values)
    for start in range(0, count, at_once):
        some = slice(start, start + at_once)
        away = flat[some] - centre[some, None]
        np.abs(away, out=away)
        square = np.empty_like(away)
        for f, half in enumerate(halves[:, some]):
            np.subtract(away, half[:, None], out=square)
            np.maximum(square, 0.0, out=square)
            np.square(square, out=square)
            square *= place
            beyond[f, some] = square.mean(axis=1)
    step = 2 * halves / codes
    return np.asarray(beyond + np.square(step) / 12 * place.mean(), np.float64)


GAIN_CORRECTION = (0.25, 4.0)
"""A column's gain is corrected within these factors."""


def placed(sums: Ints, chip: Chip) -> Floats:
    """Addend of ideal converters to p (n, M): sums (tiles, slices, n, M) at their place values."""
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


def fitted_gain(which: str, wanted: Floats, linear: Floats, unit: Floats | float = 1.0) -> Floats:
    """Gains (M,) that bring ``linear`` (n, M) closest to ``wanted``, about their means; 1 where dead.

    ``which`` as ``Mitigation.gains`` says: one a column, one for all, or none. ``unit`` (M,): one unit of
    each column's neuron in the unit of the sums; by it columns count that have one gain together.
    """
    if which == "none":
        return np.ones(wanted.shape[1])
    if which == "common":
        wanted, linear = wanted / unit, linear / unit
    a, b = wanted - wanted.mean(axis=0), linear - linear.mean(axis=0)
    together, power = (a * b).sum(axis=0), np.square(b).sum(axis=0)
    if which == "common":
        together, power = (np.full(len(power), values.sum()) for values in (together, power))
    factor = np.divide(together, power, out=np.ones(power.shape), where=power > 0)
    return np.asarray(np.clip(factor, *GAIN_CORRECTION), np.float64)


def row_voltages(x: Codes, chip: Chip) -> Floats:
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
