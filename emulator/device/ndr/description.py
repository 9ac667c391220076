"""The NDR neuron of a chip description, and the effect of temperature on a tunnel
diode's parameters.

Tunnel current at the peak: a linear coefficient; weak, and of either sign with the
material. Excess current: carriers tunnel by way of states in the gap, and its exponent
has gap and voltage side by side (Chynoweth, Feldmann, Logan, Phys. Rev. 121, 684, 1961:
exp(-(...)(gap - eV + ...)), confirmed there by the temperature dependence), so a gap
that is narrower by some eV does what as many volts more do. The gap goes by Varshni's
formula, gap(T) = gap(0) - a T^2 / (T + b) (Physica 34, 149, 1967). Thermal current: the
saturation current as SPICE's diode has it, (T / Tr)^XTI exp(EG / k (1 / Tr - 1 / T)),
besides k T in the exponent.
"""

import dataclasses
import math
from typing import Annotated, Any

import numpy as np

from ndrite.emulator.device.fields import choice, number, numbers, section
from ndrite.emulator.device.ndr.circuit import Circuit
from ndrite.emulator.device.ndr.curves import (
    BOLTZMANN_EV_PER_K,
    Bell,
    Double,
    Esaki,
    NdrModel,
    Table,
    Tunnel,
    vary,
)
from ndrite.emulator.device.sweeps import rms, rounded
from ndrite.emulator.errors import ChipError, PhysicsError, require_field
from ndrite.emulator.spec.arithmetic import Floats

POINTS_MAX = 4096
SMALLEST_PEAK = 0.05
"""Smallest peak current, relative to its value at the reference temperature."""
PEAKED = ("tunnel", "esaki", "bell", "double")
CURVE_START, CURVE_END = -4.0, 8.0
CURVE_POINTS, MORE_POINTS = 801, 1201
"""Numbers of points of a curve to train with, in steps of 0.01 of the peak voltage:
``CURVE_POINTS`` from 0 or ``MORE_POINTS`` from ``CURVE_START``. Beyond its ends the
curve is constant."""


VARIED = {
    "peak_voltage_V": "peak_voltage",
    "peak_current_A": "peak_current",
    "valley_voltage_V": "valley_voltage",
    "excess_current_A": "excess_current",
    "excess_slope_per_V": "excess_slope",
    "saturation_current_A": "saturation_current",
    "width_V": "width",
}
"""Parameters that vary between devices, each with the first part of the name of the
field that states its variation."""


