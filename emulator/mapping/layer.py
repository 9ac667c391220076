"""One layer: weights, ADC ranges, neuron scaling and bias, in the order the signal meets them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ndr.pwl import PwlTable, fit_pwl
from emulator.device.ndr.window import Window
from emulator.golden.neuron import neuron, preneuron
from emulator.mapping import ranges
from emulator.mapping.columns import BiasCells, Columns, build_columns, program_bias, total_noise
from emulator.mapping.devices import (
    Neurons,
    curves_of,
    each_of,
    jumps_of,
    make_neurons,
    shape_of,
    trained_outputs,
    window_of,
)
from emulator.mapping.die import DieArray
from emulator.mapping.mitigation import Mitigation
from emulator.mapping.ranges import AdcRange, Sums, partial_sums
from emulator.mapping.report import CELLS, CONVERTERS, READS, LayerReport
from emulator.mapping.samples import Rows, skip_gain
from emulator.mapping.scaling import cell_noise, int32, output_noise, scale_and_shift
from emulator.mapping.shapes import widest_window
from emulator.mapping.variation import without_errors
from emulator.mapping.weights import MappedWeights, code_max, map_weights
from emulator.network import Dense, Ndr
from emulator.spec import Layer
from emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MAX, V_MIN, rshift_round, slices
from emulator.spec.brief import brief_repr

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """How a network is put on a chip, where the defaults are not what is wanted.

    Attributes
    ----------
    segments, table_bits:
        Segments of a curve table (power of two) and its fraction bits.
    mitigation:
        Measures against the chip's errors.
    nominal:
        Program the chip whose cells land on their targets, and say in the program's ``variation`` how those
        of virtual chips spread around them. Converters and neurons are the individual ones of the seed.
    lanes:
        When given, kernels are programmed several times over, and groups of channels packed
        (``emulator.mapping.block``), where that takes fewer cycles on so many lanes; else once and apart.
    depth:
        With ``lanes``: weight words that each of them has, which copies of kernels must not exceed.
    column_steps:
        Each column of a last product of sums has its own step (``die.arrays[-1].step``), as finer ranges ask
        for, where what reads the sums multiplies them by it. False: one step for all, so that sums compare.
    first_product:
        Where the network is a piece of something larger: the number of its first product there, which
        selects its cells, its converters and its read noise.
    one_limit:
        The largest conductance stands for the same weight in all columns of a product: what an array that is
        read from both sides needs (``transposed``).
    programmed:
        The cells of a network with a single product, where they are there already: those of another die's
        array read from its columns.
    """

    segments: int = 32
    table_bits: int = 6
    mitigation: Mitigation = field(default_factory=Mitigation)
    nominal: bool = False
    lanes: int | None = None
    depth: int | None = None
    column_steps: bool = False
    first_product: int = 0
    one_limit: bool = False
    programmed: MappedWeights | None = None

    @property
    def segment_bits(self) -> int:
        """f of the arithmetic."""
        return V_BITS - (self.segments.bit_length() - 1)


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """A product's layer, the curve table so far (if any), outputs on the samples, report, and the die's part.

    ``codes`` uint8 (n, M): outputs of the integer arithmetic, read noise off; ``exact`` float64 (n, M):
    the float network's.
    """

    __repr__ = brief_repr

    layer: Layer
    table: PwlTable | None
    codes: npt.NDArray[np.uint8]
    exact: Floats
    report: LayerReport
    array: DieArray


def compile_layer(
    dense: Dense,
    chip: Chip,
    rows: Rows,
    table: PwlTable | None,
    rngs: tuple[np.random.Generator, np.random.Generator],
    options: MapOptions,
) -> CompiledLayer:
    """Compile one product for the patches that samples make: weights, converters, neurons, measured.

    ``rngs`` draw the cells, and the converters and neurons.

    Raises
    ------
    CompileError
        When a noise, bias or scale leaves the arithmetic's range.
    """
    cells_rng, devices_rng = rngs
    mismatch = devices_rng.standard_normal((2, dense.outputs))
    activation = dense.activation
    neurons = None if activation is None else make_neurons(activation, chip, dense.outputs, devices_rng)
    product = Product(dense, chip, rows, options, neurons)
    mapped = product.weights(cells_rng)
    read = product.converters(mapped, mismatch)
    biased = product.bias(mapped, read, cells_rng)
    return product.neurons_of(mapped, read, biased, table)


@dataclass(frozen=True, eq=False)
class Read:
    """What converters and columns make of the samples' sums.

    ``layer`` without bias and neurons; ``p`` int64 (n, M), and ``linear`` float64 (n, M): what it stands for
    in the float network; ``step`` (M,): of one unit of p; ``gains`` (M,): by which columns were corrected.
    """

    layer: Layer
    designed: AdcRange
    built: AdcRange
    columns: Columns
    pedestal: Floats
    p: Ints
    linear: Floats
    step: Floats
    gains: Floats


@dataclass(frozen=True, eq=False)
class Biased:
    """Biases of columns: ``added`` (M,), before rounding, and ``bias`` (M,), what that stands for.

    ``layer`` has its noise; ``correction`` (M,): what is taken up of the columns' mean deviation.
    """

    layer: Layer
    added: Floats
    bias: Floats
    correction: Floats
    held: BiasCells | None


@dataclass(frozen=True, eq=False)
class Product:
    """One product on its way onto a chip: the float network's, and what samples make of it."""

    dense: Dense
    chip: Chip
    rows: Rows
    options: MapOptions
    neurons: Neurons | None

    @property
    def final(self) -> bool:
        """Whether its sums are compared with each other, so that one step has to mean the same in all."""
        return self.dense.activation is None and not self.options.column_steps

    @cached_property
    def wanted(self) -> Floats:
        """The float network's sums without bias, (n, M)."""
        return self.rows.wanted(self.dense)

    def weights(self, rng: np.random.Generator) -> MappedWeights:
        """The cells as programmed."""
        adc, options, chip = self.chip.readout.kind == "adc", self.options, self.chip
        # Outputs are compared with each other, so one step of p must be the same logit in every column: by
        # the ADC's gains, or, where there are none, by the weights themselves. A layer's one transimpedance
        # likewise asks one unit of every neuron.
        ratio = np.ones(self.dense.outputs) if (self.final and not adc) or options.one_limit else None
        if chip.readout.is_circuit and self.neurons is not None:
            ratio = self.neurons.peaks
        return options.programmed or map_weights(
            self.dense.weights,
            chip,
            rng,
            ratio=ratio,
            mitigation=options.mitigation,
            row_voltage_V=ranges.row_voltages(self.rows.one_group(), chip),
            programmed_on=without_errors(chip) if options.nominal else None,
            movable=self.rows.movable,
        )

    def converters(self, mapped: MappedWeights, mismatch: Floats) -> Read:
        """Ranges and gains of the columns, ``mismatch`` (2, M) of them."""
        chip, measures, final, wanted = self.chip, self.options.mitigation, self.final, self.wanted
        adc, outputs = chip.readout.kind == "adc", self.dense.outputs
        array_rows = chip.array.rows if adc else self.dense.inputs
        sums = self.rows.sums(mapped.codes, array_rows, chip.input.dac_bits)
        # What the array itself takes from a column's gain is known before its range is chosen, what the
        # converter takes only after.
        which, gains = measures.gains(chip, final=final), np.ones(outputs)
        if which == "column":
            gains = ranges.column_gain(wanted, ranges.placed(sums, chip) * (mapped.unit / INPUT_MAX))
        unit = mapped.unit * gains
        designed = ranges.design(sums, mapped.codes, chip, measures, unit if final else None)
        built = ranges.build(designed, chip, mismatch)
        step = unit * (designed.lsb if adc else 1.0) / INPUT_MAX
        if final:
            step = np.full(outputs, step.mean())
        layer = _bare_layer(mapped, built, chip, self.options)
        pedestal = _pedestal(designed, sums, chip)
        if which == "column":
            rest = ranges.column_gain(wanted, (partial_sums(sums, layer) - pedestal) * step)
            if final:
                layer = dataclasses.replace(layer, gain=ranges.trim(built, rest).gain)
            else:
                step = step * rest
            gains = gains * rest
        p = partial_sums(sums, layer)
        columns = build_columns(p.astype(np.float64), chip, mismatch, final=final)
        linear = (p * columns.gain + columns.offset - pedestal) * step
        if which == "common":
            peaks = 1.0 if self.neurons is None else self.neurons.peaks
            rest = ranges.fitted_gain(which, wanted, linear, peaks)
            gains, step, linear = gains * rest, step * rest, linear * rest
        return Read(layer, designed, built, columns, pedestal, p, linear, step, gains)

    def bias(self, mapped: MappedWeights, read: Read, rng: np.random.Generator) -> Biased:
        """Biases, in cells or digital: programmed last, when what the columns lack can be measured."""
        chip, measures, layer, columns = self.chip, self.options.mitigation, read.layer, read.columns
        correction = np.zeros(self.dense.outputs)
        if measures.bias_correction:
            correction = (self.wanted - read.linear).mean(axis=0)
        bias = self.dense.bias + correction
        added = (bias / read.step + columns.offset) / columns.gain - read.pedestal
        held: BiasCells | None = None
        if chip.readout.bias == "cells":
            cells = program_bias(np.asarray(bias, np.float64), mapped, chip, rng, measures)
            held = BiasCells(cells, bias / read.step, columns.offset / columns.gain)
            added = held.total
            bias = held.current * columns.gain * read.step
        if chip.readout.kind != "adc":
            layer = dataclasses.replace(layer, sigma_out=total_noise(columns, held, layer.var_cell))
        return Biased(layer, added, bias, correction, held)

    def neurons_of(
        self, mapped: MappedWeights, read: Read, biased: Biased, table: PwlTable | None
    ) -> CompiledLayer:
        """The layer whole, its curves among those of ``table``, and what it makes of the samples."""
        dense, rows, layer, step = self.dense, self.rows, biased.layer, read.step
        columns = None if self.chip.readout.kind == "adc" else read.columns
        die = DieArray(mapped, step, read.designed, read.built, columns=columns, bias=biased.held)
        second: Ints = np.zeros(1, np.int64)
        beside = np.zeros(1)
        if rows.second is not None:
            gain, shift = skip_gain(rows.second.weight, step)
            die = dataclasses.replace(die, skip_gain=gain, skip_shift=shift)
            second = rshift_round(rows.second.codes.astype(np.int64) * gain.astype(np.int64), shift)
            beside = rows.second.exact * rows.second.weight
        measured, exact = self._measured(mapped, read, biased), self.wanted + beside + dense.bias
        if dense.activation is None or self.neurons is None:
            layer = dataclasses.replace(layer, bias=int32("bias", biased.added))
            report = LayerReport(
                **measured, voltage_clipped=0.0, curves=0, pwl_error_lsb=0.0, tail_error_lsb=0.0
            )
            return CompiledLayer(layer, table, np.zeros(exact.shape, np.uint8), exact, report, die)
        window = self._window()
        table, curve, error = add_curves(*curves_of(self.neurons, window, dense.outputs), table, self.options)
        scale, vshift = scale_and_shift(window.per_unit * step * read.columns.gain / self.neurons.peaks)
        zero = window.zero / (scale / 2.0**vshift)
        layer = dataclasses.replace(
            layer,
            scale=scale.astype(np.uint16),
            vshift=vshift,
            curve=curve,
            bias=int32("bias", biased.added + zero),
        )
        if biased.held is not None:
            die = dataclasses.replace(
                die, bias=dataclasses.replace(biased.held, fixed=biased.held.fixed + zero)
            )
        v = preneuron(read.p + second + layer.bias.astype(np.int64), layer)
        report = LayerReport(
            **measured,
            voltage_clipped=float(((v == V_MIN) | (v == V_MAX)).mean()),
            curves=len(np.unique(curve)),
            pwl_error_lsb=error,
            tail_error_lsb=window.tail_lsb,
            unreachable_neurons=self.neurons.unreachable,
            bistable_neurons=self.neurons.bistable,
        )
        if isinstance(dense.activation, Ndr):
            die = dataclasses.replace(die, neurons=self.neurons, window=window)
        y = neuron(v, layer, table.base, table.slope)
        return CompiledLayer(layer, table, y, trained_outputs(dense.activation, exact), report, die)

    def _window(self) -> Window:
        """Pre-activations that the curves' tables span."""
        activation, chip, neurons = self.dense.activation, self.chip, self.neurons
        assert activation is not None
        if neurons is not None and neurons.states is not None and neurons.states.shape is not None:
            return widest_window(chip, self.options.segments)
        shape = shape_of(activation, chip.neuron)
        if neurons is not None and isinstance(activation, Ndr) and chip.neuron.source_resistance_ohm:
            # Behind a resistance a neuron whose current is set low peaks earlier and rises for longer.
            shape = each_of(neurons)
        return window_of(activation, shape, self.options.segments, jumps_of(activation, chip.neuron))

    def _measured(self, mapped: MappedWeights, read: Read, biased: Biased) -> dict[str, Any]:
        """The report's fields of weights, converters and columns."""
        dense, chip = self.dense, self.chip
        deviation = self.wanted + dense.bias - (read.linear + biased.bias)
        signal, lost = self.wanted.var(axis=0).sum(), np.square(deviation).mean(axis=0).sum()
        exact = self.rows.product(self.rows.exact, mapped.effective) - self.wanted
        cells = exact.var(axis=0).sum()
        noise = (self.rows.read_noise(biased.layer, chip.array.rows) * np.square(read.step)).sum()
        causes = {CELLS: cells, CONVERTERS: max(lost - cells, 0.0), READS: noise}
        return {
            "inputs": dense.inputs,
            "outputs": dense.outputs,
            "tiles": -(-dense.inputs // read.layer.tile_rows(chip.array.rows)),
            **_weight_errors(dense, mapped, chip),
            "adc_clipped": read.designed.clipped,
            "adc_range": _range_span(read.step, chip) if chip.readout.kind == "adc" else (0.0, 0.0),
            "bias_correction": float(np.abs(biased.correction).max()),
            "gain_correction": float(np.abs(read.gains - 1.0).max()),
            "snr_db": float(10 * np.log10(max(signal, 1e-30) / max(lost, 1e-30))),
            "noisy_snr_db": float(10 * np.log10(max(signal, 1e-30) / max(lost + noise, 1e-30))),
            "largest_cause": max(causes, key=lambda cause: causes[cause]),
        }


def _bare_layer(mapped: MappedWeights, built: AdcRange, chip: Chip, options: MapOptions) -> Layer:
    """The layer with everything but bias, scale and curves."""
    outputs = mapped.codes.shape[1]
    return Layer(
        weights=mapped.codes,
        bias=np.zeros(outputs, np.int32),
        gain=built.gain,
        offset=built.offset,
        scale=np.zeros(outputs, np.uint16),
        curve=np.zeros(outputs, np.uint16),
        readout=chip.readout.kind,
        dac_bits=chip.input.dac_bits,
        adc_bits=chip.readout.adc_bits,
        shift=built.shift,
        segment_bits=options.segment_bits,
        table_bits=options.table_bits,
        sigma_out=output_noise(chip, built),
        var_cell=cell_noise(chip, mapped),
    )


def _pedestal(designed: AdcRange, sums: Sums, chip: Chip) -> Floats:
    """What the designed offsets add to p."""
    places = sum(1 << (j * chip.input.dac_bits) for j in range(slices(chip.input.dac_bits)))
    times = sums.shape[0] * places if chip.readout.kind == "adc" else 0
    return designed.offset.astype(np.float64) * times


def add_curves(
    wanted: Floats, which: npt.NDArray[np.intp], table: PwlTable | None, options: MapOptions
) -> tuple[PwlTable, npt.NDArray[np.uint16], float]:
    """Fit curves (Q, 4096), join them to the table without repeats.

    Returns the table, the index of each neuron's curve, given ``which`` of the curves it has, and the largest
    error in steps.
    """
    fitted = fit_pwl(wanted, segments=options.segments, table_bits=options.table_bits)
    known: dict[bytes, int] = {}
    if table is not None:
        known = {row.tobytes(): q for q, row in enumerate(np.hstack([table.base, table.slope]))}
    rows = np.hstack([fitted.base, fitted.slope])
    index = np.array([known.setdefault(row.tobytes(), len(known)) for row in rows])
    both = np.stack([np.frombuffer(key, np.int32) for key in known])
    base, slope = np.hsplit(both, 2)
    table = PwlTable(base.copy(), slope.copy(), fitted.segment_bits, fitted.table_bits, fitted.error_lsb)
    return table, index[which].astype(np.uint16), fitted.max_error_lsb


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


def _range_span(step: Floats, chip: Chip) -> tuple[float, float]:
    span = step * ((1 << chip.readout.adc_bits) - 1)
    return float(span.min()), float(span.max())
