"""Compilation of one layer: weights, ADC ranges, biases and neurons, in the
order of the signal."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.golden.neuron import neuron, preneuron
from ndrite.emulator.mapping import ranges
from ndrite.emulator.mapping.curves import Curves, widest_window
from ndrite.emulator.mapping.devices import (
    Neurons,
    curves_of,
    each_of,
    jumps_of,
    make_neurons,
    shape_of,
    trained_outputs,
    window_of,
)
from ndrite.emulator.mapping.die import DieArray
from ndrite.emulator.mapping.ranges import (
    Rows,
    cell_noise,
    int32,
    output_noise,
    partial_sums,
    scale_and_shift,
    skip_gain,
)
from ndrite.emulator.mapping.report import BEFORE, CELLS, CODES, CONVERTERS, READS, LayerReport, MapOptions
from ndrite.emulator.mapping.weights import (
    BiasCells,
    Columns,
    MappedWeights,
    build_columns,
    code_max,
    map_weights,
    program_bias,
    total_noise,
    without_errors,
)
from ndrite.emulator.network import Activation, Dense, Ndr
from ndrite.emulator.spec import Layer
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, Floats, Ints, rshift_round, slices


@dataclass(frozen=True)
class CompiledLayer:
    """One matrix product compiled for a chip, and its outputs on the calibration samples.

    Attributes
    ----------
    layer, array, report:
        The layer of the program, that of the die, and the report.
    codes, exact:
        Outputs on the samples (n, M): uint8 of the integer arithmetic, read noise off,
        and float64 of the float network.
    """

    layer: Layer
    array: DieArray
    report: LayerReport
    codes: npt.NDArray[np.uint8]
    exact: Floats


@dataclass(frozen=True)
class Task:
    """Everything that one layer is compiled from: the weights ``dense``, the patches
    ``rows`` of the calibration samples, and the die's ``neurons`` (None without an
    activation). ``sums`` (n, M) are the float network's sums without bias."""

    dense: Dense
    chip: Chip
    rows: Rows
    options: MapOptions
    neurons: Neurons | None
    sums: Floats

    @property
    def is_final(self) -> bool:
        """Whether the layer's sums are the network's outputs and have to be comparable:
        one step of a column sum must then stand for the same value in all columns."""
        return self.dense.activation is None and not self.options.column_steps

    @property
    def has_adc(self) -> bool:
        """Whether the chip's columns are read by ADCs, not by analog amplifiers."""
        return self.chip.readout.kind == "adc"

    @property
    def programmed_on(self) -> Chip | None:
        """The chip whose cells are programmed: for a nominal die the chip without cell
        errors; otherwise None, which stands for ``chip`` itself."""
        return without_errors(self.chip) if self.options.nominal else None


@dataclass(frozen=True)
class Converted:
    """The columns of a layer with their gains and ranges, calibrated on the samples.

    Attributes
    ----------
    layer:
        The layer without bias and neurons.
    designed, built:
        Converter ranges before and after mismatch.
    columns:
        Analog columns; ideal ones before converters.
    pedestal:
        Addend (M,) of the designed offsets to p.
    p, linear:
        Sums int64 (n, M), and float64 (n, M) in the float network's unit.
    step:
        (M,), the float network's value of one unit of p.
    gains:
        (M,), by which columns were corrected.
    """

    layer: Layer
    designed: ranges.AdcRange
    built: ranges.AdcRange
    columns: Columns
    pedestal: Floats
    p: Ints
    linear: Floats
    step: Floats
    gains: Floats


@dataclass(frozen=True)
class Biased:
    """Biases of a layer, three arrays float64 (M,): ``added`` is what is added to
    the column sum p, before rounding; ``bias`` is the same value in the float
    network's unit; ``correction`` is the part of ``bias`` that compensates each
    column's mean deviation from the float network. ``cells`` are the cells that hold
    biases. ``sigma_out`` is the noise of analog columns and these cells; None if
    columns are read by ADCs."""

    added: Floats
    bias: Floats
    correction: Floats
    cells: BiasCells | None
    sigma_out: int | None


