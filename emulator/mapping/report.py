"""Options and report of a compilation: measures against the chip's errors, and the
errors of each layer."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ndrite.emulator.device.description import Chip, Neuron
from ndrite.emulator.device.description.idle import stated_in_vain
from ndrite.emulator.device.pulsing import PulseCount
from ndrite.emulator.errors import CompileError, require_field
from ndrite.emulator.network.activation import Activation, Ndr
from ndrite.emulator.spec.brief import record, titled
from ndrite.emulator.spec.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class Mitigation:
    """Measures against a chip's errors, all of them common practice. Each can be switched off.

    Attributes
    ----------
    range_calibration:
        ADC ranges from the sums that samples make; off: the range of the largest sum
        the weights could make.
    bias_correction:
        Biases absorb the mean deviation of every column on the samples.
    gain_calibration:
        Every column's gain is set to the one that fits the float network best on the
        samples: in the neuron's scale, or in the ADC of an output layer. Columns that
        share one transimpedance have one gain together. None: on if the chip's wires,
        access transistors, drift, I-V curve or converters change a column's gain in a
        way that is known to be systematic.
    fault_aware:
        The pair of a stuck cell is programmed to make up for it (stuck cells are
        found by a test read).
    row_placement:
        Rows of weights take those physical rows whose stuck cells hurt them least
        (``ndrite.emulator.mapping.cells``). Not rows that a column of an analog
        layer is wired to.
    wire_compensation:
        Cells are programmed higher where wires take from their current
        (``ndrite.emulator.mapping.cells``). None: on where columns share one
        transimpedance, whose gains nothing behind them can correct.
    write_verify_attempts, write_verify_tolerance_percent:
        Cells further than the tolerance (percent of g_max_uS) from their target are
        programmed again, up to so many times. The published programming errors already
        are the result of a programming loop: this is one more on top, at the time of
        programming, and relaxation comes after it.
    """

    refused = CompileError
    range_calibration: bool = True
    bias_correction: bool = True
    gain_calibration: bool | None = None
    fault_aware: bool = True
    row_placement: bool = False
    wire_compensation: bool | None = None
    write_verify_attempts: int = 0
    write_verify_tolerance_percent: float = 2.0

    def __post_init__(self) -> None:
        require_field(self, 0 <= self.write_verify_attempts <= 100, "write_verify_attempts", "0..100")
        in_range = 0 < self.write_verify_tolerance_percent <= 100
        require_field(self, in_range, "write_verify_tolerance_percent", "above 0, at most 100")

    def calibrates_gain(self, chip: Chip) -> bool:
        """Return whether column gains are calibrated on ``chip``."""
        if self.gain_calibration is not None:
            return self.gain_calibration
        return bool(
            chip.array.wire_resistance_ohm
            or chip.array.access_resistance_ohm
            or chip.cell.iv_cubic_per_V2
            or chip.cell.drift_model.moves_mean
            or chip.readout.gain_mismatch_percent
        )

    def gains(self, chip: Chip, *, final: bool) -> str:
        """Return how many gains a layer's calibration sets: ``column`` (one for each
        column), ``common`` (a single one) or ``none``.

        ``final``: the layer's sums are the network's outputs.
        """
        if not self.calibrates_gain(chip):
            return "none"
        if chip.readout.kind == "adc":
            return "column"
        if final:
            return "none"
        return "common" if chip.readout.is_circuit else "column"

    def compensates_wires(self, chip: Chip) -> bool:
        """Return whether target conductances are raised to compensate the losses of
        this chip's wires."""
        compensates = chip.readout.is_circuit if self.wire_compensation is None else self.wire_compensation
        return bool(compensates and (chip.array.wire_resistance_ohm or chip.array.access_resistance_ohm))


NOTHING = Mitigation(
    range_calibration=False,
    bias_correction=False,
    gain_calibration=False,
    fault_aware=False,
    wire_compensation=False,
)
"""Mitigation with all measures switched off."""


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """Options of mapping a network onto a chip.

    Attributes
    ----------
    mitigation:
        Measures against the chip's errors.
    nominal:
        Program the chip whose cells land on their targets, and say in the program's
        ``variation`` how those of virtual chips spread around them. Converters and
        neurons are the individual ones of the seed.
    target:
        When given, kernels are programmed several times over, and groups of channels
        packed (``ndrite.emulator.mapping.block``), where that takes fewer cycles on
        such an array and fits it; else once and apart.
    column_steps:
        Each column of a last product of sums has its own step
        (``die.arrays[-1].step``), as finer ranges ask for, where what reads the sums
        multiplies them by it. False: one step for all, so that sums compare.
    first_product:
        Where the network is a piece of something larger: the number of its first
        product there, which selects its cells, its converters and its read noise.
    """

    mitigation: Mitigation = field(default_factory=Mitigation)
    nominal: bool = False
    target: Geometry | None = None
    column_steps: bool = False
    first_product: int = 0


