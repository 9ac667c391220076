"""Current-voltage curves of devices with negative differential resistance (N-type: the
current rises, then falls).

Every model gives ``current(v)`` in amperes of volts, and its peak. ``shape(u)`` is the
same curve in units of its own peak, u = V / Vp, f(1) = 1: what a neuron computes,
whatever the device's scale. ``tunnel`` is the shape of the pure tunnel term and the
form networks are trained with.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import PhysicsError, require_field
from ndrite.emulator.spec.brief import record

Curve = npt.NDArray[np.float64]

BOLTZMANN_J_PER_K = 1.380649e-23
"""Boltzmann constant in J/K: exact, as defined by the SI of 2019."""
ELEMENTARY_CHARGE_C = 1.602176634e-19
"""Elementary charge in coulombs: exact, as defined by the SI of 2019."""
BOLTZMANN_EV_PER_K = BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C
PEAK_POINTS = 20_001
"""Number of voltages between 0 and the valley among which the peak of a sum of
currents is searched."""
EXPONENT_MAX = 700.0
"""Largest argument for which exp() does not overflow in float64."""


class NdrModel:
    """Base class of models of NDR devices: peak, current, and shape (the current in
    units of the peak current). A subclass defines either ``current`` or ``shape``; the
    other is derived from it.

    Raises PhysicsError where one of its numbers is not finite or not above 0; those
    ``from_zero`` may be 0.
    """

    refused = PhysicsError
    from_zero: ClassVar[tuple[str, ...]] = ()

    peak_voltage_V: float
    peak_current_A: float

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            zero = field in self.from_zero
            fits = not isinstance(value, int | float) or 0 < value < np.inf or (zero and value == 0)
            require_field(self, fits, field, f"{'0 or more' if zero else 'above 0'}, finite")

    @property
    def peak(self) -> tuple[float, float]:
        """Voltage and current of the device's current maximum, volts and amperes."""
        return self.peak_voltage_V, self.peak_current_A

    def current(self, v: npt.ArrayLike) -> Curve:
        """Return the current in amperes at ``v`` volts (any shape)."""
        return self.peak_current_A * self.shape(np.asarray(v, np.float64) / self.peak_voltage_V)

    def shape(self, u: npt.ArrayLike) -> Curve:
        """Return the current in units of the peak current at ``u = V / Vp`` (any shape)."""
        voltage, current = self.peak
        return self.current(np.asarray(u, np.float64) * voltage) / current


def tunnel(x: npt.ArrayLike) -> Curve:
    """Return ``x * exp(1 - x)`` for x > 0, else 0: the tunnel current in units of its
    peak, with x = V / Vp.

    Peak 1 at x = 1, inflection at x = 2. Rising again below 0 is not part of it: a
    neuron's column voltage below zero leaves the device off. The same function is the
    ADA activation (Georgescu et al., arXiv 2003.03229).
    """
    x = np.maximum(np.asarray(x, np.float64), 0.0)
    return x * np.exp(1.0 - x)


@dataclass(frozen=True)
class Tunnel(NdrModel):
    """A device with the tunnel current alone, I = Ip (V / Vp) exp(1 - V / Vp) for V >
    0; volts and amperes."""

    peak_voltage_V: float
    peak_current_A: float

    def shape(self, u: npt.ArrayLike) -> Curve:
        return tunnel(u)