@section("neuron")
class Neuron:
    """The NDR device of a neuron. The neuron's output is the device's current in units
    of its peak current.

    Attributes
    ----------
    model:
        ``tunnel``: the tunnel term alone; ``esaki``: with excess and thermal current;
        ``bell``: Gaussian, of width ``width_V``; ``double``: two tunnel currents, the
        second one's peak at ``second_peak_voltage_V``, of ``second_peak_part`` of the
        first; ``table``: measured, ``table_voltage_V`` against ``table_current_A``.
    temperature_K, reference_temperature_K:
        Where the device is, and where its parameters hold.
    gap_eV, saturation_exponent, gap_narrowing_eV_per_K, gap_narrowing_K,
    peak_current_percent_per_K:
        Effect of temperature: EG and XTI of the saturation current, a and b of the gap
        (the defaults are SPICE's and silicon's), and the peak current.
    source_resistance_ohm:
        Path through which the device is driven: column, access transistor, buffer's
        output. 0: an ideal source, so that the neuron's curve is the device's alone.
    capacitance_pF:
        Beside the device, its own included, charged through ``source_resistance_ohm``.
    inductance_nH:
        In series with the device: with more than R C Rn it oscillates, and a
        network is not compiled.
    read_time_ns:
        When the neuron's current is taken after the source stepped from 0 V; 0:
        once it has settled.
    *_variation_percent:
        Device-to-device standard deviation of a parameter, in percent of it.
    """

    model: Annotated[str, choice(("tunnel", "esaki", "bell", "double", "table"))] = "tunnel"
    peak_voltage_V: Annotated[float, number(1e-3, 10, models=PEAKED)] = 0.1
    peak_current_mA: Annotated[float, number(1e-9, 1e3, models=PEAKED)] = 1.0
    valley_voltage_V: Annotated[float, number(1e-3, 20, models=("esaki",))] = 0.5
    excess_current_mA: Annotated[float, number(0, 1e3, models=("esaki",))] = 0.1
    excess_slope_per_V: Annotated[float, number(1e-3, 1e3, models=("esaki",))] = 30.0
    saturation_current_A: Annotated[float, number(0, 1e-3, models=("esaki",))] = 1e-16
    temperature_K: Annotated[float, number(1, 1000, models=("esaki",))] = 300.0
    reference_temperature_K: Annotated[float, number(1, 1000, models=("esaki",))] = 300.0
    gap_eV: Annotated[float, number(0, 10, models=("esaki",))] = 1.11
    saturation_exponent: Annotated[float, number(-10, 20, models=("esaki",))] = 3.0
    gap_narrowing_eV_per_K: Annotated[float, number(0, 0.01, models=("esaki",))] = 4.73e-4
    gap_narrowing_K: Annotated[float, number(0, 1e4, models=("esaki",))] = 636.0
    peak_current_percent_per_K: Annotated[float, number(-5, 5, models=("esaki",))] = 0.0
    second_peak_voltage_V: Annotated[float, number(2e-3, 100, models=("double",))] = 0.5
    second_peak_part: Annotated[float, number(0, 1, models=("double",))] = 1.0
    width_V: Annotated[float, number(1e-4, 10, models=("bell",))] = 0.05
    table_voltage_V: Annotated[tuple[float, ...], numbers(-100, 100, POINTS_MAX)] = ()
    table_current_A: Annotated[tuple[float, ...], numbers(-100, 100, POINTS_MAX)] = ()
    source_resistance_ohm: Annotated[float, number(0, 1e9)] = 0.0
    capacitance_pF: Annotated[float, number(0, 1e6)] = 0.0
    inductance_nH: Annotated[float, number(0, 1e6)] = 0.0
    read_time_ns: Annotated[float, number(0, 1e9)] = 0.0
    peak_voltage_variation_percent: Annotated[float, number(0, 100)] = 0.0
    peak_current_variation_percent: Annotated[float, number(0, 100)] = 0.0
    valley_voltage_variation_percent: Annotated[float, number(0, 100, models=("esaki",))] = 0.0
    excess_current_variation_percent: Annotated[float, number(0, 100, models=("esaki",))] = 0.0
    excess_slope_variation_percent: Annotated[float, number(0, 100, models=("esaki",))] = 0.0
    saturation_current_variation_percent: Annotated[float, number(0, 100, models=("esaki",))] = 0.0
    width_variation_percent: Annotated[float, number(0, 100, models=("bell",))] = 0.0

    def __post_init__(self) -> None:
        falls = self.model != "esaki" or self.valley_voltage_V > self.peak_voltage_V
        above = f"above neuron.peak_voltage_V ({self.peak_voltage_V})"
        require_field(self, falls, "valley_voltage_V", above)
        capacitance = self.capacitance_pF
        for name, value, needs, needed in (
            ("capacitance_pF", capacitance, "source_resistance_ohm", self.source_resistance_ohm),
            ("read_time_ns", self.read_time_ns, "capacitance_pF", capacitance),
            ("inductance_nH", self.inductance_nH, "capacitance_pF", capacitance),
        ):
            settles = value == 0 or needed != 0
            require_field(self, settles, name, f"0, as neuron.{needs} is 0 and nothing has to settle")
        try:
            # Compute the peak now, so that parameters whose curve has no peak are
            # rejected when the description is read and not later, in the middle
            # of a compilation.
            _ = self.device.peak
        except PhysicsError as error:
            raise ChipError(f"neuron.{error} (at temperature_K = {self.temperature_K:g})") from None

    @property
    def device(self) -> NdrModel:
        """The nominal NDR device, with parameters in SI units."""
        current = self.peak_current_mA * 1e-3
        if self.model == "tunnel":
            return Tunnel(self.peak_voltage_V, current)
        if self.model == "bell":
            return Bell(self.peak_voltage_V, current, self.width_V)
        if self.model == "table":
            return Table(np.array(self.table_voltage_V), np.array(self.table_current_A))
        if self.model == "double":
            return Double(self.peak_voltage_V, current, self.second_peak_voltage_V, self.second_peak_part)
        kelvin, reference = self.temperature_K, self.reference_temperature_K
        peak = max(1.0 + self.peak_current_percent_per_K / 100 * (kelvin - reference), SMALLEST_PEAK)
        narrowed_eV = self._narrowing_eV(kelvin) - self._narrowing_eV(reference)
        excess = float(np.exp(self.excess_slope_per_V * narrowed_eV))
        activated = self.gap_eV / BOLTZMANN_EV_PER_K * (1.0 / reference - 1.0 / kelvin)
        saturation = float((kelvin / reference) ** self.saturation_exponent * np.exp(activated))
        return Esaki(
            peak_voltage_V=self.peak_voltage_V,
            peak_current_A=current * peak,
            valley_voltage_V=self.valley_voltage_V,
            excess_current_A=self.excess_current_mA * 1e-3 * excess,
            excess_slope_per_V=self.excess_slope_per_V,
            saturation_current_A=self.saturation_current_A * saturation,
            temperature_K=kelvin,
        )

    def _narrowing_eV(self, kelvin: float) -> float:
        """Return by how much, in eV, the band gap at ``kelvin`` is narrower than at 0 K."""
        return self.gap_narrowing_eV_per_K * kelvin**2 / (kelvin + self.gap_narrowing_K)

    @property
    def circuit(self) -> NdrModel:
        """The nominal device in series with the neuron's source resistance, or the
        device alone if the resistance is 0."""
        return self.in_circuit(self.device) or self.device

    @property
    def unit_V(self) -> float:
        """Source voltage, in volts, that corresponds to one unit of the input u of
        the nominal neuron."""
        circuit = self.in_circuit(self.device)
        return self.device.peak[0] if circuit is None else circuit.unit_V

    @property
    def sampled(self) -> Floats | None:
        """The neuron's curve as points to train with, (2, P): inputs u and outputs
        0..1. None for the pure tunnel term, which networks compute in closed form. The
        points start at u = 0 if the device carries no current below 0 V."""
        if self.model == "tunnel" and not self.source_resistance_ohm:
            return None
        u = np.linspace(0.0, CURVE_END, CURVE_POINTS)
        if self.model in ("bell", "table"):
            u = np.linspace(CURVE_START, CURVE_END, MORE_POINTS)
        return np.stack([u, np.clip(self.circuit.shape(u), 0.0, 1.0)])

    def in_circuit(self, device: NdrModel) -> Circuit | None:
        """Return an individual ``device`` in series with this neuron's source
        resistance; None if the resistance is 0."""
        if not self.source_resistance_ohm:
            return None
        return Circuit(
            device,
            self.source_resistance_ohm,
            self.capacitance_pF * 1e-12,
            self.read_time_ns * 1e-9,
            self.inductance_nH * 1e-9,
        )

    @property
    def variation(self) -> dict[str, float]:
        """Device-to-device spread in percent of each parameter of the device model."""
        device = self.device
        return {
            p: getattr(self, f"{stem}_variation_percent") for p, stem in VARIED.items() if hasattr(device, p)
        }

    @property
    def varies(self) -> bool:
        """Whether the description has any spread between individual devices."""
        return any(self.variation.values())

    def devices(self, count: int, rng: np.random.Generator) -> list[NdrModel]:
        """Sample ``count`` individual NDR devices from the described spread."""
        return [vary(self.device, self.variation, rng) for _ in range(count)]