CELLS, CONVERTERS, READS = "cells", "converters", "read noise"
CODES, BEFORE = "input codes", "the layers before"
HELPS = {
    CELLS: "cells with more levels or a smaller programming error (cell), or write-verify (Mitigation)",
    CODES: "inputs, or activations of the layer before, that use more of the 256 codes on typical samples",
    BEFORE: "what helps those layers (ndrite explain has their causes)",
    CONVERTERS: "more bits (readout.adc_bits), or a range for every column (readout.range_policy)",
    READS: "a smaller read noise (cell.read_noise_percent, readout), or fewer inputs that hardly vary",
}
"""Advice on what helps against each cause of error."""
TAIL_MAX_LSB = 5.0
"""A warning is given if a neuron's curve outside the window of its table differs from
the table by more output steps than this."""
PULSES_AND_LAW = 2.0
"""A warning is given if the programming errors that pulses leave and those of the
programming law differ by more than this factor."""
WORST = 2
"""Number of layers, those with the lowest SNR, that a summary names."""
SNR_MIN_DB = 6.0
"""Below this SNR half of a layer's signal, in amplitude, is noise, and classes
begin to be confused."""


def unused_parts(activations: Iterable[Activation | None], chip: Chip) -> tuple[str, ...]:
    """Return the parts of ``chip`` that have no effect in a network with these
    activations, one line of text for each."""
    lines = []
    hidden = [activation for activation in activations if activation is not None]
    exact = sorted({activation.name for activation in hidden if not isinstance(activation, Ndr)})
    if not any(isinstance(activation, Ndr) for activation in hidden):
        parts = ["neuron"] if chip.neuron != Neuron() else []
        parts += ["ecram"] if chip.ecram.tunes != "none" else []
        why = f"hidden layers are exact tables of {', '.join(exact)}" if exact else "there is no hidden layer"
        if parts:
            lines.append(
                f"not used of the chip: {' and '.join(parts)}, as {why}; `ndrite train --chip {chip.name}` "
                "trains a network of its NDR neurons"
            )
    bend = chip.cell.iv_cubic_per_V2 * chip.input.read_voltage_V**2
    # At 0.05 the resulting error is 30 dB below the signal; a smaller effect is not mentioned.
    if bend > 0.05:
        less = f"cells conduct up to {bend / (1 + bend):.0%} less below the read voltage (iv_cubic_per_V2)"
        lines.append(f"not used of the chip: that {less}, as each row has one operating point")
    fields_by_reason: dict[str, list[str]] = {}
    for name, why in stated_in_vain(chip).items():
        fields_by_reason.setdefault(why, []).append(name)
    lines += [f"not used of the chip: {', '.join(f)}, as {why}" for why, f in fields_by_reason.items()]
    return tuple(lines)


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """Errors and counts of one layer.

    Attributes
    ----------
    inputs, outputs, tiles:
        K, M and row tiles.
    quantisation_error, programmed_error:
        Root mean square of target - float weights, and of effective - float weights,
        relative to the root mean square of the float weights.
    saturated_codes:
        Conductances beyond the code range (of 2 K M).
    limited_weights:
        Weights beyond their column's limit (of K M).
    stuck_cells:
        Cells that do not program (of 2 K M).
    adc_clipped:
        Fraction of sample conversions that saturate; 0 with analog readout.
    adc_range:
        Least and greatest column range of the converter, in pre-activation units; (0,
        0) with analog readout.
    voltage_clipped:
        Fraction of sample neuron voltages at an end of the code range (below it an NDR
        neuron is off); 0 for the output layer.
    curves:
        Distinct curves; 0 for the output layer.
    pwl_error_lsb, tail_error_lsb:
        Largest error of the tables inside their window, and of holding the curve
        outside it, in output steps.
    bias_correction:
        Largest correction of a bias, in pre-activation units.
    gain_correction:
        Largest relative correction of a column's gain.
    unreachable_neurons:
        Neurons whose peak or height is outside what the chip's ECRAM reaches.
    bistable_neurons:
        Neurons with two stable voltages for some sources: R is above their negative resistance.
    snr_db, noisy_snr_db:
        Pre-activation power (about its mean) over squared deviation from the float
        network's, on samples, in decibels; without read noise, and with it.
    largest_cause:
        Of that deviation: ``input codes``, ``the layers before``, ``cells``,
        ``converters``, ``read noise``.
    pulses:
        Effort of programming by pulses; None: by a law.
    """

    inputs: int
    outputs: int
    tiles: int
    quantisation_error: float
    programmed_error: float
    saturated_codes: int
    limited_weights: int
    adc_clipped: float
    adc_range: tuple[float, float]
    voltage_clipped: float
    curves: int
    pwl_error_lsb: float
    tail_error_lsb: float
    bias_correction: float
    snr_db: float
    stuck_cells: int = 0
    gain_correction: float = 0.0
    unreachable_neurons: int = 0
    bistable_neurons: int = 0
    noisy_snr_db: float = 0.0
    largest_cause: str = ""
    pulses: PulseCount | None = None

    def warnings(self) -> Iterator[str]:
        """Yield one-line warnings of a layer: values that were clipped, and results
        that are barely good enough."""
        if self.saturated_codes:
            yield (
                f"{self.saturated_codes} of {2 * self.inputs * self.outputs} conductances are beyond the "
                "code range and held at its end"
            )
        if self.pulses is not None and self.pulses.given_up:
            yield (
                f"{self.pulses.given_up} of {self.pulses.cells} cells were never read in the window. What "
                "helps: a wider programming.window_percent, more programming.most_pulses"
            )
        if self.pulses is not None and self.pulses.law_uS:
            ratio = self.pulses.error_uS / self.pulses.law_uS
            if not 1 / PULSES_AND_LAW <= ratio <= PULSES_AND_LAW:
                yield (
                    f"pulses leave cells {self.pulses.error_uS:.2g} uS from their targets, and "
                    f"cell.programming_error says {self.pulses.law_uS:.2g} uS: training, virtual chips and "
                    "wire compensation follow the law. What helps: cell.relaxation, or the window of "
                    "programming that the law's cells had"
                )
        if self.unreachable_neurons:
            yield (
                f"{self.unreachable_neurons} of {self.outputs} neurons want a curve the ECRAM does not reach "
                "and take the nearest"
            )
        if self.bistable_neurons:
            yield (
                f"{self.bistable_neurons} of {self.outputs} neurons are bistable; their tables hold only if "
                "every read starts from 0 V. What helps: a neuron.source_resistance_ohm below their negative "
                "resistance (ndrite chip check)"
            )
        if self.tail_error_lsb > TAIL_MAX_LSB:
            yield (
                f"a neuron is up to {self.tail_error_lsb:.0f} of 255 steps off where its table's window ends "
                "and its curve goes on. What helps: a smaller source resistance, or heights nearer to each "
                "other"
            )
        if self.noisy_snr_db < SNR_MIN_DB:
            yield (
                f"its signal is {self.noisy_snr_db:.1f} dB above its errors, mostly of {self.largest_cause}; "
                f"{SNR_MIN_DB:g} dB and more keep classes apart. What helps: {HELPS[self.largest_cause]}"
            )


