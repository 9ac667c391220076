"""A chip's devices as Verilog-A modules: NDR device, ECRAM and RRAM cell, without noise and spread.

Modules have no events: a gate's pulse moves an ECRAM's state at a rate that leaves, after ``PULSE_S``, what a
pulse of its model does. That is exact, because the models' steps are linear functions of the state.
"""

from __future__ import annotations

import math

from emulator.device.description import Chip
from emulator.device.ecram.pulses import EcramModel, Exponential, LinearStep
from emulator.device.ndr.tuning import SHAPES
from host import InputError
from ndrite.exports.laws import current_law, text

PULSE_S = 1e-6
"""Length of a gate's pulse that is one pulse of the model; from ``GATE_V`` up, or from minus that down."""
GATE_V = 0.5


def pulse_rates(model: EcramModel, w: str, seconds: float = PULSE_S) -> tuple[str, str]:
    """Change of the state ``w`` (an expression) a second under a pulse up, and under one down.

    A step w' = w + a - b w is what dw/dt = r (a / b - w) leaves after ``seconds`` if exp(-r seconds) = 1 - b.
    """
    if isinstance(model, LinearStep):
        up = model.step_up, model.step_up * model.gamma_up / model.w_max
        down = -model.step_down, -model.step_down * model.gamma_down / model.w_min
    elif isinstance(model, Exponential):
        up, part = (0.0, 0.0), -math.expm1(-1 / model.a_up)
        up = part / -math.expm1(-model.pulses / model.a_up), part
        part = -math.expm1(-1 / model.a_down)
        down = part * (1 - 1 / -math.expm1(-model.pulses / model.a_down)), part
    else:
        raise InputError(f"the ECRAM is a {type(model).__name__}; accepted: linear-step or exponential")

    def rate(a: float, b: float) -> str:
        if not b:
            return text(a / seconds)
        return f"{text(-math.log1p(-b) / seconds)}*({text(a / b)}-{w})"

    return rate(*up), rate(*down)


def verilog_a(chip: Chip) -> str:
    """All modules of a chip in one file.

    Raises
    ------
    InputError
        When a device has no closed form, or the ECRAM sets the shape of a curve.
    """
    model, ecram, neuron = chip.ecram.device, chip.ecram, chip.neuron
    if ecram.tunes in SHAPES:
        raise InputError(f"ecram.tunes is {ecram.tunes!r}; accepted: none, or peak voltages and currents")
    voltage, current = (
        f"({text(float(of(0.0)))}+{text(float(of(1.0)) - float(of(0.0)))}*V(s, n))"
        for of in (ecram.tuning.voltage, ecram.tuning.current)
    )
    law = current_law(neuron.device, f"(V(p, n)/{voltage})")
    cell, read_V = chip.cell, chip.input.read_voltage_V
    factor = f"(1.0+c*V(p, n)*V(p, n))/(1.0+c*{text(read_V)}*{text(read_V)})"
    modules = [
        f"// Devices of {chip.name}: {' '.join(chip.description.split())}",
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