TABLE_POINTS = 201
"""Number of points of a device curve that is given as a table."""


def neuron_values(name: str, fits: list[NdrModel], data: list[Any]) -> tuple[dict[str, Any], NdrModel]:
    """Return two values: the neuron's description fields, with the median of the
    fitted devices and the spread between them; and the median device itself. The
    variance that the scatter of ``data`` (volts, amperes) causes in the fits is
    subtracted from the spread."""
    values: dict[str, Any] = {"model": name}
    if name == "table":
        device = fits[0] if len(fits) == 1 else _median_table(fits)
        assert isinstance(device, Table)
        values["table_voltage_V"] = tuple(map(rounded, device.voltage_V))
        values["table_current_A"] = tuple(map(rounded, device.current_A))
        spread = {
            "peak_voltage_V": [fit.peak_voltage_V for fit in fits],
            "peak_current_A": [fit.peak_current_A for fit in fits],
        }
        values |= {f"{VARIED[p]}_variation_percent": _percent(v) for p, v in spread.items()}
        return values, device
    medians = {}
    errors = [_errors(fit, *of) for fit, of in zip(fits, data, strict=True)]
    for parameter in (p for p in VARIED if hasattr(fits[0], p) and p != "saturation_current_A"):
        parameter_values = [float(getattr(fit, parameter)) for fit in fits]
        middle = medians[parameter] = float(np.median(parameter_values))
        milli = parameter.endswith("_A")
        values[parameter.replace("_A", "_mA")] = rounded(middle * 1e3 if milli else middle)
        values[f"{VARIED[parameter]}_variation_percent"] = _percent(
            parameter_values, [e.get(parameter, 0) for e in errors]
        )
    if name == "esaki":
        values["saturation_current_A"] = 0.0  # all fits keep the thermal current at 0
    return values, dataclasses.replace(fits[0], **medians)  # type: ignore[type-var]


