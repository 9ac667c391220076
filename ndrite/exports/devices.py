"""A chip's devices in the forms of other tools: Verilog-A and aihwkit.

aihwkit has our law (``emulator.device.ecram.pulses.LinearStep``): there ``dw_min`` is the larger one of the
steps up and down, and ``up_down`` what the other one lacks of it (src/rpucuda/rpu_pulsed_device.cpp). The
spread of the gammas is in their own unit there, and in percent of them in a chip.

Verilog-A modules (NDR device, ECRAM, RRAM cell) are without noise, spread and events: a gate's pulse moves an
ECRAM's state at a rate that leaves, after ``PULSE_S``, what a pulse of its model does. That is exact, because
the models' steps are linear functions of the state.
"""

import math

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ecram.pulses import EcramModel, Exponential, LinearStep
from emulator.device.ndr.tuning import SHAPES
from emulator.mapping.die import Die
from emulator.mapping.weights import code_max
from host import InputError
from ndrite.exports.spice import current_law, text

SAME = {"dw_min_dtod": "step", "up_down_dtod": "asymmetry", "w_max_dtod": "bound", "w_min_dtod": "bound"}
BASE = "LinearStepDevice"


def config(chip: Chip) -> str:
    """A Python file that defines ``rpu_config``. Raises InputError for an ECRAM of another law."""
    ecram = chip.ecram
    if ecram.model != "linear-step":
        raise InputError(f"ecram.model is {ecram.model!r}; accepted: linear-step, which aihwkit has too")
    up, down, gammas = ecram.step_up, ecram.step_down, ecram.gamma_variation_percent / 100
    values = {
        "dw_min": max(up, down),
        "up_down": (up - down) / max(up, down),
        **{name: getattr(ecram, name) for name in ("w_max", "w_min", "gamma_up", "gamma_down")},
        **{name: getattr(ecram, f"{ours}_variation_percent") / 100 for name, ours in SAME.items()},
        "gamma_up_dtod": gammas * ecram.gamma_up,
        "gamma_down_dtod": gammas * ecram.gamma_down,
        "dw_min_std": ecram.cycle_percent / 100,
    }
    lines = "\n".join(f"        {name}={value!r}," for name, value in values.items())
    return f'''"""The ECRAM of {chip.name} in aihwkit; weights are in the file beside it that ends in .npz."""

from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import {BASE}

rpu_config = SingleRPUConfig(
    device={BASE}(
{lines}
        mult_noise=True,
        mean_bound_reference=True,
        write_noise_std=0.0,
    )
)
'''


def weights(die: Die) -> dict[str, npt.NDArray[np.float32]]:
    """``weights_0`` and so on, (outputs, inputs) as aihwkit has them: what the die's cells, as programmed and
    through their wires, make of the network's weights."""
    found = {}
    for i, array in enumerate(die.arrays):
        mapped = array.mapped
        plus, minus = mapped.cells.effective * (code_max(die.chip.cell) / mapped.full_scale_uS)
        found[f"weights_{i}"] = ((plus - minus) * mapped.unit).T.astype(np.float32)
    return found


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

    Raises InputError when a device has no closed form, or the ECRAM sets the shape of a curve.
    """
    model, ecram, neuron = chip.ecram.device, chip.ecram, chip.neuron
    if ecram.tunes in SHAPES:
        raise InputError(f"ecram.tunes is {ecram.tunes!r}; accepted: none, or peak voltages and currents")
    voltage, current = (
        f"({text(float(of(0.0)))}+{text(float(of(1.0)) - float(of(0.0)))}*V(s, n))"
        for of in (ecram.voltage, ecram.current)
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