def compile_layer(
    dense: Dense,
    chip: Chip,
    rows: Rows,
    curves: Curves,
    rngs: tuple[np.random.Generator, np.random.Generator],
    options: MapOptions,
) -> CompiledLayer:
    """Compile one matrix product for a chip, part by part in the order of the signal:
    cells, converters, biases, neurons.

    ``curves``: those of the program so far, which get the layer's own; ``rngs`` draw
    the cells, and the converters and neurons. Raises CompileError when a noise, bias or
    scale leaves the arithmetic's range.
    """
    cells_rng, devices_rng = rngs
    mismatch = devices_rng.standard_normal((2, dense.outputs))
    neurons = None
    if dense.activation is not None:
        neurons = make_neurons(dense.activation, chip, dense.outputs, devices_rng)
    task = Task(dense, chip, rows, options, neurons, rows.wanted(dense))
    mapped = program_cells(task, cells_rng)
    converted = convert(task, mapped, mismatch)
    biased = add_bias(task, mapped, converted, cells_rng)
    return fire(task, mapped, converted, biased, curves)


def program_cells(task: Task, rng: np.random.Generator) -> MappedWeights:
    """Program the cells of a layer; return the weights as they are mapped to the cells."""
    options, chip = task.options, task.chip
    # The outputs of the last layer are compared with each other, so a step of the
    # column sum p must stand for the same logit in every column. With ADCs their gains
    # ensure this; without, ``ratio`` forces the same limit on the weights of all
    # columns. If neurons are driven directly by columns with one transimpedance, limits
    # are set in proportion to the neurons' peaks.
    ratio = np.ones(task.dense.outputs) if task.is_final and not task.has_adc else None
    if chip.readout.is_circuit and task.neurons is not None:
        ratio = task.neurons.peaks
    return map_weights(
        task.dense.weights,
        chip,
        rng,
        ratio=ratio,
        mitigation=options.mitigation,
        row_voltage_V=ranges.row_voltages(task.rows.one_group(), chip),
        programmed_on=task.programmed_on,
        movable=task.rows.movable,
    )


def convert(task: Task, mapped: MappedWeights, mismatch: Floats) -> Converted:
    """Set ranges and gains of a layer's columns, and compute the converted
    column sums of the samples. ``mismatch`` (2, M) are the columns' random
    errors of gain and offset."""
    chip, measures, final, exact = task.chip, task.options.mitigation, task.is_final, task.sums
    adc, outputs, bits = task.has_adc, task.dense.outputs, task.chip.input.dac_bits
    sums = task.rows.sums(mapped.codes, chip.array.rows if adc else task.dense.inputs, bits)
    # The array's loss of gain is corrected before the converters' ranges are chosen,
    # because it affects the sums that they must cover. The converters' own gain error
    # is known only afterwards.
    gain_kind, gains = measures.gains(chip, final=final), np.ones(outputs)
    if gain_kind == "column":
        gains = ranges.fitted_gain("column", exact, ranges.placed(sums, chip) * (mapped.unit / INPUT_MAX))
    unit = mapped.unit * gains
    designed = ranges.design(sums, mapped.codes, chip, measures, unit if final else None)
    built = ranges.build(designed, chip, mismatch)
    step = unit * (designed.lsb if adc else 1.0) / INPUT_MAX
    if final:
        step = np.full(outputs, step.mean())
    layer = Layer(
        weights=mapped.codes,
        bias=np.zeros(outputs, np.int32),
        gain=built.gain,
        offset=built.offset,
        scale=np.zeros(outputs, np.uint16),
        curve=np.zeros(outputs, np.uint16),
        readout=chip.readout.kind,
        dac_bits=bits,
        adc_bits=chip.readout.adc_bits,
        shift=built.shift,
        sigma_out=output_noise(chip, built),
        var_cell=cell_noise(chip, mapped),
    )
    places = sum(1 << (j * bits) for j in range(slices(bits)))
    pedestal = designed.offset.astype(np.float64) * (sums.shape[0] * places)
    if gain_kind == "column":
        fitted = ranges.fitted_gain(gain_kind, exact, (partial_sums(sums, layer) - pedestal) * step)
        if final:
            layer = dataclasses.replace(layer, gain=ranges.trim(built, fitted).gain)
        else:
            step = step * fitted
        gains = gains * fitted
    p = partial_sums(sums, layer)
    columns = build_columns(p.astype(np.float64), chip, mismatch, final=task.neurons is None)
    linear = (p * columns.gain + columns.offset - pedestal) * step
    if gain_kind == "common":
        peaks = 1.0 if task.neurons is None else task.neurons.peaks
        fitted = ranges.fitted_gain(gain_kind, exact, linear, peaks)
        gains, step, linear = gains * fitted, step * fitted, linear * fitted
    return Converted(layer, designed, built, columns, pedestal, p, linear, step, gains)