def _median_table(tables: list[NdrModel]) -> Table:
    """Return the median device of measured curves: the median of the curves in units of
    their peaks, scaled to the median peak."""
    assert all(isinstance(t, Table) for t in tables)
    vp = float(np.median([t.peak_voltage_V for t in tables]))
    ip = float(np.median([t.peak_current_A for t in tables]))
    end = min(float(t.voltage_V[-1]) / t.peak_voltage_V for t in tables if isinstance(t, Table))
    start = max(float(t.voltage_V[0]) / t.peak_voltage_V for t in tables if isinstance(t, Table))
    u = np.linspace(0.0, end, TABLE_POINTS)
    if start < 0:
        u = np.concatenate([np.linspace(start, 0.0, TABLE_POINTS // 4)[:-1], u])
    return Table(u * vp, np.median([t.shape(u) for t in tables], axis=0) * ip)


def _errors(model: NdrModel, v: Floats, i: Floats) -> dict[str, float]:
    """Return the standard errors that the scatter of the data causes in the fitted
    parameters, relative to the parameters' values."""
    names = [p for p in VARIED if hasattr(model, p) and p not in ("saturation_current_A", "valley_voltage_V")]
    near = [dataclasses.replace(model, **{p: 1.0001 * getattr(model, p)}) for p in names]  # type: ignore[type-var]
    slopes = 1e4 * np.array([neighbour.current(v) - model.current(v) for neighbour in near])
    errors = rms(model.current(v) - i) * np.sqrt(np.diag(np.linalg.pinv(slopes @ slopes.T)))
    return dict(zip(names, errors, strict=True))


def _percent(values: list[float], errors: list[float] | float = 0.0) -> float:
    """Return the standard deviation of a parameter between devices, in percent of the
    median. The variance that the relative ``errors`` of the fits cause is subtracted
    first. Return 0 if the remaining variance is not significant (three standard
    deviations), for a single device, and for a parameter that is 0."""
    middle = abs(float(np.median(values)))
    if len(values) < 2 or middle == 0:
        return 0.0
    noise = float(np.square(np.multiply(values, errors)).mean())
    device_variance = float(np.var(values, ddof=1)) - noise
    certain = device_variance > noise * 3 * math.sqrt(2 / (len(values) - 1))
    return round(min(100.0, 100 * math.sqrt(device_variance) / middle), 4) if certain else 0.0


def peak_to_valley(device: NdrModel, end_V: float) -> float:
    """Return the ratio of the peak current to the smallest current beyond the peak, up
    to ``end_V`` volts."""
    v = np.linspace(0.0, end_V, 4001)
    i = device.current(v)
    top = int(i.argmax() if not isinstance(device, Esaki) else np.searchsorted(v, device.peak[0]))
    return float(i[top] / max(float(i[top:].min()), 1e-30))
