"""What ECRAM does to an NDR neuron, and how devices of one kind differ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.curves import Bell, Curve, Double, Esaki, NdrModel, Table
from emulator.errors import PhysicsError

SHAPES = ("valley", "width", "second_peak")
"""What ECRAM sets that no neighbouring weight could: the valley voltage of ``esaki``, the width of ``bell``,
the second peak's current of ``double``."""
TUNES = ("none", "peak_voltage", "peak_current", "both", "each", *SHAPES)
"""What ECRAM sets; ``both`` by one state, ``each`` by a device of its own for either."""
VOLTAGE, CURRENT = ("peak_voltage", "both", "each"), ("peak_current", "both", "each")
SMALLEST_FACTOR = 0.05
"""A varied parameter keeps at least this part of its mean: a draw beyond -95 % would be no device."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """An ECRAM state in 0..1 scales peak voltage, peak current, both, or a parameter of the shape, linearly
    between two factors.

    That the effect is linear in the state is illustrative: the paper's relation is not public.
    """

    tunes: str = "none"
    voltage_factors: tuple[float, float] = (1.0, 1.0)
    current_factors: tuple[float, float] = (1.0, 1.0)
    shape_factors: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if self.tunes not in TUNES:
            raise PhysicsError(f"tunes is {self.tunes!r}; accepted: {', '.join(TUNES)}")
        for name in ("voltage_factors", "current_factors"):
            low, high = getattr(self, name)
            if not 0 < low <= high < np.inf:
                raise PhysicsError(f"{name} is {(low, high)}; accepted: 0 < low <= high")
        low, high = self.shape_factors
        if not 0 <= low <= high < np.inf:
            raise PhysicsError(f"shape_factors is {(low, high)}; accepted: 0 <= low <= high")

    def voltage(self, state: npt.ArrayLike) -> Curve:
        """Factor on the peak voltage at ``state`` (any shape)."""
        on = self.tunes in VOLTAGE
        return _between(self.voltage_factors if on else (1.0, 1.0), state)

    def current(self, state: npt.ArrayLike) -> Curve:
        """Factor on the peak current at ``state`` (any shape)."""
        on = self.tunes in CURRENT
        return _between(self.current_factors if on else (1.0, 1.0), state)

    def shaped(self, device: NdrModel, state: float) -> NdrModel:
        """``device`` with the parameter of its shape that the state sets; as it is, where that is none.

        Raises
        ------
        PhysicsError
            When the device has no such parameter, or none of the value that the factor gives.
        """
        if self.tunes not in SHAPES:
            return device
        factor = float(_between(self.shape_factors, state))
        if self.tunes == "valley" and isinstance(device, Esaki):
            return dataclasses.replace(device, valley_voltage_V=device.valley_voltage_V * factor)
        if self.tunes == "width" and isinstance(device, Bell):
            return dataclasses.replace(device, width_V=device.width_V * factor)
        if self.tunes == "second_peak" and isinstance(device, Double):
            return dataclasses.replace(device, second_peak_part=device.second_peak_part * factor)
        raise PhysicsError(
            f"tunes is {self.tunes!r} of a {type(device).__name__}; accepted: valley of esaki, width of "
            "bell, second_peak of double"
        )

    def curve(self, device: NdrModel, state: float, v: npt.ArrayLike) -> Curve:
        """Amperes of the tuned device at ``v`` volts."""
        scaled = np.asarray(v, np.float64) / self.voltage(state)
        return np.asarray(self.current(state) * self.shaped(device, state).current(scaled), np.float64)


def vary(device: NdrModel, percent: dict[str, float], rng: np.random.Generator) -> NdrModel:
    """One device of a population: each parameter times 1 + N(0, percent / 100), each on its own.

    ``percent`` names fields of the device's class; a ``Table`` has ``peak_voltage_V`` (its voltage axis) and
    ``peak_current_A`` (its current axis). A draw is made for every name, 0 % too.
    """
    factors = {
        name: max(1.0 + value / 100 * rng.standard_normal(), SMALLEST_FACTOR)
        for name, value in percent.items()
    }
    if isinstance(device, Table):
        return scaled_device(device, factors.get("peak_voltage_V", 1.0), factors.get("peak_current_A", 1.0))
    known = {field.name for field in dataclasses.fields(device)}  # type: ignore[arg-type]
    if unknown := set(factors) - known:
        raise PhysicsError(f"{sorted(unknown)[0]} is no parameter; accepted: {', '.join(sorted(known))}")
    changes = {name: getattr(device, name) * factor for name, factor in factors.items()}
    return dataclasses.replace(device, **changes)  # type: ignore[type-var]


def scaled_device(device: Table, voltage: float, current: float) -> Table:
    """A measured curve with both axes times a factor."""
    return Table(device.voltage_V * voltage, device.current_A * current)


def _between(factors: tuple[float, float], state: npt.ArrayLike) -> Curve:
    state = np.asarray(state, np.float64)
    if not ((state >= 0) & (state <= 1)).all():
        raise PhysicsError(f"ECRAM state is {state.min()}..{state.max()}; accepted: 0..1")
    low, high = factors
    return low + (high - low) * state
