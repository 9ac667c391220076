"""Verilog-A export: a chip's devices as modules, and their laws as expressions.

Modules (NDR device, ECRAM, RRAM cell) are without noise, spread and events: a gate's
pulse moves an ECRAM's state at a rate that leaves, after ``PULSE_S``, what a pulse of
its model does. The form is exact, because the models' steps are linear functions of the
state. A device's current is one expression that Verilog-A and ngspice's behavioural
sources both read.
"""

import math

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ecram.pulses import EcramModel, Exponential, LinearStep
from ndrite.emulator.device.ndr import curves
from ndrite.emulator.device.ndr.curves import SHAPES
from ndrite.emulator.device.quoting import verilog_comment
from ndrite.emulator.errors import ChipError, PhysicsError, require


def text(value: float) -> str:
    """Return a number as text that SPICE and Verilog-A read back to the last bit."""
    return f"{float(value):.17g}" if value >= 0 else f"({float(value):.17g})"


def current_law(device: curves.NdrModel, v: str) -> str:
    """Return the current of ``device`` in amperes as a Verilog-A expression. ``v`` is
    the expression of its voltage."""
    if isinstance(device, curves.Tunnel):
        return _tunnel(v, device.peak_voltage_V, device.peak_current_A)
    if isinstance(device, curves.Double):
        offset = device.second_peak_voltage_V - device.peak_voltage_V
        first = _tunnel(v, device.peak_voltage_V, device.peak_current_A)
        second = device.second_peak_part * device.peak_current_A
        return f"{first}+{_tunnel(f'({v}-{text(offset)})', device.peak_voltage_V, second)}"
    if isinstance(device, curves.Bell):
        x = f"(({v}-{text(device.peak_voltage_V)})/{text(device.width_V)})"
        return f"{text(device.peak_current_A)}*exp(-0.5*{x}*{x})"
    if isinstance(device, curves.Esaki):
        a2, on = device.excess_slope_per_V, f"max({v},0.0)"
        thermal = curves.ELEMENTARY_CHARGE_C / (curves.BOLTZMANN_J_PER_K * device.temperature_K)
        valley_factor = float(np.exp(-a2 * device.valley_voltage_V))
        return (
            f"{_tunnel(v, device.peak_voltage_V, device.peak_current_A)}"
            f"+{text(device.excess_current_A)}*(exp(min({text(a2)}*({on}-{text(device.valley_voltage_V)}),{curves.EXPONENT_MAX}))"
            f"-{text(valley_factor)})+{text(device.saturation_current_A)}*(exp(min({on}*{text(thermal)},{curves.EXPONENT_MAX}))-1.0)"
        )
    assert isinstance(device, curves.Table)
    volts, amperes = device.voltage_V, device.current_A
    slopes = np.diff(amperes) / np.diff(volts)
    ends = zip(slopes.tolist(), volts[:-1].tolist(), volts[1:].tolist(), strict=True)
    return f"{text(amperes[0])}" + "".join(
        f"+({text(s)})*(min(max({v},{text(a)}),{text(b)})-{text(a)})" for s, a, b in ends
    )


def _tunnel(v: str, peak_V: float, peak_A: float) -> str:
    x = f"(max({v},0.0)/{text(peak_V)})"
    return f"{text(peak_A)}*{x}*exp(1.0-{x})"


PULSE_S = 1e-6
"""Duration in seconds of the gate pulse that corresponds to one pulse of the model.
Pulses up are above ``GATE_V``, pulses down below minus ``GATE_V``."""
GATE_V = 0.5


