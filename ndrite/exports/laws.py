"""A device's current as one expression that ngspice's behavioural sources and Verilog-A both read."""

from __future__ import annotations

import numpy as np

from emulator.device.ndr.curves import (
    BOLTZMANN_J_PER_K,
    ELEMENTARY_CHARGE_C,
    EXPONENT_MAX,
    Bell,
    Double,
    Esaki,
    NdrModel,
    Table,
    Tunnel,
)
from host import InputError


def text(value: float) -> str:
    """A number that both read, to the last bit."""
    return f"{float(value):.17g}" if value >= 0 else f"({float(value):.17g})"


def current_law(device: NdrModel, v: str) -> str:
    """Amperes of ``device`` at the voltage that ``v`` is an expression of.

    Raises
    ------
    InputError
        When the device has no law in closed form.
    """
    if isinstance(device, Tunnel):
        return _tunnel(v, device.peak_voltage_V, device.peak_current_A)
    if isinstance(device, Double):
        offset = device.second_peak_voltage_V - device.peak_voltage_V
        first = _tunnel(v, device.peak_voltage_V, device.peak_current_A)
        second = device.second_peak_part * device.peak_current_A
        return f"{first}+{_tunnel(f'({v}-{text(offset)})', device.peak_voltage_V, second)}"
    if isinstance(device, Bell):
        x = f"(({v}-{text(device.peak_voltage_V)})/{text(device.width_V)})"
        return f"{text(device.peak_current_A)}*exp(-0.5*{x}*{x})"
    if isinstance(device, Esaki):
        a2, on = device.excess_slope_per_V, f"max({v},0.0)"
        thermal = ELEMENTARY_CHARGE_C / (BOLTZMANN_J_PER_K * device.temperature_K)
        rest = float(np.exp(-a2 * device.valley_voltage_V))
        return (
            f"{_tunnel(v, device.peak_voltage_V, device.peak_current_A)}"
            f"+{text(device.excess_current_A)}*(exp(min({text(a2)}*({on}-{text(device.valley_voltage_V)}),{EXPONENT_MAX}))"
            f"-{text(rest)})+{text(device.saturation_current_A)}*(exp(min({on}*{text(thermal)},{EXPONENT_MAX}))-1.0)"
        )
    if isinstance(device, Table):
        volts, amperes = device.voltage_V, device.current_A
        slopes = np.diff(amperes) / np.diff(volts)
        ends = zip(slopes.tolist(), volts[:-1].tolist(), volts[1:].tolist(), strict=True)
        return f"{text(amperes[0])}" + "".join(
            f"+({text(s)})*(min(max({v},{text(a)}),{text(b)})-{text(a)})" for s, a, b in ends
        )
    raise InputError(
        f"the device is a {type(device).__name__}; accepted: tunnel, esaki, bell, double or table"
    )


def _tunnel(v: str, peak_V: float, peak_A: float) -> str:
    x = f"(max({v},0.0)/{text(peak_V)})"
    return f"{text(peak_A)}*{x}*exp(1.0-{x})"
