"""Ranges of a layer: converters as designed, built and calibrated; scales of neurons; noise.

A range may cut rare extremes for a finer step: of ``FACTORS`` the one with the smallest
mean square of clipping and rounding is taken. The offset centres the range, since a
column's sums seldom lie evenly about zero.
"""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.golden.array import array, readout
from ndrite.emulator.mapping.report import Mitigation
from ndrite.emulator.mapping.weights import MappedWeights, code_max
from ndrite.emulator.network import Dense
from ndrite.emulator.spec import Layer
from ndrite.emulator.spec.arithmetic import (
    INPUT_MAX,
    SHIFT_MAX,
    SIGMA_MAX,
    V_MAX,
    Array,
    Codes,
    Floats,
    Ints,
    dac_slice,
    slices,
)
from ndrite.emulator.spec.brief import record

GAIN_MAX = 65535
OFFSET_MIN, OFFSET_MAX = -2048, 2047
RANGE_SPAN = 64.0
"""Largest ratio between the ranges of two columns, so that a column that hardly varies
does not cost the other columns bits of their gains."""
FACTORS = np.linspace(1.05, 0.4, 14)
"""Converter ranges tried, relative to the span of the sums; those above 1 leave room
for noise and unseen data."""


@record()
class AdcRange:
    """ADC settings of one layer; ``clipped`` is the fraction of conversions that
    saturate on the samples."""

    gain: npt.NDArray[np.uint16]
    offset: npt.NDArray[np.int16]
    shift: int
    clipped: float

    @property
    def lsb(self) -> Floats:
        """Size of an ADC step in accumulator units, (M,)."""
        return float(1 << self.shift) / self.gain.astype(np.float64)


def column_sums(x: Codes, codes: npt.NDArray[np.int16], rows: int, dac_bits: int) -> Ints:
    """Return the column sums, int64 (tiles, slices, n, M), of inputs ``x`` uint8 (n, K)
    and weights ``codes``, for row tiles of ``rows`` rows and input bit slices of
    ``dac_bits`` bits."""
    tiles = range(0, x.shape[1], rows)
    sums = np.empty((len(tiles), slices(dac_bits), len(x), codes.shape[1]), np.int64)
    for t, j in np.ndindex(sums.shape[:2]):
        tile = slice(tiles[t], tiles[t] + rows)
        sums[t, j] = array(dac_slice(x[:, tile], j, dac_bits), codes[tile])
    return sums


def partial_sums(sums: Ints, layer: Layer) -> Ints:
    """Return the partial sums p (n, M) for the result of ``column_sums``: the read-outs
    of all row tiles and input bit slices, added."""
    p = np.zeros(sums.shape[2:], np.int64)
    for t, j in np.ndindex(sums.shape[:2]):
        p += readout(sums[t, j], layer, j)
    return p


def design(
    sums: Ints, weights: npt.NDArray[np.int16], chip: Chip, mitigation: Mitigation, ratio: Floats | None
) -> AdcRange:
    """Choose gain, shift and offset of a layer's converters for the column sums of
    samples, int64 (tiles, slices, n, M) as from ``column_sums``.

    ``readout.range_policy``: each column has a step of its own, or one is for all.
    ``ratio`` (M,): when given the gains are in exactly this ratio, whatever the policy:
    an output layer's steps must stand for equal logits. Without range calibration the
    range is that of the largest sum that ``weights`` (K, M) could make.
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
    flat = np.empty((columns, tiles * steps * n))
    for start in range(0, flat.shape[1], 64):  # NumPy copies a narrow transposed part three times as fast
        flat[:, start : start + 64] = sums.reshape(-1, columns)[start : start + 64].T
    low, high = (flat.min(axis=1), flat.max(axis=1)) if bound is None else (-bound, bound)
    centre, half = (low + high) / 2, (high - low) / 2
    half = np.maximum(half, max(half.max() / RANGE_SPAN, 1.0))
    # The ADC's offset (-centre, in ADC steps) must fit its field, so the half range
    # must be at least ``reach``. Only ADCs with 12 bits need this.
    reach = np.abs(centre) * float((1 << adc_bits) - 1) / (2 * OFFSET_MAX)
    # A slice's sum is multiplied by the slice's place value, so its squared error
    # counts by the square of that value.
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
    clipped = 0
    for column, factor, shifted in zip(flat, gain / (1 << shift), offset, strict=True):
        c = np.rint(column * factor) + shifted
        clipped += int(np.count_nonzero((c < -edge) | (c >= edge)))
    return AdcRange(gain.astype(np.uint16), offset.astype(np.int16), shift, clipped / flat.size)


def _mean_squares(flat: Floats, centre: Floats, halves: Floats, codes: float, place: Floats) -> Floats:
    """Return the mean square errors (F, M) of candidate converter ranges
    ``-halves..halves`` (F, M) about the centre: rounding inside the range,
    clipping outside.

    A column at a time, so that its values stay in the cache; only those outside the
    smallest range are tried against the others.
    """
    beyond, smallest = np.empty_like(halves), halves.min(axis=0)
    for i, sums in enumerate(flat):
        away = np.abs(sums - centre[i])
        outside = np.flatnonzero(away > smallest[i])
        over = np.maximum(away[outside] - halves[:, i, None], 0.0)
        beyond[:, i] = np.einsum("fn,fn,n->f", over, over, place[outside])
    beyond /= flat.shape[1]
    step = 2 * halves / codes
    return np.asarray(beyond + np.square(step) / 12 * place.mean(), np.float64)


GAIN_CORRECTION = (0.25, 4.0)
"""Smallest and largest factor by which a column's gain is corrected."""


