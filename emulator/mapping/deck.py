"""SPICE export: one matrix product of a die as a deck for ngspice.

It has cells, wires, access devices, columns, load lines and NDR neurons. Wires are
drawn as in ``ndrite.emulator.device.crossbar``. A column's amplifier is a source of the
voltage that its differential current asks for, with its gain and offset; it rectifies
where the device's law is of such a driver (``ndrite.emulator.device.ndr.circuit``).
Read noise, and what converts codes, are not in a deck.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.crossbar import MICRO
from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr import curves
from ndrite.emulator.device.quoting import spice_word
from ndrite.emulator.device.verilog_a import current_law, text
from ndrite.emulator.errors import PhysicsError, require
from ndrite.emulator.mapping.cells import arrays_of
from ndrite.emulator.mapping.curves import axes, stretch_at
from ndrite.emulator.mapping.devices import Neurons
from ndrite.emulator.mapping.die import Die
from ndrite.emulator.mapping.weights import MappedWeights, code_max
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Floats

OPTIONS = ".options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 itl1=1000"


def drawn(
    die: Die, product: int, codes: npt.NDArray[np.integer], results: str
) -> tuple[str, Floats, Floats | None]:
    """Write one matrix product (layer) of a die as a SPICE deck, with the row inputs
    ``codes`` 0..255 (n, K).

    A run writes one line a sample to the file ``results``, whose name becomes one of
    ``spice_word``: pairs of an index and a value, first the columns' microamperes, then
    the neurons' outputs.

    Gives the deck, and what the emulator has for it: differential currents of the
    columns, microamperes (n, M), and the neurons' outputs 0..1 (n, M), None where the
    product has no NDR neuron at its columns. Raises PhysicsError when its neurons'
    devices are not what can be drawn, or its wires have not settled.
    """
    array, chip = die.arrays[product], die.chip
    layout, settled = chip.array, "none, as a deck's operating point has settled"
    require(layout.settles_for_s is None, "array.read_time_ns", layout.read_time_ns, settled, PhysicsError)
    volts: Floats = codes.astype(np.float64) * (chip.input.read_voltage_V / INPUT_MAX)
    bias_arrays = [] if array.bias is None else [(array.bias.mapped, "f")]
    lines = [f"* product {product} of die {die.seed} of {spice_word(chip.name)}", OPTIONS]
    lines += [f"Vr{k} r{k} 0 {text(v)}" for k, v in enumerate(volts[0].tolist())]
    senses: list[list[str]] = [[] for _ in range(array.mapped.codes.shape[1])]
    for mapped, name in [(array.mapped, "r"), *bias_arrays]:
        if name == "f":
            lines += [f"Vf{k} f{k} 0 {text(chip.input.read_voltage_V)}" for k in range(len(mapped.codes))]
        lines += _crossbars(mapped, chip, name, senses)
    lines += [f"Bi{m} i{m} 0 V=1e6*({''.join(terms)})" for m, terms in enumerate(senses)]
    columns = volts @ _difference(array.mapped)
    if array.bias is not None:
        columns = columns + chip.input.read_voltage_V * _difference(array.bias.mapped).sum(axis=0)
    probes = [f"v(i{m})" for m in range(len(senses))]
    outputs = None
    if array.neurons is not None and array.columns is not None:
        # Units of the column sum p per microampere of column current. A row at the read
        # voltage adds 255 times the code of its conductance to p (docs/arithmetic.md).
        per_uA = INPUT_MAX * code_max(chip.cell) / (chip.input.read_voltage_V * array.mapped.full_scale_uS)
        of_p = array.step / array.neurons.peaks
        gain, offset = of_p * array.columns.gain * per_uA, of_p * array.columns.offset
        lines += _neurons(array.neurons, chip, gain, offset)
        probes += [f"v(y{m})" for m in range(len(senses))]
        outputs = array.neurons.curves(columns * gain + offset)
    return "\n".join([*lines, *_control(volts, probes, results)]) + "\n", columns, outputs


def _difference(mapped: MappedWeights) -> Floats:
    """Return the transconductance (K, M) in microsiemens from each row's voltage to the
    difference between the currents of a column's two wires."""
    return np.asarray(mapped.cells.effective[0] - mapped.cells.effective[1], np.float64)


def _crossbars(mapped: MappedWeights, chip: Chip, drive: str, senses: list[list[str]]) -> Iterator[str]:
    """Yield the deck's lines for every array of cells with its wires. Append to
    ``senses`` a term for the current of each column's 0 V source."""
    rows, place = mapped.cells.faulted.shape[1], mapped.cells.place
    order = np.arange(rows) if place is None else np.argsort(place)
    for (_, down, across), sides in arrays_of(mapped.cells.faulted[:, order], chip):
        for side, g in enumerate(sides):
            name = f"{drive}{down.start}_{across.start}_{side}"
            yield from _crossbar(name, g, [f"{drive}{k}" for k in order[down]], chip)
            for column in range(g.shape[1]):
                m, sign = divmod(column, 2) if len(sides) == 1 else (column, side)
                senses[across.start + m].append(f"{'+-'[sign]}i(V{name}_{column})")


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
    """Yield the deck's lines for the amplifier, resistance, device and reader of
    every column. ``gain`` (M,): units of the curve's input u per microampere;
    ``offset`` (M,): u at 0 A."""
    outputs, states = len(neurons.heights), neurons.states
    scales = axes(chip, neurons.heights, 1.0 if states is None else stretch_at(states, chip), states)
    devices = neurons.devices or (chip.neuron.device,) * outputs
    ohm, amperes = chip.neuron.source_resistance_ohm, chip.neuron.device.peak[1]
    farad, henry = chip.neuron.capacitance_pF * 1e-12, chip.neuron.inductance_nH * 1e-9
    if neurons.bistable:
        yield f"* {neurons.bistable} neurons are bistable: an operating point may lie on either branch"
    if chip.neuron.read_time_ns:
        yield f"* the emulator reads after {chip.neuron.read_time_ns:g} ns: an operating point has settled"
    for m, device in enumerate(devices):
        if states is not None and states.shape is not None:
            device = chip.ecram.shaped(device, float(states.shape[m]))
        unit, current, voltage, factor = (float(a[m]) for a in scales)
        expression = f"{text(unit * gain[m])}*v(i{m})+({text(unit * offset[m])})"
        rectified = expression if isinstance(device, curves.Bell | curves.Table) else f"max({expression},0.0)"
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
    yield from (".control", "set numdgt=15", "set wr_singlescale")
    for i, row in enumerate(volts.tolist()):
        if i:
            yield from (f"alter Vr{k} {text(v)}" for k, v in enumerate(row) if v != volts[i - 1, k])
        # Append the results, because the first ``wrdata`` command would otherwise
        # overwrite the file of an earlier run.
        yield from ("op", f"wrdata {spice_word(results)} {' '.join(wanted)}", "set appendwrite")
    yield from (".endc", ".end")
