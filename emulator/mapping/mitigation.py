"""Measures of a compilation against a chip's errors; each measure can be switched off to see its worth."""

from dataclasses import dataclass

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError, require_field


@dataclass(frozen=True, kw_only=True)
class Mitigation:
    """Measures, all of them common practice.

    Attributes
    ----------
    range_calibration:
        ADC ranges from the sums that samples make; off: the range of the largest sum the weights could make.
    bias_correction:
        Biases absorb the mean deviation of every column on the samples.
    gain_calibration:
        Every column's gain is set to the one that fits the float network best on the samples: in the
        neuron's scale, or in the ADC of an output layer. Columns that share one transimpedance have one gain
        together. None: on if the chip's wires, access transistors, drift, I-V curve or converters change a
        column's gain in a way that is known to be systematic.
    fault_aware:
        The pair of a stuck cell is programmed to make up for it (stuck cells are found by a test read).
    row_placement:
        Rows of weights take those physical rows whose stuck cells hurt them least
        (``ndrite.emulator.mapping.cells``). Not rows that a column of an analog layer is wired to.
    wire_compensation:
        Cells are programmed higher where wires take from their current (``ndrite.emulator.mapping.wires``).
        None: on where columns share one transimpedance, whose gains nothing behind them can correct.
    write_verify_attempts, write_verify_tolerance_percent:
        Cells further than the tolerance (percent of g_max_uS) from their target are programmed again, up to
        so many times. The published programming errors already are the result of a programming loop: this is
        one more on top, at the time of programming, and relaxation comes after it.
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
        """Whether column gains are calibrated on this chip."""
        if self.gain_calibration is not None:
            return self.gain_calibration
        return bool(
            chip.array.wire_resistance_ohm
            or chip.array.access_resistance_ohm
            or chip.cell.iv_cubic_per_V2
            or chip.cell.drift != "none"
            or chip.readout.gain_mismatch_percent
        )

    def gains(self, chip: Chip, *, final: bool) -> str:
        """How many gains a layer's calibration sets: ``column`` (one each), ``common`` (one) or ``none``.

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
        """Whether cells are programmed for what this chip's wires take."""
        compensates = chip.readout.is_circuit if self.wire_compensation is None else self.wire_compensation
        return bool(compensates and (chip.array.wire_resistance_ohm or chip.array.access_resistance_ohm))


NOTHING = Mitigation(
    range_calibration=False,
    bias_correction=False,
    gain_calibration=False,
    fault_aware=False,
    wire_compensation=False,
)
"""Every measure off."""