def placed(sums: Ints, chip: Chip) -> Floats:
    """Return the sums (n, M) that ideal converters would add to p: the column
    sums (tiles, slices, n, M), weighted by the place values of the input bit
    slices and added."""
    places = (1 << (chip.input.dac_bits * np.arange(sums.shape[1]))).astype(np.float64)
    return np.asarray(np.einsum("tjnm,j->nm", sums, places), np.float64)


def build(designed: AdcRange, chip: Chip, mismatch: Floats) -> AdcRange:
    """Return the converters as built: ``designed`` with the chip's mismatch in the gain
    and offset of each column.

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
    """Return the converters ``built`` with each column's gain multiplied by ``factor`` (M,)."""
    return _range(built.gain * factor, built.offset.astype(np.float64), built)


def fitted_gain(which: str, wanted: Floats, linear: Floats, unit: Floats | float = 1.0) -> Floats:
    """Return the column gains (M,) that bring the column sums ``linear`` (n, M)
    closest to the sums ``wanted``, both measured from their means; 1 for columns
    that do not vary.

    ``which`` as ``Mitigation.gains`` says: one a column, one for all, or none. ``unit``
    (M,): one unit of each column's neuron in the unit of the sums; by it columns count
    that have one gain together.
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
    """Return the root mean square voltage (K,) on each row, over inputs ``x`` uint8 (n,
    K) and their bit slices."""
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


SCALE_MAX = 65535
STEP = 2.0 * V_MAX


def shift_for(largest: float) -> int:
    """Return the largest shift within 0..``SHIFT_MAX`` for which ``largest`` * 2^shift
    is at most ``SCALE_MAX``."""
    return int(np.clip(np.floor(np.log2(SCALE_MAX / largest)), 0, SHIFT_MAX))


def scale_and_shift(wanted: Floats) -> tuple[Ints, int]:
    """Return integer scales (M,) and a common shift ``vshift`` with scale / 2^vshift =
    ``wanted``, chosen so that the largest scale is near 2^16.

    A factor above ``STEP`` takes every sum but 0 to an end of the table: a neuron that
    is a step. Larger ones compute the same and are held there.
    """
    if not np.isfinite(wanted).all():
        raise CompileError(f"neuron scale is {wanted.max():g}; accepted: finite values")
    wanted = np.minimum(wanted, STEP)
    vshift = shift_for(float(wanted.max()))
    scale = np.rint(wanted * 2.0**vshift).astype(np.int64)
    if scale.min() < 1:
        raise CompileError(
            f"neuron scales of a layer are {wanted.min():g}..{wanted.max():g}; accepted: largest over "
            f"smallest below 65536"
        )
    return scale, vshift


def read_sigma_uS(chip: Chip, mapped: MappedWeights) -> float:
    """Return the standard deviation of a weight (the difference of two cells) in one
    read: the root mean square over the layer, microsiemens.

    Telegraph noise is in it: drawn for every slice of an inference, where a trap would
    stay for all of them.
    """
    pairs = mapped.cells.faulted
    read = chip.cell.read_sigma(pairs, chip.conditions.time_since_programming_s)
    return float(np.hypot(read, chip.cell.telegraph_sigma(pairs)))


def telegraph_share(chip: Chip, mapped: MappedWeights) -> float:
    """Return what fraction 0..1 of the read-noise variance ``var_cell`` is telegraph noise."""
    read_sigma = read_sigma_uS(chip, mapped)
    return 0.0 if read_sigma == 0 else (chip.cell.telegraph_sigma(mapped.cells.faulted) / read_sigma) ** 2


def cell_noise(chip: Chip, mapped: MappedWeights) -> int:
    """Return ``var_cell``: the read-noise variance of a weight, in squared codes, Q8.8."""
    sigma = read_sigma_uS(chip, mapped) / mapped.full_scale_uS * code_max(chip.cell)
    value = round(sigma * sigma * 256)
    require(value <= 65535, "read noise", f"{sigma:.2f} codes per effective weight", "below 16", CompileError)
    return value


def output_noise(chip: Chip, ranges: AdcRange) -> int:
    """Return ``sigma_out``: column and ADC noise in accumulator units, one value for
    all columns, computed from the median ADC step."""
    if chip.readout.kind == "analog":
        return 0
    value = round(chip.readout.output_noise_lsb * chip.noise_factor * float(np.median(ranges.lsb)))
    if value > SIGMA_MAX:
        raise CompileError(f"output noise is {value} accumulator units; accepted: at most {SIGMA_MAX}")
    return value


def int32(name: str, values: Floats) -> npt.NDArray[np.int32]:
    """Return values rounded to int32. Raises CompileError, naming ``name``, if a
    magnitude is 2^30 or more."""
    if not np.abs(values).max() < 1 << 30:
        raise CompileError(
            f"{name} reaches {np.abs(values).max():g}, in steps of the sums; accepted: below 2^30"
        )
    return np.rint(values).astype(np.int32)


@record()
class Second:
    """The map that is added to a matrix product's sums (its second operand): its codes
    and exact values (n, M), and its weight float64 (M,) in the float network."""

    codes: Codes
    exact: Floats
    weight: Floats


@record()
class Rows:
    """Input patches of a matrix product: ``codes`` uint8 and ``exact`` float64 in 0..1,
    both (n, groups * K).

    ``movable``: whether its rows are addressed, so that any may drive any physical row;
    not where an analog layer's columns are wired to them.
    """

    codes: Codes
    exact: Floats
    groups: int = 1
    second: Second | None = None
    movable: bool = True

    def product(self, x: Array, weights: Array) -> Array:
        """Return patches ``x`` (n, groups * K) times ``weights`` (K, M): (n, M). In a
        grouped product, each group of columns reads its own inputs."""
        if self.groups == 1:
            return np.asarray(x @ weights)
        parts = zip(np.split(x, self.groups, axis=1), np.split(weights, self.groups, axis=1), strict=True)
        return np.concatenate([part @ columns for part, columns in parts], axis=1)

    def wanted(self, dense: Dense) -> Floats:
        """Return the sums (n, M) that the float network has for these patches, without bias."""
        return np.asarray(self.product(self.exact, dense.weights.astype(np.float64)))

    def sums(self, weights: npt.NDArray[np.int16], rows: int, dac_bits: int) -> Ints:
        """Return the column sums of these patches, int64 (tiles, slices, n, M), for row
        tiles of ``rows`` rows and input bit slices of ``dac_bits`` bits."""
        if self.groups == 1:
            return column_sums(self.codes, weights, rows, dac_bits)
        parts = zip(
            np.split(self.codes, self.groups, axis=1), np.split(weights, self.groups, axis=1), strict=True
        )
        return np.concatenate([column_sums(x, columns, rows, dac_bits) for x, columns in parts], axis=3)

    def read_noise(self, layer: Layer, rows: int) -> Floats:
        """Return the variance (M,) that read noise adds to the column sum p, averaged
        over these patches; a row tile has ``rows`` rows."""
        share, per_tile = layer.outputs // self.groups, layer.tile_rows(rows)
        gain = np.ones(layer.outputs)
        if layer.readout == "adc":
            gain = layer.gain.astype(np.float64) / (1 << layer.shift)
        added = np.zeros(layer.outputs)
        for g, x in enumerate(np.split(self.codes, self.groups, axis=1)):
            for k in range(0, layer.inputs, per_tile):
                for j in range(slices(layer.dac_bits)):
                    xj = dac_slice(x[:, k : k + per_tile], j, layer.dac_bits).astype(np.float64)
                    sigma = layer.sigma_out**2 + layer.var_cell / 256 * np.square(xj).sum(axis=1).mean()
                    added[g * share : (g + 1) * share] += sigma * 4.0 ** (j * layer.dac_bits)
        return added * np.square(gain)

    def one_group(self) -> Codes:
        """Return the codes (n * groups, K) that the rows of cells receive: the
        patches of all groups one after another, because every group is applied
        to the same K rows."""
        return self.codes.reshape(len(self.codes) * self.groups, -1)


def skip_gain(weight: Floats, step: Floats) -> tuple[npt.NDArray[np.uint16], int]:
    """Return gain (M,) and shift with which a matrix product adds a map, its second
    operand. ``step`` (M,) is the value of one unit of the column sum p."""
    gain = weight / (INPUT_MAX * step)
    largest = max(float(gain.max()), 1e-12)
    shift = shift_for(largest)
    return np.clip(np.rint(gain * 2.0**shift), 0, SCALE_MAX).astype(np.uint16), shift