@dataclass(frozen=True)
class Esaki(NdrModel):
    """Tunnel diode: the sum of tunnel term, excess current and thermal current; 0 for V <= 0.

    I = jp (V/vpk) exp(1 - V/vpk) + jv (exp(a2 (V - vv)) - exp(-a2 vv)) + js
    (exp(q V / k T) - 1)

    Defaults are those of the element ``diodetun`` of the fREEDA circuit simulator
    (freeda.org, elements, diodetun): jp 1 mA, vpk 0.1 V, jv 0.1 mA, vv 0.5 V, a2 30 /V,
    js 1e-16 A, 300 K. The constant exp(-a2 vv) is ours: it makes the current zero at
    zero volts and is 3e-7 of jv with the defaults.

    ``peak_voltage_V`` and ``peak_current_A`` are the tunnel term's. The other terms
    move the sum's peak, by less than 1e-4 of it with the defaults; ``shape`` is in
    units of the sum's own peak.
    """

    peak_voltage_V: float = 0.1
    peak_current_A: float = 1e-3
    valley_voltage_V: float = 0.5
    excess_current_A: float = 1e-4
    excess_slope_per_V: float = 30.0
    saturation_current_A: float = 1e-16
    temperature_K: float = 300.0

    from_zero = ("excess_current_A", "saturation_current_A")

    def __post_init__(self) -> None:
        super().__post_init__()
        above = f"above peak_voltage_V ({self.peak_voltage_V})"
        require_field(self, self.valley_voltage_V > self.peak_voltage_V, "valley_voltage_V", above)

    @cached_property
    def peak(self) -> tuple[float, float]:
        """Voltage and current of the first maximum of the total current.

        Raises PhysicsError when the current only rises, so that there is no negative
        differential resistance.
        """
        v = np.linspace(0.0, self.valley_voltage_V, PEAK_POINTS)
        current = self.current(v)
        falls = np.flatnonzero(np.diff(current) < 0)
        between = f"between 0 and valley_voltage_V ({self.valley_voltage_V})"
        small = f"small enough for the current to fall somewhere {between}"
        require_field(self, falls.size > 0, "excess_current_A", small)
        return float(v[falls[0]]), float(current[falls[0]])

    def current(self, v: npt.ArrayLike) -> Curve:
        v = np.maximum(np.asarray(v, np.float64), 0.0)
        thermal = ELEMENTARY_CHARGE_C / (BOLTZMANN_J_PER_K * self.temperature_K)
        a2, vv = self.excess_slope_per_V, self.valley_voltage_V
        excess = np.exp(np.minimum(a2 * (v - vv), EXPONENT_MAX)) - np.exp(-a2 * vv)
        total: Curve = (
            self.peak_current_A * tunnel(v / self.peak_voltage_V)
            + self.excess_current_A * excess
            + self.saturation_current_A * np.expm1(np.minimum(v * thermal, EXPONENT_MAX))
        )
        return total


@dataclass(frozen=True)
class Bell(NdrModel):
    """Gaussian bell of an anti-ambipolar device: I = Ip exp(-(V - Vp)^2 / (2 w^2));
    volts and amperes.

    The form Gaussian-activation transistors are described by (e.g. 10.1002/adma.202511018).
    """

    peak_voltage_V: float
    peak_current_A: float
    width_V: float

    def current(self, v: npt.ArrayLike) -> Curve:
        x = (np.asarray(v, np.float64) - self.peak_voltage_V) / self.width_V
        return self.peak_current_A * np.exp(-0.5 * x * x)


@dataclass(frozen=True)
class Double(NdrModel):
    """Two tunnel currents in parallel, the second one shifted in voltage: a curve with
    two peaks (both N-type).

    I = Ip (tunnel(V / Vp) + part tunnel((V - Vo) / Vp)), Vo = V2 - Vp, so that the
    second peak is at V2. Two resonant tunnelling diodes in parallel with an offset
    between them give two regions of negative resistance (Potter, Lakhani, Hier and
    others, as described with their vertically integrated diode in the IEEE Electron
    Device Letters). One shape for both is illustrative.
    """

    peak_voltage_V: float
    peak_current_A: float
    second_peak_voltage_V: float
    second_peak_part: float = 1.0

    from_zero = ("second_peak_part",)

    def __post_init__(self) -> None:
        super().__post_init__()
        apart = self.second_peak_voltage_V >= 2 * self.peak_voltage_V
        twice = f"at least twice peak_voltage_V ({self.peak_voltage_V})"
        require_field(self, apart, "second_peak_voltage_V", twice)

    def current(self, v: npt.ArrayLike) -> Curve:
        u = np.asarray(v, np.float64) / self.peak_voltage_V
        second = tunnel(u - self.second_peak_voltage_V / self.peak_voltage_V + 1.0)
        return np.asarray(self.peak_current_A * (tunnel(u) + self.second_peak_part * second), np.float64)


