"""Schema of a chip description: units in the field names, ``Chip.sources`` says where values come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from emulator.chips.fields import check, choice, number
from emulator.errors import ChipError
from emulator.physics.ndr import Bell, Esaki, NdrModel, Tunnel
from emulator.physics.rram import MODELS, ProgrammingError
from emulator.spec.arithmetic import ADC_BITS, DAC_BITS


@dataclass(frozen=True, kw_only=True)
class Array:
    """The crossbar: ``rows`` that add on one column line before readout."""

    rows: int = number(8, 1024, 128, multiple=8)

    def __post_init__(self) -> None:
        check("array", self)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One memory cell; a weight is the difference of two.

    ``levels`` targets are spread evenly over g_min_uS..g_max_uS. ``read_noise_percent`` is the standard
    deviation of an effective weight at every read, in percent of g_max_uS. ``weight_bits`` is the
    resolution the emulator keeps of the difference (9: two 8-bit conductances; 8: two 7-bit ones).
    """

    g_min_uS: float = number(0, 1e6, 0.0)
    g_max_uS: float = number(1e-6, 1e6)
    levels: int = number(2, 256)
    programming_error: str = choice(tuple(MODELS), "ideal")
    read_noise_percent: float = number(0, 5, 0.0)
    weight_bits: int = choice((8, 9), 9)

    def __post_init__(self) -> None:
        check("cell", self)
        if not self.g_min_uS < self.g_max_uS:
            raise ChipError(
                f"cell.g_min_uS is {self.g_min_uS}; accepted: below cell.g_max_uS ({self.g_max_uS})"
            )
        low, high = self.error_model.fitted_uS
        for name in ("g_min_uS", "g_max_uS"):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ChipError(
                    f"cell.{name} is {value}; accepted: {low}..{high}, the fitted range of "
                    f"programming_error {self.programming_error!r}"
                )

    @property
    def error_model(self) -> ProgrammingError:
        """The programming error model by name."""
        return MODELS[self.programming_error]


@dataclass(frozen=True, kw_only=True)
class Input:
    """Row drivers: an 8-bit input is applied in 8 / ``dac_bits`` slices."""

    dac_bits: int = choice(DAC_BITS, 8)

    def __post_init__(self) -> None:
        check("input", self)


@dataclass(frozen=True, kw_only=True)
class Readout:
    """What senses a column: an ADC, or the neuron directly (``analog``).

    ``range_policy`` says whether ADC gain and offset are set per column or once for a layer.
    ``output_noise_lsb`` is the standard deviation of column and ADC noise, in ADC steps (adc only).
    """

    kind: str = choice(("adc", "analog"), "adc")
    adc_bits: int = number(ADC_BITS.start, ADC_BITS.stop - 1, 8)
    range_policy: str = choice(("column", "layer"), "column")
    output_noise_lsb: float = number(0, 16, 0.0)

    def __post_init__(self) -> None:
        check("readout", self)


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """The NDR device of a neuron. ``tunnel``: the tunnel term alone; ``esaki``: with excess and thermal
    current; ``bell``: Gaussian, of width ``width_V``. What is computed is the curve in units of its peak.
    """

    model: str = choice(("tunnel", "esaki", "bell"), "tunnel")
    peak_voltage_V: float = number(1e-3, 10, 0.1)
    peak_current_mA: float = number(1e-9, 1e3, 1.0)
    valley_voltage_V: float = number(1e-3, 20, 0.5)
    excess_current_mA: float = number(0, 1e3, 0.1)
    excess_slope_per_V: float = number(1e-3, 1e3, 30.0)
    saturation_current_A: float = number(0, 1e-3, 1e-16)
    temperature_K: float = number(1, 1000, 300.0)
    width_V: float = number(1e-4, 10, 0.05)

    def __post_init__(self) -> None:
        check("neuron", self)
        if self.model == "esaki" and not self.valley_voltage_V > self.peak_voltage_V:
            raise ChipError(
                f"neuron.valley_voltage_V is {self.valley_voltage_V}; accepted: above "
                f"neuron.peak_voltage_V ({self.peak_voltage_V})"
            )

    @property
    def device(self) -> NdrModel:
        """The device in SI units."""
        current = self.peak_current_mA * 1e-3
        if self.model == "tunnel":
            return Tunnel(self.peak_voltage_V, current)
        if self.model == "bell":
            return Bell(self.peak_voltage_V, current, self.width_V)
        return Esaki(
            peak_voltage_V=self.peak_voltage_V,
            peak_current_A=current,
            valley_voltage_V=self.valley_voltage_V,
            excess_current_A=self.excess_current_mA * 1e-3,
            excess_slope_per_V=self.excess_slope_per_V,
            saturation_current_A=self.saturation_current_A,
            temperature_K=self.temperature_K,
        )


SECTIONS: dict[str, type[Any]] = {
    "array": Array,
    "cell": Cell,
    "input": Input,
    "readout": Readout,
    "neuron": Neuron,
}


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A whole chip. ``sources`` maps ``section.field`` to where the value was read, or ``illustrative``."""

    name: str
    cell: Cell
    description: str = ""
    array: Array = Array()
    input: Input = Input()
    readout: Readout = Readout()
    neuron: Neuron = Neuron()
    sources: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Every value by section, plain types, for reports and provenance."""
        return dataclasses.asdict(self)
