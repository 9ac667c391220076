"""Forward pass of a die in floating point, with any set of causes of error switched on."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.curves import NdrModel, Shaped
from ndrite.emulator.device.ndr.pwl import SEGMENT_BITS, TABLE_BITS, fit_pwl
from ndrite.emulator.device.rram.drift import age
from ndrite.emulator.device.rram.programming import readable
from ndrite.emulator.mapping import Die, DieArray
from ndrite.emulator.mapping.block import blocked, packed
from ndrite.emulator.mapping.cells import nearest, settled_parts
from ndrite.emulator.mapping.curves import placed
from ndrite.emulator.mapping.devices import (
    Neurons,
    Shape,
    curves_of,
    heights_and_peaks,
    trained_outputs,
    trained_shape,
    window_of,
    without_load,
)
from ndrite.emulator.mapping.die import DieTable
from ndrite.emulator.mapping.explain.traps import Traps
from ndrite.emulator.mapping.ranges import Rows, fitted_gain, telegraph_share
from ndrite.emulator.mapping.report import Mitigation
from ndrite.emulator.network import Activation, Dense, Gate, Ndr, Network, Pool, Product, Table
from ndrite.emulator.network.floats import FloatArithmetic
from ndrite.emulator.spec import Layer, Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, Array, Codes, Floats, slices, unit_codes
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.evaluate import At, last

Maps = list[Floats]

EVERY_GAIN = Mitigation(gain_calibration=True)
NOISE = {"read noise", "telegraph noise"}
CONVERTING = {"ADC nonlinearity", "ADC clipping", "ADC rounding", "converter mismatch", *NOISE}
VALUES_MAX = 1 << 25
"""Largest number of patch values computed together, unless a single sample has more."""
CORRECTED_ROWS = 1 << 14
"""Largest number of patches from which column corrections are computed, if there is
more than one patch per sample."""

LATER = "drift since correction"
CAUSES: dict[str, str] = {
    "quantised weights": "levels, the column's limit, conductance codes",
    "programming error": "programmed minus target conductance",
    "drift": "relaxation and drift to the chip's time, or to when it was corrected",
    LATER: "what drift went on to after gains and biases were measured (conditions.corrected_at_s)",
    "faults": "stuck cells, with what compensation does to their pairs",
    "IR drop": "wires, access transistors, I-V curve, with what compensation does to levels",
    "settling": "far ends of wires that have not settled when columns are read",
    "DAC": "hidden outputs rounded to the 8-bit input code",
    "ADC nonlinearity": "columns' amplifiers compress large currents; not in programs, not on boards",
    "ADC clipping": "sums beyond the converters' range",
    "ADC rounding": "the converters' steps",
    "converter mismatch": "gain and offset of every column off the design",
    "bias cells": "biases held by rows of cells: levels, errors, faults",
    "read noise": "cells, columns and converters at every read",
    "telegraph noise": "traps of cells that fill and empty between inferences",
    "NDR device": "curves of neurons and bases, their spread, what ECRAMs reach, against the float curve",
    "load line": "the resistance that devices are driven through: a bent curve, with a jump where bistable",
    "PWL fit": "12-bit voltage code and piecewise-linear table",
}
"""Causes of error in the order in which the signal meets them, with a description of each."""


def weight_changes(dense: Dense, array: DieArray, chip: Chip) -> dict[str, Floats]:
    """Return a dictionary from each cause of error to the change (K, M) that it makes
    to the weights of one matrix product on this die, in the unit of the float weights.

    The changes are consecutive differences along the chain float, levels, programmed,
    aged, faulted, effective, codes, so their sum is exactly the difference of the
    chip's weights from the float network's.
    """
    mapped, cells, cell = array.mapped, array.mapped.cells, chip.cell
    per_uS = mapped.limits / (cell.g_max_uS - cell.g_min_uS)

    def weights(pair: Floats) -> Floats:
        result: Floats = (pair[0] - pair[1]) * per_uS
        return result

    top = cell.levels - 1
    programmed_for = mapped.levels * (mapped.limits / top)
    quantised = nearest(dense.weights / mapped.limits * top, top) * (mapped.limits / top)
    target, programmed, aged = weights(cells.target), weights(readable(cells.programmed)), weights(cells.aged)
    faulted, effective = weights(cells.faulted), weights(cells.effective)
    parts = settled_parts(cells.effective, chip, cells.place)
    # Wire loss is what is lost besides settling, so the effective conductance is
    # divided by the settled fraction. Where that fraction is 0, the division is not
    # possible, and the whole loss counts as settling.
    wired = weights(np.divide(cells.effective, parts, out=cells.faulted.copy(), where=parts > 0))
    early, corrected = aged, chip.conditions.corrected_at_s
    if corrected is not None:
        early = weights(age(cells.programmed, cells.target, cell.drift_model, corrected, cells.ageing))
    return {
        "quantised weights": (quantised - dense.weights) + (mapped.effective - effective),
        "programming error": programmed - target,
        "drift": early - programmed,
        LATER: aged - early,
        "faults": (faulted - aged) + (target - programmed_for),
        "IR drop": (wired - faulted) + (programmed_for - quantised),
        "settling": effective - wired,
    }


@record()
class Stage:
    """One matrix product on the die: its layer in the program (integer codes), its
    array of cells, and by how much each cause of error changes its float weights.

    ``telegraph``: the part of its cells' read noise that is telegraph noise, 0..1.
    ``compression`` (M,): what each column's amplifier adds to 1 in the denominator at
    the end of its converter's range.
    """

    node: Product
    layer: Layer
    array: DieArray
    weights: Floats
    changes: dict[str, Floats]
    telegraph: float
    compression: Floats

    @property
    def activation(self) -> Activation | None:
        """Activation of the matrix product in the float network; None if it has none."""
        return self.node.dense.activation


def stages(network: Network, program: Program, die: Die) -> list[Stage]:
    """Return the data that ``Forward`` needs of a mapped network: one ``Stage`` for
    each matrix product."""
    built: list[Stage] = []
    for node, step, array in zip(network.products, program.products, die.arrays, strict=True):
        wide = blocked(packed(node, step.patches.groups), step.block)
        changes = weight_changes(wide.dense, array, die.chip)
        weights = wide.dense.weights.astype(np.float64)
        telegraph = telegraph_share(die.chip, array.mapped)
        compression = _compression(die, len(built), step.layer.outputs)
        built.append(Stage(wide, step.layer, array, weights, changes, telegraph, compression))
    return built


def _compression(die: Die, number: int, columns: int) -> Floats:
    """Sample how strongly the amplifiers of the columns (M,) of matrix product
    ``number`` compress. The values depend only on the die's seed and the number."""
    readout = die.chip.readout
    lost = readout.compression_percent / 100
    drawn = np.random.Generator(np.random.Philox(key=[die.seed, number])).standard_normal(columns)
    spread = 1 + readout.compression_mismatch_percent / 100 * drawn
    return np.asarray(lost / (1 - lost) * np.maximum(spread, 0.0), np.float64)


