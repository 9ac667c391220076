"""One layer: weights, ADC ranges, neuron scaling and bias, in the order the signal meets them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
from ndrite.emulator.mapping.report import BEFORE, CELLS, CODES, CONVERTERS, READS, LayerReport, Mitigation
from ndrite.emulator.mapping.weights import (
    BiasCells,
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
from ndrite.emulator.spec.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """How a network is put on a chip, where the defaults are not what is wanted.

    Attributes
    ----------
    mitigation:
        Measures against the chip's errors.
    nominal:
        Program the chip whose cells land on their targets, and say in the program's ``variation`` how those
        of virtual chips spread around them. Converters and neurons are the individual ones of the seed.
    target:
        When given, kernels are programmed several times over, and groups of channels packed
        (``ndrite.emulator.mapping.block``), where that takes fewer cycles on such an array and fits it; else
        once and apart.
    column_steps:
        Each column of a last product of sums has its own step (``die.arrays[-1].step``), as finer ranges ask
        for, where what reads the sums multiplies them by it. False: one step for all, so that sums compare.
    first_product:
        Where the network is a piece of something larger: the number of its first product there, which
        selects its cells, its converters and its read noise.
    one_limit:
        The largest conductance stands for the same weight in all columns of a product.
    """

    mitigation: Mitigation = field(default_factory=Mitigation)
    nominal: bool = False
    target: Geometry | None = None
    column_steps: bool = False
    first_product: int = 0
    one_limit: bool = False


class CompiledLayer:
    """One product on a chip, part by part as the signal meets them, and what it makes of the samples.

    ``rows``: the patches that samples make; ``curves``: those so far, which get the layer's own; ``rngs``
    draw the cells, and the converters and neurons. Raises CompileError when a noise, bias or scale leaves
    the arithmetic's range.

    Attributes
    ----------
    layer, array, report:
        The layer of the program, that of the die, and the report.
    codes, exact:
        Outputs on the samples (n, M): uint8 of the integer arithmetic, read noise off, and float64 of the
        float network.
    """

    def __init__(
        self,
        dense: Dense,
        chip: Chip,
        rows: Rows,
        curves: Curves,
        rngs: tuple[np.random.Generator, np.random.Generator],
        options: MapOptions,
    ) -> None:
        cells_rng, devices_rng = rngs
        mismatch = devices_rng.standard_normal((2, dense.outputs))
        self._dense, self._chip, self._rows, self._options, self._curves = dense, chip, rows, options, curves
        self._programmed_on = without_errors(chip) if options.nominal else None
        self._neurons: Neurons | None = None
        if dense.activation is not None:
            self._neurons = make_neurons(dense.activation, chip, dense.outputs, devices_rng)
        # Sums that are compared with each other: one step has to mean the same in all.
        self._final = dense.activation is None and not options.column_steps
        self._adc = chip.readout.kind == "adc"
        self._wanted = rows.wanted(dense)
        self._mapped = self._programmed(cells_rng)
        self._convert(mismatch)
        self._add_bias(cells_rng)
        self._fire()

    def _programmed(self, rng: np.random.Generator) -> MappedWeights:
        """The cells."""
        options, chip = self._options, self._chip
        # Outputs are compared with each other, so one step of p must be the same logit in every column: by
        # the ADC's gains, or, where there are none, by the weights themselves. A layer's one transimpedance
        # likewise asks one unit of every neuron.
        ratio = np.ones(self._dense.outputs) if (self._final and not self._adc) or options.one_limit else None
        if chip.readout.is_circuit and self._neurons is not None:
            ratio = self._neurons.peaks
        return map_weights(
            self._dense.weights,
            chip,
            rng,
            ratio=ratio,
            mitigation=options.mitigation,
            row_voltage_V=ranges.row_voltages(self._rows.one_group(), chip),
            programmed_on=self._programmed_on,
            movable=self._rows.movable,
        )

    def _convert(self, mismatch: Floats) -> None:
        """Ranges and gains of the columns, ``mismatch`` (2, M) of them, and what they make of the sums.

        ``_p`` int64 (n, M), and ``_linear`` float64 (n, M): what it stands for in the float network;
        ``_step`` (M,): of one unit of p; ``_gains`` (M,): by which columns were corrected.
        """
        chip, measures, final, exact = self._chip, self._options.mitigation, self._final, self._wanted
        mapped, adc, outputs, bits = self._mapped, self._adc, self._dense.outputs, self._chip.input.dac_bits
        sums = self._rows.sums(mapped.codes, chip.array.rows if adc else self._dense.inputs, bits)
        # What the array itself takes from a column's gain is known before its range is chosen, what the
        # converter takes only after.
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
        # Addend of the designed offsets to p.
        places = sum(1 << (j * bits) for j in range(slices(bits)))
        pedestal = designed.offset.astype(np.float64) * (sums.shape[0] * places if adc else 0)
        if gain_kind == "column":
            fitted = ranges.fitted_gain(gain_kind, exact, (partial_sums(sums, layer) - pedestal) * step)
            if final:
                layer = dataclasses.replace(layer, gain=ranges.trim(built, fitted).gain)
            else:
                step = step * fitted
            gains = gains * fitted
        p = partial_sums(sums, layer)
        columns = build_columns(p.astype(np.float64), chip, mismatch, final=self._neurons is None)
        linear = (p * columns.gain + columns.offset - pedestal) * step
        if gain_kind == "common":
            peaks = 1.0 if self._neurons is None else self._neurons.peaks
            fitted = ranges.fitted_gain(gain_kind, exact, linear, peaks)
            gains, step, linear = gains * fitted, step * fitted, linear * fitted
        self.layer, self._designed, self._built, self._columns = layer, designed, built, columns
        self._pedestal, self._p, self._linear, self._step, self._gains = pedestal, p, linear, step, gains

    def _add_bias(self, rng: np.random.Generator) -> None:
        """Biases, in cells or digital: programmed last, when what the columns lack can be measured.

        ``_added`` (M,), before rounding, and ``_bias`` (M,), what that stands for; ``_correction`` (M,): what
        is taken up of the columns' mean deviation.
        """
        chip, measures, columns, step = self._chip, self._options.mitigation, self._columns, self._step
        self._correction = np.zeros(self._dense.outputs)
        if measures.bias_correction:
            self._correction = (self._wanted - self._linear).mean(axis=0)
        bias = self._dense.bias + self._correction
        added = (bias / step + columns.offset) / columns.gain - self._pedestal
        self._held: BiasCells | None = None
        if chip.readout.bias == "cells":
            options = {"mitigation": measures, "programmed_on": self._programmed_on}
            cells = program_bias(np.asarray(bias, np.float64), self._mapped, chip, rng, **options)
            self._held = BiasCells(cells, bias / step, columns.offset / columns.gain)
            added = self._held.total
            bias = self._held.current * columns.gain * step
        if not self._adc:
            sigma_out = total_noise(columns, self._held, self.layer.var_cell)
            self.layer = dataclasses.replace(self.layer, sigma_out=sigma_out)
        self._added, self._bias = added, bias

    def _fire(self) -> None:
        """The neurons: the layer whole, its curves among the others, and what it makes of the samples."""
        dense, rows, layer, step, bias_cells = self._dense, self._rows, self.layer, self._step, self._held
        columns, neurons = None if self._adc else self._columns, self._neurons
        die = DieArray(self._mapped, step, self._designed, self._built, columns=columns, bias=bias_cells)
        second: Ints = np.zeros(1, np.int64)
        second_operand = np.zeros(1)
        if rows.second is not None:
            gain, shift = skip_gain(rows.second.weight, step)
            die = dataclasses.replace(die, skip_gain=gain, skip_shift=shift)
            second = rshift_round(rows.second.codes.astype(np.int64) * gain.astype(np.int64), shift)
            second_operand = rows.second.exact * rows.second.weight
        measured, exact = self._measured(), self._wanted + second_operand + dense.bias
        if dense.activation is None or neurons is None:
            self.layer, self.array = dataclasses.replace(layer, bias=int32("bias", self._added)), die
            self.codes, self.exact = np.zeros(exact.shape, np.uint8), exact
            self.report = LayerReport(
                **measured, voltage_clipped=0.0, curves=0, pwl_error_lsb=0.0, tail_error_lsb=0.0
            )
            return
        window = self._window(dense.activation, neurons)
        curve_codes, curve_of = curves_of(neurons, window, dense.outputs)
        distinct, error = self._curves.fit(curve_codes)
        curve = distinct[curve_of]
        scale, vshift = scale_and_shift(window.per_unit * step * self._columns.gain / neurons.peaks)
        zero = window.zero / (scale / 2.0**vshift)
        self.layer = layer = dataclasses.replace(
            layer,
            scale=scale.astype(np.uint16),
            vshift=vshift,
            curve=curve,
            bias=int32("bias", self._added + zero),
        )
        if bias_cells is not None:
            die = dataclasses.replace(
                die, bias=dataclasses.replace(bias_cells, fixed=bias_cells.fixed + zero)
            )
        if isinstance(dense.activation, Ndr):
            die = dataclasses.replace(die, neurons=neurons, window=window)
        v = preneuron(self._p + second + layer.bias.astype(np.int64), layer)
        self.array = die
        self.codes = neuron(v, layer, self._curves.base, self._curves.slope)
        self.exact = trained_outputs(dense.activation, exact)
        self.report = LayerReport(
            **measured,
            voltage_clipped=float(((v == V_MIN) | (v == V_MAX)).mean()),
            curves=len(np.unique(curve)),
            pwl_error_lsb=error,
            tail_error_lsb=window.tail_lsb,
            unreachable_neurons=neurons.unreachable,
            bistable_neurons=neurons.bistable,
        )

    def _window(self, activation: Activation, neurons: Neurons) -> Window:
        """Pre-activations that the curves' tables span."""
        chip = self._chip
        if neurons.states is not None and neurons.states.shape is not None:
            return widest_window(chip)
        shape = shape_of(activation, chip.neuron)
        if isinstance(activation, Ndr) and chip.neuron.source_resistance_ohm:
            # Behind a resistance a neuron whose current is set low peaks earlier and rises for longer.
            shape = each_of(neurons)
        return window_of(activation, shape, jumps_of(activation, chip.neuron))

    def _measured(self) -> dict[str, Any]:
        """The report's fields of weights, converters and columns."""
        dense, chip, mapped, step = self._dense, self._chip, self._mapped, self._step
        deviation = self._wanted + dense.bias - (self._linear + self._bias)
        signal, lost = self._wanted.var(axis=0).sum(), np.square(deviation).mean(axis=0).sum()
        exact = self._rows.product(self._rows.exact, mapped.effective) - self._wanted
        cells = exact.var(axis=0).sum()
        exact_rows = self._rows.exact.astype(np.float32)  # fast: causes are only compared
        rounded = np.rint(np.clip(exact_rows, 0, 1) * np.float32(INPUT_MAX))
        coded = (
            rounded / np.float32(INPUT_MAX) - exact_rows,
            (self._rows.codes - rounded) / np.float32(INPUT_MAX),
        )
        codes, before = (
            self._rows.product(x, dense.weights).var(axis=0).sum() if x.any() else 0.0 for x in coded
        )
        noise = (self._rows.read_noise(self.layer, chip.array.rows) * np.square(step)).sum()
        converters = max(lost - cells - codes - before, 0.0)
        causes = {CODES: codes, BEFORE: before, CELLS: cells, CONVERTERS: converters, READS: noise}
        span = step * ((1 << chip.readout.adc_bits) - 1)
        return {
            "inputs": dense.inputs,
            "outputs": dense.outputs,
            "tiles": self.layer.tiles(chip.array.rows),
            **_weight_errors(dense, mapped, chip),
            "adc_clipped": self._designed.clipped,
            "adc_range": (float(span.min()), float(span.max())) if self._adc else (0.0, 0.0),
            "bias_correction": float(np.abs(self._correction).max()),
            "gain_correction": float(np.abs(self._gains - 1.0).max()),
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