def pulse_rates(model: EcramModel, w: str) -> tuple[str, str]:
    """Return two Verilog-A expressions for the change of an ECRAM's state per second:
    during a pulse up, and during a pulse down. ``w`` is the expression of the state.

    A step w' = w + a - b w is what dw/dt = r (a / b - w) leaves after a pulse of time t
    if exp(-r t) = 1 - b.
    """
    if isinstance(model, LinearStep):
        up = model.step_up, model.step_up * model.gamma_up / model.w_max
        down = -model.step_down, -model.step_down * model.gamma_down / model.w_min
    elif not isinstance(model, Exponential):
        raise ChipError(
            "ecram.model is 'step-table', which has no Verilog-A form; accepted: none, linear-step, "
            "exponential"
        )
    else:
        part = -math.expm1(-1 / model.a_up)
        up = part / -math.expm1(-model.pulses / model.a_up), part
        part = -math.expm1(-1 / model.a_down)
        down = part * (1 - 1 / -math.expm1(-model.pulses / model.a_down)), part

    def rate(a: float, b: float) -> str:
        require(b < 1, "the share of its range that one ECRAM pulse covers", b, "below 1", PhysicsError)
        if not b:
            return text(a / PULSE_S)
        return f"{text(-math.log1p(-b) / PULSE_S)}*({text(a / b)}-{w})"

    return rate(*up), rate(*down)


def verilog_a(chip: Chip) -> str:
    """Return Verilog-A source with the device modules of a chip: NDR device, RRAM cell
    and, if there is one, ECRAM.

    Raises PhysicsError when a pulse goes over an ECRAM's whole range, ChipError when
    the ECRAM sets the shape of a curve, or has a table of steps.
    """
    model, ecram, neuron = chip.ecram.device, chip.ecram, chip.neuron
    if ecram.tunes in SHAPES:
        raise ChipError(
            f"ecram.tunes is {ecram.tunes!r}; accepted: none, peak_voltage, peak_current, each, both"
        )
    voltage, current = (
        f"({text(float(of(0.0)))}+{text(float(of(1.0)) - float(of(0.0)))}*V(s, n))"
        for of in (ecram.voltage, ecram.current)
    )
    law = current_law(neuron.device, f"(V(p, n)/{voltage})")
    cell, read_V = chip.cell, chip.input.read_voltage_V
    factor = f"(1.0+c*V(p, n)*V(p, n))/(1.0+c*{text(read_V)}*{text(read_V)})"
    modules = [
        verilog_comment(f"Devices of {chip.name}: {chip.description}"),
        '`include "disciplines.vams"',
        "// N-type NDR device from p to n; V(s, n) in 0..1 is the state of its ECRAM.",
        "module ndr(p, n, s);\n  inout p, n, s;\n  electrical p, n, s;",
        f"  parameter real capacitance = {text(neuron.capacitance_pF * 1e-12)} from [0:inf);",
        f"  analog I(p, n) <+ {current}*({law}) + ddt(capacitance*V(p, n));\nendmodule",
        "// RRAM cell; siemens is the conductance that a read at the chip's read voltage finds.",
        "module rram(p, n);\n  inout p, n;\n  electrical p, n;",
        f"  parameter real siemens = {text(cell.g_max_uS * 1e-6)} from [0:inf);",
        f"  parameter real c = {text(cell.iv_cubic_per_V2)} from [0:inf);",
        f"  analog I(p, n) <+ siemens*V(p, n)*{factor};\nendmodule",
    ]
    if model is not None:
        up, down = pulse_rates(model, "V(w, n)")
        span = text(float(model.high) - float(model.low))
        modules += [
            f"// ECRAM: {PULSE_S:g} s at g beyond +-{GATE_V:g} V is a pulse; V(s, n) is its state in 0..1.",
            "module ecram(g, s, n);\n  inout g, s, n;\n  electrical g, s, n, w;",
            "  analog begin\n    I(w, n) <+ ddt(V(w, n));",
            f"    if (V(g, n) > {GATE_V} && V(w, n) < {text(float(model.high))}) I(w, n) <+ -({up});",
            f"    else if (V(g, n) < -{GATE_V} && V(w, n) > {text(float(model.low))}) I(w, n) <+ -({down});",
            f"    V(s, n) <+ (V(w, n)-({text(float(model.low))}))/{span};\n  end\nendmodule",
        ]
    return "\n".join(modules) + "\n"
