"""A die or a chip in the forms of circuit simulators: ngspice, Verilog-A.

A deck has one product of a die: cells, wires, access devices, columns, load lines, NDR neurons. Wires are
drawn as in ``emulator.device.array.crossbar``. A column's amplifier is a source of the voltage that its
differential current asks for, with its gain and offset; it rectifies where the device's law is of such a
driver (``emulator.device.ndr.circuit``). Read noise, and what converts codes, are not in a deck. A device's
current is one expression that ngspice's behavioural sources and Verilog-A both read.

Verilog-A modules (NDR device, ECRAM, RRAM cell) are without noise, spread and events: a gate's pulse moves an
ECRAM's state at a rate that leaves, after ``PULSE_S``, what a pulse of its model does. That is exact, because
the models' steps are linear functions of the state.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from emulator.device.array.crossbar import MICRO
from emulator.device.description import Chip
from emulator.device.ecram.pulses import EcramModel, Exponential, LinearStep
from emulator.device.ndr import curves
from emulator.device.ndr.tuning import SHAPES
from emulator.mapping.circuits import axes
from emulator.mapping.devices import Neurons
from emulator.mapping.die import Die
from emulator.mapping.states import stretch_at
from emulator.mapping.weights import MappedWeights, code_max
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.arrays import Floats
from host import InputError


def text(value: float) -> str:
    """A number that both read, to the last bit."""
    return f"{float(value):.17g}" if value >= 0 else f"({float(value):.17g})"


def current_law(device: curves.NdrModel, v: str) -> str:
    """Amperes of ``device`` at the voltage that ``v`` is an expression of.

    Raises InputError when the device has no law in closed form.
    """
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
        rest = float(np.exp(-a2 * device.valley_voltage_V))
        return (
            f"{_tunnel(v, device.peak_voltage_V, device.peak_current_A)}"
            f"+{text(device.excess_current_A)}*(exp(min({text(a2)}*({on}-{text(device.valley_voltage_V)}),{curves.EXPONENT_MAX}))"
            f"-{text(rest)})+{text(device.saturation_current_A)}*(exp(min({on}*{text(thermal)},{curves.EXPONENT_MAX}))-1.0)"
        )
    if isinstance(device, curves.Table):
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


OPTIONS = ".options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 itl1=1000"


def drawn(
    die: Die, product: int, codes: npt.NDArray[np.integer], results: str
) -> tuple[str, Floats, Floats | None]:
    """The deck of a product at row codes 0..255 (n, K); a run writes one line a sample to ``results``:
    pairs of an index and a value, first the columns' microamperes, then the neurons' outputs.

    Gives the deck, and what the emulator has for it: differential currents of the columns, microamperes
    (n, M), and the neurons' outputs 0..1 (n, M), None where the product has no NDR neuron at its columns.
    Raises InputError when its neurons' devices are not what can be drawn.
    """
    array, chip = die.arrays[product], die.chip
    volts: Floats = codes.astype(np.float64) * (chip.input.read_voltage_V / INPUT_MAX)
    held = [] if array.bias is None else [(array.bias.mapped, "f")]
    lines = [f"* product {product} of die {die.seed} of {chip.name}", OPTIONS]
    lines += [f"Vr{k} r{k} 0 {text(v)}" for k, v in enumerate(volts[0].tolist())]
    senses: list[list[str]] = [[] for _ in range(array.mapped.codes.shape[1])]
    for mapped, name in [(array.mapped, "r"), *held]:
        if name == "f":
            lines += [f"Vf{k} f{k} 0 {text(chip.input.read_voltage_V)}" for k in range(len(mapped.codes))]
        lines += _crossbars(mapped, chip, name, senses)
    lines += [f"Bi{m} i{m} 0 V=1e6*({''.join(terms)})" for m, terms in enumerate(senses)]
    columns = volts @ _difference(array.mapped)
    if array.bias is not None:
        columns = columns + chip.input.read_voltage_V * _difference(array.bias.mapped).sum(axis=0)
    wanted = [f"v(i{m})" for m in range(len(senses))]
    outputs = None
    if array.neurons is not None and array.columns is not None:
        # p of the arithmetic: 255 at the read voltage times the code of a conductance.
        per_uA = INPUT_MAX * code_max(chip.cell) / (chip.input.read_voltage_V * array.mapped.full_scale_uS)
        of_p = array.step / array.neurons.peaks
        gain, offset = of_p * array.columns.gain * per_uA, of_p * array.columns.offset
        lines += _neurons(array.neurons, chip, gain, offset)
        wanted += [f"v(y{m})" for m in range(len(senses))]
        outputs = array.neurons.curves(columns * gain + offset)
    return "\n".join([*lines, *_control(volts, wanted, results)]) + "\n", columns, outputs


def _difference(mapped: MappedWeights) -> Floats:
    """What a column's pair of wires makes of a row's voltage, microsiemens (K, M)."""
    return np.asarray(mapped.cells.effective[0] - mapped.cells.effective[1], np.float64)


def _crossbars(mapped: MappedWeights, chip: Chip, drive: str, senses: list[list[str]]) -> Iterator[str]:
    """Every array of the cells, each with its wires; columns' sources of 0 V into ``senses``."""
    layout, place = chip.array, mapped.cells.place
    _, rows, columns = mapped.cells.faulted.shape
    order = np.arange(rows) if place is None else np.argsort(place)
    cells = mapped.cells.faulted[:, order]
    for k0 in range(0, rows, layout.rows):
        for m0 in range(0, columns, layout.weights_across):
            part = cells[:, k0 : k0 + layout.rows, m0 : m0 + layout.weights_across]
            sides = list(part)
            if layout.pairs == "interleaved":
                sides = [part.transpose(1, 2, 0).reshape(part.shape[1], -1)]
            for side, g in enumerate(sides):
                name = f"{drive}{k0}_{m0}_{side}"
                yield from _crossbar(name, g, [f"{drive}{k}" for k in order[k0 : k0 + len(g)]], chip)
                for column in range(g.shape[1]):
                    m, sign = (column // 2, column % 2) if len(sides) == 1 else (column, side)
                    senses[m0 + m].append(f"{'+-'[sign]}i(V{name}_{column})")


def _crossbar(name: str, g: Floats, drives: list[str], chip: Chip) -> Iterator[str]:
    wire, access = chip.array.wire_resistance_ohm, chip.array.access_resistance_ohm
    cubic, read_V = chip.cell.iv_cubic_per_V2, chip.input.read_voltage_V
    rows, columns = g.shape
    for m in range(columns):
        yield f"V{name}_{m} {name}s{m} 0 0"
    for k in range(rows):
        left = drives[k]
        for m in range(columns):
            row, column = left, f"{name}s{m}"
            if wire:
                row, column = f"{name}w{k}_{m}", f"{name}b{k}_{m}"
                below = f"{name}b{k + 1}_{m}" if k + 1 < rows else f"{name}s{m}"
                yield f"R{name}w{k}_{m} {left} {row} {text(wire)}"
                yield f"R{name}b{k}_{m} {column} {below} {text(wire)}"
                left = row
            if not g[k, m]:
                continue
            cell = f"{name}c{k}_{m}"
            if access:
                yield f"R{cell}a {row} {cell} {text(access)}"
                row = cell
            siemens = float(g[k, m]) * MICRO
            if cubic:
                v, at_read = f"v({row},{column})", siemens / (1 + cubic * read_V**2)
                yield f"B{cell} {row} {column} I={text(at_read)}*{v}*(1+{text(cubic)}*{v}*{v})"
            else:
                yield f"R{cell} {row} {column} {text(1 / siemens)}"


def _neurons(neurons: Neurons, chip: Chip, gain: Floats, offset: Floats) -> Iterator[str]:
    """Amplifier, resistance, device and reader of every column; ``gain``, ``offset``: u of the curves per
    microampere, and at none, (M,) each."""
    outputs, states = len(neurons.heights), neurons.states
    scales = axes(chip, neurons.heights, 1.0 if states is None else stretch_at(states, chip), states)
    devices = neurons.devices or (chip.neuron.device,) * outputs
    ohm, amperes = chip.neuron.source_resistance_ohm, chip.neuron.device.peak[1]
    farad, henry = chip.neuron.capacitance_pF * 1e-12, chip.neuron.inductance_nH * 1e-9
    if neurons.bistable:
        yield f"* {neurons.bistable} neurons are bistable: an operating point may lie on either branch"
    for m, device in enumerate(devices):
        if states is not None and states.shape is not None:
            device = chip.ecram.shaped(device, float(states.shape[m]))
        unit, current, voltage, factor = (float(a[m]) for a in scales)
        asked = f"{text(unit * gain[m])}*v(i{m})+({text(unit * offset[m])})"
        rectified = asked if isinstance(device, curves.Bell | curves.Table) else f"max({asked},0.0)"
        yield f"Bs{m} s{m} 0 V={rectified}"
        node = f"d{m}" if ohm else f"s{m}"
        drawn_A = f"{text(current)}*({current_law(device, f'(v({node})/{text(voltage)})')})"
        if ohm:
            yield f"Rs{m} s{m} {f'a{m}' if henry else node} {text(ohm)}"
            if henry:
                yield f"Ls{m} a{m} {node} {text(henry)}"
            if farad:
                yield f"Cd{m} {node} 0 {text(farad)}"
            yield f"Bd{m} {node} 0 I={drawn_A}"
        yield f"By{m} y{m} 0 V=min(max({text(factor / amperes)}*({drawn_A}),0.0),1.0)"


def _control(volts: Floats, wanted: list[str], results: str) -> Iterator[str]:
    yield from (".control", "set numdgt=15", "set appendwrite", "set wr_singlescale")
    for i, row in enumerate(volts.tolist()):
        if i:
            yield from (f"alter Vr{k} {text(v)}" for k, v in enumerate(row) if v != volts[i - 1, k])
        yield from ("op", f"wrdata {results} {' '.join(wanted)}")
    yield from (".endc", ".end")


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