@dataclass(eq=False)
class Forward(FloatArithmetic):
    """Forward pass of a mapped network in floats, in the float network's unit. Only the
    named causes of error are switched on.

    ``seed`` is of the read noise; this model's draws are not the golden model's.
    ``corrections``: column gains and biases of each product, found on samples.
    """

    network: Network
    program: Program
    die: Die
    built: list[Stage]
    causes: Collection[str]
    seed: int = 0
    corrections: list[tuple[Floats, Floats]] = field(default_factory=list)

    def correct(self, samples: Codes) -> None:
        """Compute corrections of column gains (if the chip can set them) and biases
        from ``samples`` uint8 (n, inputs)."""
        positions_max = max((s.node.patches.positions for s in self.built), default=1)
        few = samples if positions_max == 1 else samples[: max(16, CORRECTED_ROWS // positions_max)]
        exact = self.network.calls_of(few / INPUT_MAX)
        self.corrections, causes = [], self.causes
        # On a real chip, corrections are measured before later drift, so the causes of
        # error that act later are switched off here.
        self.causes = [cause for cause in causes if cause != LATER]
        self._run(few, [[m.astype(np.float64) for m in maps] for maps in exact])
        self.causes = causes

    def logits(self, x: Codes) -> Floats:
        """Return the outputs (n, outputs) for input codes uint8 (n, inputs)."""
        values_max = max((s.node.patches.positions * s.weights.shape[0] for s in self.built), default=1)
        batch = max(1, VALUES_MAX // values_max)
        parts = [self._run(x[i : i + batch], None, i) for i in range(0, len(x), batch)]
        return np.concatenate(parts)

    def _run(self, x: Codes, exact: list[Maps] | None, first: int = 0) -> Floats:
        """Return the outputs (n, outputs) of samples x, numbered from ``first`` on for
        the read noise. ``exact``: the float network's maps of every time step, given
        while corrections are computed."""
        self._exact, self._first = exact, first
        return np.asarray(last(self.network.run(self, x / INPUT_MAX))[-1].reshape(len(x), -1))

    def coded(self, y: Floats) -> Floats:
        """Return values rounded to 8-bit input codes if the cause of error "DAC" is
        being simulated, else unchanged."""
        return unit_codes(y) if "DAC" in self.causes else y

    def table(self, at: At, node: Table, maps: Maps) -> Floats:  # type: ignore[override]
        die_table = self.die.tables[at.nth] if at.nth < len(self.die.tables) else None
        x, outputs = node.source(maps), len(node.channel)
        neurons = self._neurons(None if die_table is None else die_table.neurons, node.activation, outputs)
        table = DieTable(neurons, node.gain.astype(np.float64), node.shift_by.astype(np.float64))
        v = np.moveaxis(x[:, node.channel], 1, -1)
        if "PWL fit" in self.causes:
            offset, scale, exact_codes = placed(table.values())
            y = self._looked_up(exact_codes, np.arange(outputs), (v * INPUT_MAX + offset) * scale)
        else:
            y = neurons.curves((v * table.gain + table.shift) / neurons.peaks)
        return self.coded(np.moveaxis(y, -1, 1))

    def pool(self, at: At, node: Pool, maps: Maps) -> Floats:  # type: ignore[override]
        return self.coded(super().pool(at, node, _single(node, maps)).astype(np.float64))

    def gate(self, at: At, node: Gate, maps: Maps) -> Floats:  # type: ignore[override]
        return self.coded(super().gate(at, node, _single(node, maps)).astype(np.float64))

    def product(self, at: At, node: Product, maps: Maps) -> Floats:  # type: ignore[override]
        number, stage = at.nth, self.built[at.nth]
        exact = None if self._exact is None else self._exact[at.call]
        rng = np.random.Generator(np.random.Philox(key=[self.seed, number + (self._first << 32)]))
        node, patches = stage.node, stage.node.patches
        h = patches.cut(node.source(maps), node.pad)
        n, positions = h.shape[:2]
        rows = Rows(np.zeros((0, 0), np.uint8), h.reshape(n * positions, -1), patches.groups)
        weights = stage.weights + sum(
            (stage.changes[c] for c in self.causes if c in stage.changes), np.zeros(1)
        )
        z = (
            self._converted(stage, rows, weights, rng, n)
            if CONVERTING & set(self.causes)
            else rows.product(rows.exact, weights)
        )
        columns = stage.array.columns
        if columns is not None and "converter mismatch" in self.causes:
            z = z * columns.gain + columns.offset * stage.array.step
        if exact is not None and number == len(self.corrections):
            exact_patches = patches.cut(node.source(exact), node.pad)
            exact_sums = rows.product(exact_patches.reshape(n * positions, -1), stage.weights)
            gain_kind = EVERY_GAIN.gains(self.die.chip, final=stage.activation is None)
            devices = stage.array.neurons
            gain = fitted_gain(gain_kind, exact_sums, z, 1.0 if devices is None else devices.peaks)
            self.corrections.append((gain, (exact_sums - z * gain).mean(axis=0)))
        if self.corrections:
            gain, bias = self.corrections[number]
            z = z * gain + bias
        z = z + node.dense.bias
        bias_cells = stage.array.bias
        if bias_cells is not None and "bias cells" in self.causes:
            z = z + (bias_cells.current - bias_cells.asked) * stage.array.step
        if node.skip is not None:
            assert node.skip_weight is not None
            z = z + (patches.gather(maps[node.skip], node.block) * node.skip_weight).reshape(z.shape)
        y = self._activated(stage, z)
        return patches.place(y.reshape(n, positions, -1), node.block)

    def _converted(
        self, stage: Stage, rows: Rows, weights: Floats, rng: np.random.Generator, samples: int
    ) -> Floats:
        """Return the pre-activations of a matrix product without bias, with the effects
        of row tiles, input bit slices, noise and converters. ``rows`` holds the patches
        of ``samples`` samples, equally many for each sample."""
        layer, array = stage.layer, stage.array
        adc, bits = layer.readout == "adc", layer.dac_bits
        per_tile = layer.tile_rows(self.die.chip.array.rows)
        half = float(1 << (layer.adc_bits - 1))
        built = array.built if "converter mismatch" in self.causes else array.designed
        total = np.zeros((len(rows.exact), layer.outputs))
        shares = {"read noise": 1 - stage.telegraph, "telegraph noise": stage.telegraph}
        x = rows.exact.reshape(len(rows.exact), rows.groups, -1)
        trapped = None
        if "telegraph noise" in self.causes and self.die.chip.cell.telegraph_dwell:
            shares["telegraph noise"], trapped = 0.0, self._trapped(stage, rows, per_tile, samples)
        for k in range(0, layer.inputs, per_tile):
            w = weights[k : k + per_tile] / array.mapped.unit
            for j, part in enumerate(_sliced(x[:, :, k : k + per_tile] * INPUT_MAX, bits)):
                a = rows.product(part.reshape(len(part), -1), w)
                if trapped is not None:
                    a = a + trapped[k // per_tile, j]
                if NOISE & set(self.causes):
                    power = layer.var_cell / 256 * np.square(part).sum(axis=2)
                    variance = power * sum(share for cause, share in shares.items() if cause in self.causes)
                    variance += layer.sigma_out**2 * ("read noise" in self.causes)
                    deviation = np.repeat(np.sqrt(variance), layer.outputs // rows.groups, axis=1)
                    a = a + deviation * rng.standard_normal(a.shape)
                if adc:
                    steps = a / built.lsb
                    if "ADC nonlinearity" in self.causes:
                        steps = steps / (1 + stage.compression * np.abs(steps) / half)
                    c = steps + built.offset
                    if "ADC rounding" in self.causes:
                        c = np.floor(c + 0.5)
                    if "ADC clipping" in self.causes:
                        edge = 0.0 if "ADC rounding" in self.causes else 0.5
                        c = np.clip(c, -half - edge, half - 1 + edge)
                    a = (c - array.designed.offset) * array.designed.lsb
                total += a * float(1 << (j * bits))
        return np.asarray(total * array.mapped.unit / INPUT_MAX)

    def _trapped(self, stage: Stage, rows: Rows, per_tile: int, samples: int) -> Floats:
        """Return what traps (telegraph noise) add to the column sums of every row tile
        and input bit slice, (tiles, slices, patches, M)."""
        number = next(i for i, other in enumerate(self.built) if other is stage)
        traps = Traps(stage.array.mapped, self.die.chip, self.die.seed, self.seed, number)
        bits, inputs = stage.layer.dac_bits, stage.layer.inputs
        starts = range(0, inputs, per_tile)
        x = rows.exact.reshape(samples, -1, rows.groups, inputs) * INPUT_MAX
        positions = x.shape[1]
        sums = np.empty((len(starts), slices(bits), samples, positions, stage.layer.outputs))
        for i, weights in enumerate(traps.weights(self._first, samples)):
            for t, k in enumerate(starts):
                for j, part in enumerate(_sliced(x[i, :, :, k : k + per_tile], bits)):
                    added = rows.product(part.reshape(positions, -1), weights[k : k + per_tile])
                    sums[t, j, i] = added
        return sums.reshape(len(starts), slices(bits), len(rows.exact), stage.layer.outputs)

    def _activated(self, stage: Stage, z: Floats) -> Floats:
        if stage.activation is None:
            return z
        outputs, activation = stage.layer.outputs, stage.activation
        neurons = self._neurons(stage.array.neurons, activation, outputs)
        u = z / neurons.peaks
        if "PWL fit" not in self.causes:
            return self.coded(neurons.curves(u))
        window = stage.array.window
        if not {"NDR device", "load line"}.issubset(self.causes) or window is None:
            window = window_of(activation, self._shape(activation))
        curve_codes, curve_of = curves_of(neurons, window, outputs)
        voltage = u * window.per_unit + window.zero
        return self.coded(self._looked_up(curve_codes, curve_of, voltage))

    def _neurons(self, held: Neurons | None, activation: Activation, outputs: int) -> Neurons:
        """Return the neurons that the simulated causes of error imply: the die's own
        (``held``) or neurons with the curve of training, each with or without series
        resistance. ``held`` is None if the die has no NDR neurons here."""
        if "NDR device" in self.causes and held is not None:
            return held if "load line" in self.causes else without_load(held, self.die.chip)
        heights, peaks = heights_and_peaks(activation, outputs)
        if held is not None and "load line" in self.causes:
            shape = self._shape(activation)
            return Neurons(heights, peaks, lambda u: heights * shape(u), False)
        return Neurons(heights, peaks, lambda u: trained_outputs(activation, u * peaks), False)

    def _shape(self, activation: Activation) -> Shape:
        """Return the curve that the simulated causes of error imply: that of
        training or that of the nominal device, each with or without the chip's
        series resistance."""
        neuron, shape = self.die.chip.neuron, trained_shape(activation)
        if not isinstance(activation, Ndr):
            return shape
        device: NdrModel = neuron.device
        if "NDR device" not in self.causes:
            device = Shaped(shape, *device.peak)
        model = (neuron.in_circuit(device) if "load line" in self.causes else None) or device
        return lambda u: np.clip(model.shape(u), 0.0, 1.0)

    def _looked_up(self, wanted: Floats, which: npt.NDArray[np.intp], voltage: Array) -> Floats:
        """Return outputs 0..1, not rounded to codes, of tables fitted to the curves
        ``wanted``. ``which`` (M,) is the number of each neuron's curve, and ``voltage``
        (..., M) is in voltage codes."""
        table = fit_pwl(wanted)
        v = np.clip(np.floor(voltage + 0.5), V_MIN, V_MAX).astype(np.int64) - V_MIN
        f = SEGMENT_BITS
        q = np.broadcast_to(which, v.shape)
        line = table.base[q, v >> f] + table.slope[q, v >> f] * ((v & ((1 << f) - 1)) / (1 << f))
        y: Floats = np.clip(line / (1 << TABLE_BITS), 0.0, INPUT_MAX) / INPUT_MAX
        return y


def _single(node: Pool | Gate, maps: Maps) -> dict[int, npt.NDArray[np.float32]]:
    return {m: maps[m].astype(np.float32) for m in node.reads}


def _sliced(x: Floats, bits: int) -> list[Floats]:
    """Split inputs, in units of codes, into bit slices. The fraction below one
    code is in slice 0."""
    if bits == 8:
        return [x]
    integers = np.floor(x).astype(np.int64)
    parts = [((integers >> (j * bits)) & ((1 << bits) - 1)).astype(np.float64) for j in range(slices(bits))]
    parts[0] = parts[0] + (x - integers)
    return parts