@record()
class Table(NdrModel):
    """A measured curve: linear between points, constant beyond the first and the last point.

    Raises PhysicsError when the points do not make such a curve. ``voltage_V``,
    ``current_A``: float64 (n,), n >= 3; voltages strictly rising, the largest current
    above zero and at a voltage above zero.
    """

    voltage_V: Curve
    current_A: Curve

    def __post_init__(self) -> None:
        for field, values in (("voltage_V", self.voltage_V), ("current_A", self.current_A)):
            array = np.ascontiguousarray(values, np.float64)
            if array.ndim != 1 or array.size < 3 or not np.isfinite(array).all():
                raise PhysicsError(f"{field} has shape {array.shape}; accepted: (n,), n >= 3, finite numbers")
            object.__setattr__(self, field, array)
        if self.voltage_V.shape != self.current_A.shape:
            raise PhysicsError(
                f"current_A has shape {self.current_A.shape}; accepted: {self.voltage_V.shape}"
            )
        if not (np.diff(self.voltage_V) > 0).all():
            raise PhysicsError("voltage_V does not rise at every point; accepted: strictly rising voltages")
        for field, value in (
            ("peak_voltage_V", self.peak_voltage_V),
            ("peak_current_A", self.peak_current_A),
        ):
            if not value > 0:
                raise PhysicsError(f"{field} of the table is {value}; accepted: above 0")

    @property
    def peak_voltage_V(self) -> float:  # type: ignore[override]
        return float(self.voltage_V[self.current_A.argmax()])

    @property
    def peak_current_A(self) -> float:  # type: ignore[override]
        return float(self.current_A.max())

    def current(self, v: npt.ArrayLike) -> Curve:
        return np.interp(np.asarray(v, np.float64), self.voltage_V, self.current_A)


@record()
class Shaped(NdrModel):
    """A device given by its peak (volts and amperes) and a function ``curve`` of u, the
    voltage in units of the peak voltage. The function returns the current in units of
    the peak current, so it is 1 at u = 1."""

    curve: Callable[[Curve], Curve]
    peak_voltage_V: float
    peak_current_A: float

    def shape(self, u: npt.ArrayLike) -> Curve:
        return self.curve(np.asarray(u, np.float64))


SHAPES: dict[str, tuple[type, str]] = {
    "valley": (Esaki, "valley_voltage_V"),
    "width": (Bell, "width_V"),
    "second_peak": (Double, "second_peak_part"),
}
"""Shape parameters that an ECRAM can set (and neighbouring weights cannot replace),
with their device model: valley voltage, width, current of the second peak."""
TUNES = ("none", "peak_voltage", "peak_current", "both", "each", *SHAPES)
"""What ECRAMs set: ``both`` means one state for voltage and current, ``each`` means a
device for each of them."""
VOLTAGE, CURRENT = ("peak_voltage", "both", "each"), ("peak_current", "both", "each")
SMALLEST_FACTOR = 0.05
"""Smallest factor by which a parameter varies between devices: a device with a random
deviation below -95 % would not work."""


def vary(device: NdrModel, percent: dict[str, float], rng: np.random.Generator) -> NdrModel:
    """Sample one device of a population: each parameter is multiplied by its own random
    factor 1 + N(0, percent / 100).

    ``percent`` names fields of the device's class; a ``Table`` has ``peak_voltage_V``
    (its voltage axis) and ``peak_current_A`` (its current axis). A draw is made for
    every name, 0 % too.
    """
    factors = {
        name: max(1.0 + value / 100 * rng.standard_normal(), SMALLEST_FACTOR)
        for name, value in percent.items()
    }
    if isinstance(device, Table):
        return scaled_device(device, factors.get("peak_voltage_V", 1.0), factors.get("peak_current_A", 1.0))
    changes = {name: getattr(device, name) * factor for name, factor in factors.items()}
    return dataclasses.replace(device, **changes)  # type: ignore[type-var]


def scaled_device(device: Table, voltage: float, current: float) -> Table:
    """Return a measured curve with its voltage axis and its current axis scaled."""
    return Table(device.voltage_V * voltage, device.current_A * current)