def add_bias(task: Task, mapped: MappedWeights, converted: Converted, rng: np.random.Generator) -> Biased:
    """Set the biases of a layer, in cells or digitally. The biases also
    compensate the mean deviation of each column, which can be measured only when
    everything else is set."""
    chip, measures, columns, step = task.chip, task.options.mitigation, converted.columns, converted.step
    correction = np.zeros(task.dense.outputs)
    if measures.bias_correction:
        correction = (task.sums - converted.linear).mean(axis=0)
    bias = task.dense.bias + correction
    added = (bias / step + columns.offset) / columns.gain - converted.pedestal
    cells = None
    if chip.readout.bias == "cells":
        options = {"mitigation": measures, "programmed_on": task.programmed_on}
        programmed = program_bias(np.asarray(bias, np.float64), mapped, chip, rng, **options)
        cells = BiasCells(programmed, bias / step, columns.offset / columns.gain)
        added = cells.total
        bias = cells.current * columns.gain * step
    sigma_out = None if task.has_adc else total_noise(columns, cells, converted.layer.var_cell)
    return Biased(added, bias, correction, cells, sigma_out)


def fire(
    task: Task, mapped: MappedWeights, converted: Converted, biased: Biased, curves: Curves
) -> CompiledLayer:
    """Complete a layer: add its neurons, with their curves appended to ``curves``, and
    compute the outputs on the samples."""
    dense, rows, neurons, step = task.dense, task.rows, task.neurons, converted.step
    layer, columns = converted.layer, converted.columns
    if biased.sigma_out is not None:
        layer = dataclasses.replace(layer, sigma_out=biased.sigma_out)
    built_columns = None if task.has_adc else columns
    die = DieArray(
        mapped, step, converted.designed, converted.built, columns=built_columns, bias=biased.cells
    )
    second: Ints = np.zeros(1, np.int64)
    second_operand = np.zeros(1)
    if rows.second is not None:
        gain, shift = skip_gain(rows.second.weight, step)
        die = dataclasses.replace(die, skip_gain=gain, skip_shift=shift)
        second = rshift_round(rows.second.codes.astype(np.int64) * gain.astype(np.int64), shift)
        second_operand = rows.second.exact * rows.second.weight
    errors, exact = measured(task, mapped, converted, biased), task.sums + second_operand + dense.bias
    if neurons is None:
        layer = dataclasses.replace(layer, bias=int32("bias", biased.added))
        report = LayerReport(**errors, voltage_clipped=0.0, curves=0, pwl_error_lsb=0.0, tail_error_lsb=0.0)
        return CompiledLayer(layer, die, report, np.zeros(exact.shape, np.uint8), exact)
    assert dense.activation is not None
    window = window_for(task.chip, dense.activation, neurons)
    curve_codes, curve_of = curves_of(neurons, window, dense.outputs)
    distinct, error = curves.fit(curve_codes)
    curve = distinct[curve_of]
    scale, vshift = scale_and_shift(window.per_unit * step * columns.gain / neurons.peaks)
    zero = window.zero / (scale / 2.0**vshift)
    layer = dataclasses.replace(
        layer,
        scale=scale.astype(np.uint16),
        vshift=vshift,
        curve=curve,
        bias=int32("bias", biased.added + zero),
    )
    if biased.cells is not None:
        die = dataclasses.replace(
            die, bias=dataclasses.replace(biased.cells, fixed=biased.cells.fixed + zero)
        )
    if isinstance(dense.activation, Ndr):
        die = dataclasses.replace(die, neurons=neurons, window=window)
    v = preneuron(converted.p + second + layer.bias.astype(np.int64), layer)
    report = LayerReport(
        **errors,
        voltage_clipped=float(((v == V_MIN) | (v == V_MAX)).mean()),
        curves=len(np.unique(curve)),
        pwl_error_lsb=error,
        tail_error_lsb=window.tail_lsb,
        unreachable_neurons=neurons.unreachable,
        bistable_neurons=neurons.bistable,
    )
    codes = neuron(v, layer, curves.base, curves.slope)
    return CompiledLayer(layer, die, report, codes, trained_outputs(dense.activation, exact))


