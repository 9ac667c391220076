"""One layer: weights, ADC ranges, neuron scaling and bias, in the order the signal meets them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.chips import Cell, Chip
from emulator.compile.neuron import Window, choose_window, curves, heights_and_peaks, shape_of
from emulator.compile.pwl import PwlTable, fit_pwl
from emulator.compile.ranges import AdcRange, calibrate, column_sums
from emulator.compile.report import LayerReport
from emulator.compile.weights import MappedWeights, code_max, level_targets, map_weights
from emulator.errors import CompileError
from emulator.golden.neuron import neuron, preneuron
from emulator.golden.readout import readout
from emulator.network import Activation, Dense
from emulator.physics import effective_read_sigma
from emulator.spec import Layer
from emulator.spec.arithmetic import INPUT_MAX, SHIFT_MAX, SIGMA_MAX, V_BITS, V_MAX, V_MIN, slices

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCALE_MAX = 65535


@dataclass(frozen=True)
class Options:
    """What the caller of ``compile_network`` chose for every layer."""

    segments: int
    table_bits: int
    bias_correction: bool

    @property
    def segment_bits(self) -> int:
        """f of the arithmetic."""
        return V_BITS - (self.segments.bit_length() - 1)


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """A layer's part of the image, the curve table so far (if any), outputs on the samples, report.

    ``codes`` uint8 (n, M): outputs of the integer arithmetic, read noise off; ``exact`` float64 (n, M):
    the float network's.
    """

    layer: Layer
    table: PwlTable | None
    codes: npt.NDArray[np.uint8]
    exact: Floats
    report: LayerReport


def compile_layer(
    dense: Dense,
    chip: Chip,
    codes: npt.NDArray[np.uint8],
    exact: Floats,
    table: PwlTable | None,
    rng: np.random.Generator,
    options: Options,
) -> CompiledLayer:
    """Compile one layer for inputs ``codes`` (n, K); ``exact`` (n, K) are the float network's inputs.

    Raises
    ------
    CompileError
        When a noise, bias or scale leaves the arithmetic's range.
    """
    outputs = dense.outputs
    adc = chip.readout.kind == "adc"
    final = dense.activation is None
    # Outputs are compared with each other, so one step of p must be the same logit in every column: by the
    # ADC's gains, or, where there are none, by the weights themselves.
    mapped = map_weights(dense.weights, chip.cell, rng, uniform=final and not adc)
    rows = chip.array.rows if adc else dense.inputs
    sums = column_sums(codes, mapped.codes, rows, chip.input.dac_bits)
    ranges = _ranges(sums, chip, mapped.unit if final else None)
    step = mapped.unit * (ranges.lsb if adc else 1.0) / INPUT_MAX
    if final:
        step = np.full(outputs, step.mean())
    layer = Layer(
        weights=mapped.codes,
        bias=np.zeros(outputs, np.int32),
        gain=ranges.gain,
        offset=ranges.offset,
        scale=np.zeros(outputs, np.uint16),
        curve=np.zeros(outputs, np.uint16),
        readout=chip.readout.kind,
        dac_bits=chip.input.dac_bits,
        adc_bits=chip.readout.adc_bits,
        shift=ranges.shift,
        segment_bits=options.segment_bits,
        table_bits=options.table_bits,
        sigma_out=_output_noise(chip, ranges),
        var_cell=_cell_noise(chip.cell, mapped),
    )
    p = np.zeros((len(codes), outputs), np.int64)
    for t, j in np.ndindex(sums.shape[:2]):
        p += readout(sums[t, j], layer, j)
    places = sum(1 << (j * chip.input.dac_bits) for j in range(slices(chip.input.dac_bits)))
    pedestal = ranges.offset.astype(np.float64) * (sums.shape[0] * places if adc else 0)
    linear = (p - pedestal) * step
    wanted = exact @ dense.weights.astype(np.float64)
    correction = (wanted - linear).mean(axis=0) if options.bias_correction else np.zeros(outputs)
    bias = dense.bias + correction
    deviation = wanted + dense.bias - (linear + bias)
    measured: dict[str, Any] = {
        "inputs": dense.inputs,
        "outputs": outputs,
        "tiles": sums.shape[0],
        **_weight_errors(dense, mapped, chip.cell),
        "adc_clipped": ranges.clipped,
        "adc_range": _range_span(step, chip) if adc else (0.0, 0.0),
        "bias_correction": float(np.abs(correction).max()),
        "snr_db": float(
            10 * np.log10(wanted.var(axis=0).sum() / max(np.square(deviation).mean(axis=0).sum(), 1e-30))
        ),
    }
    if final:
        layer = dataclasses.replace(layer, bias=_int32("bias", bias / step - pedestal))
        report = LayerReport(**measured, voltage_clipped=0.0, curves=0, pwl_error_lsb=0.0, tail_error_lsb=0.0)
        return CompiledLayer(
            layer, table, np.zeros((len(codes), outputs), np.uint8), wanted + dense.bias, report
        )

    activation = dense.activation
    assert activation is not None
    window, table, curve, error = _add_curves(activation, chip, table, outputs, options)
    heights, peaks = heights_and_peaks(activation, outputs)
    scale, vshift = _scale(window.per_unit * step / peaks)
    real_scale = scale / 2.0**vshift
    layer = dataclasses.replace(
        layer,
        scale=scale.astype(np.uint16),
        vshift=vshift,
        curve=curve,
        bias=_int32("bias", bias / step + window.zero / real_scale - pedestal),
    )
    v = preneuron(p + layer.bias.astype(np.int64), layer)
    shape = shape_of(activation, chip.neuron)
    report = LayerReport(
        **measured,
        voltage_clipped=float(((v == V_MIN) | (v == V_MAX)).mean()),
        curves=len(np.unique(curve)),
        pwl_error_lsb=error,
        tail_error_lsb=window.tail_lsb,
    )
    y = neuron(v, layer, table.base, table.slope)
    return CompiledLayer(layer, table, y, heights * shape((wanted + dense.bias) / peaks), report)


def _ranges(sums: Ints, chip: Chip, ratio: Floats | None) -> AdcRange:
    columns = sums.shape[3]
    if chip.readout.kind == "analog":
        return AdcRange(np.zeros(columns, np.uint16), np.zeros(columns, np.int16), 0, 0.0)
    return calibrate(
        sums,
        adc_bits=chip.readout.adc_bits,
        dac_bits=chip.input.dac_bits,
        policy=chip.readout.range_policy,
        ratio=ratio,
    )


def _add_curves(
    activation: Activation, chip: Chip, table: PwlTable | None, outputs: int, options: Options
) -> tuple[Window, PwlTable, npt.NDArray[np.uint16], float]:
    """Fit the layer's curves, join them to the table without repeats; window, table, indices, error."""
    shape = shape_of(activation, chip.neuron)
    window = choose_window(shape, options.segments)
    heights, _ = heights_and_peaks(activation, outputs)
    distinct, which = np.unique(heights, return_inverse=True)
    fitted = fit_pwl(
        curves(shape, window, distinct), segments=options.segments, table_bits=options.table_bits
    )
    known: dict[bytes, int] = {}
    if table is not None:
        known = {row.tobytes(): q for q, row in enumerate(np.hstack([table.base, table.slope]))}
    rows = np.hstack([fitted.base, fitted.slope])
    index = np.array([known.setdefault(row.tobytes(), len(known)) for row in rows])
    both = np.stack([np.frombuffer(key, np.int32) for key in known])
    base, slope = np.hsplit(both, 2)
    table = PwlTable(base.copy(), slope.copy(), fitted.segment_bits, fitted.table_bits, fitted.error_lsb)
    return window, table, index[which].astype(np.uint16), fitted.max_error_lsb


