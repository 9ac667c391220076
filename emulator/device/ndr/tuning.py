"""What ECRAM may set of an NDR neuron (``ndrite.emulator.device.ecram``), and how devices of one kind
differ."""

import dataclasses

import numpy as np

from ndrite.emulator.device.ndr.curves import Bell, Double, Esaki, NdrModel, Table

SHAPES: dict[str, tuple[type, str]] = {
    "valley": (Esaki, "valley_voltage_V"),
    "width": (Bell, "width_V"),
    "second_peak": (Double, "second_peak_part"),
}
"""What ECRAM sets that no neighbouring weight could, of which model: the valley voltage, the width, the
second peak's current."""
TUNES = ("none", "peak_voltage", "peak_current", "both", "each", *SHAPES)
"""What ECRAM sets; ``both`` by one state, ``each`` by a device of its own for either."""
VOLTAGE, CURRENT = ("peak_voltage", "both", "each"), ("peak_current", "both", "each")
SMALLEST_FACTOR = 0.05
"""A varied parameter keeps at least this part of its mean: a draw beyond -95 % would be no device."""


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
    changes = {name: getattr(device, name) * factor for name, factor in factors.items()}
    return dataclasses.replace(device, **changes)  # type: ignore[type-var]


def scaled_device(device: Table, voltage: float, current: float) -> Table:
    """A measured curve with both axes times a factor."""
    return Table(device.voltage_V * voltage, device.current_A * current)