def window_for(chip: Chip, activation: Activation, neurons: Neurons) -> Window:
    """Return the window of a layer: the range of inputs u that the tables of
    its curves cover."""
    if neurons.states is not None and neurons.states.shape is not None:
        return widest_window(chip)
    shape = shape_of(activation, chip.neuron)
    if isinstance(activation, Ndr) and chip.neuron.source_resistance_ohm:
        # With a series resistance, neurons with different currents have differently
        # shaped curves: one whose current is set low peaks at a lower voltage and rises
        # for longer beyond. The window must suit all of them.
        shape = each_of(neurons)
    return window_of(activation, shape, jumps_of(activation, chip.neuron))


def measured(task: Task, mapped: MappedWeights, converted: Converted, biased: Biased) -> dict[str, Any]:
    """Return the fields of the layer's report on weights, converters and columns."""
    dense, chip, rows, step = task.dense, task.chip, task.rows, converted.step
    layer = converted.layer
    if biased.sigma_out is not None:
        layer = dataclasses.replace(layer, sigma_out=biased.sigma_out)
    deviation = task.sums + dense.bias - (converted.linear + biased.bias)
    signal, lost = task.sums.var(axis=0).sum(), np.square(deviation).mean(axis=0).sum()
    cells = (rows.product(rows.exact, mapped.effective) - task.sums).var(axis=0).sum()
    exact_rows = rows.exact.astype(np.float32)  # single precision is enough for these shares
    rounded = np.rint(np.clip(exact_rows, 0, 1) * np.float32(INPUT_MAX))
    coded = (rounded / np.float32(INPUT_MAX) - exact_rows, (rows.codes - rounded) / np.float32(INPUT_MAX))
    codes, before = (rows.product(x, dense.weights).var(axis=0).sum() if x.any() else 0.0 for x in coded)
    noise = (rows.read_noise(layer, chip.array.rows) * np.square(step)).sum()
    converters = max(lost - cells - codes - before, 0.0)
    causes = {CODES: codes, BEFORE: before, CELLS: cells, CONVERTERS: converters, READS: noise}
    span = step * ((1 << chip.readout.adc_bits) - 1)
    return {
        "inputs": dense.inputs,
        "outputs": dense.outputs,
        "tiles": layer.tiles(chip.array.rows),
        **_weight_errors(dense, mapped, chip),
        "adc_clipped": converted.designed.clipped,
        "adc_range": (float(span.min()), float(span.max())) if task.has_adc else (0.0, 0.0),
        "bias_correction": float(np.abs(biased.correction).max()),
        "gain_correction": float(np.abs(converted.gains - 1.0).max()),
        "snr_db": float(10 * np.log10(max(signal, 1e-30) / max(lost, 1e-30))),
        "noisy_snr_db": float(10 * np.log10(max(signal, 1e-30) / max(lost + noise, 1e-30))),
        "largest_cause": max(causes, key=lambda cause: causes[cause]),
    }


def _weight_errors(dense: Dense, mapped: MappedWeights, chip: Chip) -> dict[str, Any]:
    w = dense.weights.astype(np.float64)
    size = max(float(np.sqrt(np.square(w).mean())), 1e-30)
    cell = chip.cell
    limit = mapped.unit * code_max(cell) * (cell.g_max_uS - cell.g_min_uS) / mapped.full_scale_uS
    target = mapped.levels * (limit / (cell.levels - 1))
    return {
        "quantisation_error": float(np.sqrt(np.square(target - w).mean())) / size,
        "programmed_error": float(np.sqrt(np.square(mapped.effective - w).mean())) / size,
        "saturated_codes": mapped.saturated,
        "limited_weights": mapped.limited,
        "stuck_cells": int((mapped.cells.stuck != 0).sum()),
        "pulses": mapped.cells.pulses,
    }