@dataclass(frozen=True, kw_only=True)
class TableReport:
    """Report on one lookup-table step: number of functions (E), number of distinct
    curves among them, largest error of a curve's straight segments in output steps, and
    number of functions whose peak or height the chip's ECRAM cannot reach."""

    functions: int
    curves: int
    pwl_error_lsb: float
    unreachable: int = 0


@record(kw_only=True)
class CompileReport:
    """Report on a whole network: names of chip and network, number of calibration
    samples, and a report for each layer and lookup-table step."""

    network: str
    chip: str
    seed: int
    samples: int
    layers: tuple[LayerReport, ...]
    tables: tuple[TableReport, ...] = ()
    unused: tuple[str, ...] = ()
    """Parts of the chip that the program does not use, one line for each."""

    @property
    def pwl_error_lsb(self) -> float:
        """Largest table error of any layer or lookup-table step, in output steps."""
        errors = [layer.pwl_error_lsb for layer in self.layers]
        return max(*errors, *(table.pwl_error_lsb for table in self.tables), 0.0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of value that was clipped, and for each part of the
        chip that is not used."""
        lines = [f"layer {i}: {line}" for i, layer in enumerate(self.layers) for line in layer.warnings()]
        lines += [
            f"table {i}: {table.unreachable} of {table.functions} functions want a curve the ECRAM does not "
            "reach and take the nearest"
            for i, table in enumerate(self.tables)
            if table.unreachable
        ]
        return (*lines, *self.unused)

    def worst_layers(self) -> list[tuple[str, str]]:
        """Return the layers with the lowest signal-to-error ratio, as (name, text with
        the largest cause), followed by the remedies for these causes."""
        order = sorted(range(len(self.layers)), key=lambda i: self.layers[i].noisy_snr_db)
        rows = [
            (
                f"layer {i}",
                f"{layer.noisy_snr_db:.1f} dB above its errors, mostly of {layer.largest_cause}",
            )
            for i in order[:WORST]
            if (layer := self.layers[i]).largest_cause
        ]
        causes = dict.fromkeys(self.layers[i].largest_cause for i in order[:WORST])
        return [*rows, *(("what helps", HELPS[cause]) for cause in causes if cause)]

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{layer.inputs}x{layer.outputs}",
                layer.tiles,
                f"{layer.programmed_error:.2%}",
                f"{layer.adc_clipped:.2%}",
                f"{layer.pwl_error_lsb:.2g}",
                f"{layer.snr_db:.1f}",
            )
            for layer in self.layers
        ]
        head = ("layer", "tiles", "weight error", "clipped", "table error, LSB", "SNR, dB")
        return titled(f"{self.network} on {self.chip}, die {self.seed}", head, rows)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain types for JSON."""
        return dataclasses.asdict(self)