def _scale(wanted: Floats) -> tuple[Ints, int]:
    """Integer scale (M,) and vshift with scale / 2^vshift = wanted, the largest scale near 2^16."""
    if not wanted.max() < SCALE_MAX:
        raise CompileError(f"neuron scale is {wanted.max():g}; accepted: below {SCALE_MAX}")
    vshift = min(SHIFT_MAX, int(np.floor(np.log2(SCALE_MAX / wanted.max()))))
    scale = np.rint(wanted * 2.0**vshift).astype(np.int64)
    if scale.min() < 1:
        raise CompileError(
            f"neuron scales of a layer are {wanted.min():g}..{wanted.max():g}; accepted: a ratio below 65536"
        )
    return scale, vshift


def _cell_noise(cell: Cell, mapped: MappedWeights) -> int:
    """var_cell: read-noise variance of an effective weight, code units squared, Q8.8."""
    sigma = (
        effective_read_sigma(cell.read_noise_percent, cell.g_max_uS) / mapped.full_scale_uS * code_max(cell)
    )
    value = round(sigma * sigma * 256)
    if value > 65535:
        raise CompileError(f"read noise is {sigma:.2f} codes an effective weight; accepted: below 16")
    return value


def _output_noise(chip: Chip, ranges: AdcRange) -> int:
    """sigma_out: column and ADC noise in accumulator units; the middle column's step stands for all."""
    if chip.readout.kind == "analog":
        return 0
    value = round(chip.readout.output_noise_lsb * float(np.median(ranges.lsb)))
    if value > SIGMA_MAX:
        raise CompileError(f"output noise is {value} accumulator units; accepted: at most {SIGMA_MAX}")
    return value


def _weight_errors(dense: Dense, mapped: MappedWeights, cell: Cell) -> dict[str, float | int]:
    w = dense.weights.astype(np.float64)
    size = max(float(np.sqrt(np.square(w).mean())), 1e-30)
    limit = mapped.unit * code_max(cell) * (cell.g_max_uS - cell.g_min_uS) / mapped.full_scale_uS
    target = mapped.levels * (limit / (len(level_targets(cell)) - 1))
    return {
        "quantisation_error": float(np.sqrt(np.square(target - w).mean())) / size,
        "programmed_error": float(np.sqrt(np.square(mapped.effective - w).mean())) / size,
        "saturated_codes": mapped.saturated,
        "limited_weights": mapped.limited,
    }


def _range_span(step: Floats, chip: Chip) -> tuple[float, float]:
    span = step * ((1 << chip.readout.adc_bits) - 1)
    return float(span.min()), float(span.max())


def _int32(name: str, values: Floats) -> npt.NDArray[np.int32]:
    if not np.abs(values).max() < 1 << 30:
        raise CompileError(f"{name} reaches {np.abs(values).max():g}; accepted: below 2^30")
    return np.rint(values).astype(np.int32)
