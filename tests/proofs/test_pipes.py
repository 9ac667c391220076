"""Pipelines without feedback, for all values: readout, neuron, and the learning lanes' updater.

Products, memories and tables are cut: the claims hold whatever they say.
"""

import dataclasses
import types
from typing import Any

from amaranth import Signal, signed

from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.arithmetic import (
    ADC_BITS,
    GAUSS_FRACTION,
    INPUT_MAX,
    SHIFT_MAX,
    TABLE_BITS_MAX,
    V_BITS,
    V_MAX,
    V_MIN,
)
from ndrite.emulator.spec.learning import BOUND_SHIFT, STATE_MAX, STATE_MIN
from ndrite.hdl.parts.layouts import group_layout
from ndrite.hdl.parts.multiplier import WIDEST
from ndrite.hdl.readout.readout_pipe import SETTINGS_STAGES
from tests.proofs.cut import cut
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401
from tests.proofs.prover import Claim, Verdict, clip, power, prove, rshift_round

GEOMETRY = dataclasses.replace(PRESETS["tiny"], curves=4, segments=32)
SHAPES = {
    "adc_bits": 4,
    "shift": 6,
    "lshift": 3,
    "column": signed(GEOMETRY.accumulator_bits),
    "offset": signed(12),
    "gain": 16,
    "sample": signed(12),
    "sigma": 16,
}


def _pipe(module: types.ModuleType, c: Claim) -> tuple[Any, dict[str, Signal], list[Any]]:
    """A pipe of a converter, its free inputs, and its multipliers: the noise's, the gain's."""
    products, _ = cut(module, c.free)
    pipe = module.ReadoutPipe(GEOMETRY)
    c.module.submodules.pipe = pipe.elaborate(None)  # at once, and once only: its products are free inputs
    values = {name: c.free(shape, name) for name, shape in SHAPES.items()}
    for name in ("column", "offset", "gain", "sample", "sigma"):
        c.module.d.comb += getattr(pipe, name).eq(values[name])
    for stage in SETTINGS_STAGES:
        settings = getattr(pipe, f"settings_{stage}")
        c.module.d.comb += settings.analog.eq(0)
        for name in ("adc_bits", "shift", "lshift"):
            c.module.d.comb += getattr(settings, name).eq(values[name])
    c.given((values["adc_bits"] >= ADC_BITS[0]) & (values["adc_bits"] <= ADC_BITS[-1]))
    c.module.d.comb += pipe.half.eq(power(values["shift"], SHIFT_MAX) >> 1)
    c.module.d.comb += pipe.top.eq((power(values["adc_bits"], ADC_BITS[-1]) >> 1) - 1)
    return pipe, values, products


@proof("ndrite.hdl.readout.readout_pipe", long=True)
def converter(module: types.ModuleType) -> Verdict:
    """adc: the increment for every product, offset, shift, adc_bits and slice."""
    c = Claim()
    pipe, x, (_, gain) = _pipe(module, c)
    product = gain.value
    c.given(x["shift"] <= SHIFT_MAX)
    # Nothing wider can come of gain * column (proved sufficient by the geometry).
    top = 1 << (GEOMETRY.noisy_bits + 15)
    c.given((product < top) & (product >= -top))
    rounded = rshift_round(c.module, product, x["shift"], SHIFT_MAX, "rounded")
    limit = power(x["adc_bits"], ADC_BITS[-1]) >> 1
    code = Signal(signed(ADC_BITS[-1] + 1))
    c.module.d.comb += code.eq(clip(rounded + x["offset"], -limit, limit - 1))
    expected = Signal(signed(32))
    c.module.d.comb += expected.eq(code << x["lshift"])
    c.always(pipe.increment == expected)
    return prove(c)


@proof("ndrite.hdl.readout.readout_pipe")
def noise_term(module: types.ModuleType) -> Verdict:
    """a' = a + rshift_round(product, 8), seen at the gain multiplier, for every
    accumulator value."""
    c = Claim()
    _, x, (noise, gain) = _pipe(module, c)
    c.given((noise.value < 1 << 27) & (noise.value >= -(1 << 27)))
    expected = x["column"] + ((noise.value + (1 << (GAUSS_FRACTION - 1))) >> GAUSS_FRACTION)
    c.always(gain.a == expected)
    return prove(c)


@proof("ndrite.hdl.neuron.neuron_pipe")
def voltage(neuron: types.ModuleType) -> Verdict:
    """v + 2048 for every product and vshift."""
    c = Claim()
    products, _ = cut(neuron, c.free)
    layer = Signal(group_layout(GEOMETRY))
    vshift = c.free(6, "vshift")
    c.module.d.comb += layer.vshift.eq(vshift)
    c.given(vshift <= SHIFT_MAX)
    v = neuron.NeuronPipe(GEOMETRY)._voltage(c.module, None, c.free(32, "z"), c.free(16, "scale"), layer)
    expected = rshift_round(c.module, products[0].value, vshift, SHIFT_MAX, "expected")
    c.always(v == clip(expected, V_MIN, V_MAX) - V_MIN)
    return prove(c)


class Curve:
    """A neuron's curve over free voltages and settings: segments of 2^f, table
    entries of h bits."""

    def __init__(self, neuron: types.ModuleType, c: Claim) -> None:
        (self.products, self.memories), layer = cut(neuron, c.free), Signal(group_layout(GEOMETRY))
        self.f, self.h = c.free(4, "f"), c.free(4, "h")
        c.module.d.comb += [layer.segment_bits.eq(self.f), layer.table_bits.eq(self.h)]
        least = V_BITS - (GEOMETRY.segments.bit_length() - 1)
        c.given((self.f >= least) & (self.f < V_BITS) & (self.h <= TABLE_BITS_MAX))
        self.v, self.curve = c.free(V_BITS, "v"), c.free(16, "curve")
        n = neuron.NeuronPipe(GEOMETRY)
        for name in ("base", "slope"):
            # The bus is idle: held at 0.
            widths = {"select": 1, "address": 8, "write": 1, "write_data": 32, "read_data": 32}
            wires = {port: Signal(width, name=f"{name}_{port}") for port, width in widths.items()}
            setattr(n, f"{name}_window", types.SimpleNamespace(**wires))
        self.y = n._curve(c.module, None, self.v, self.curve, layer)


@proof("ndrite.hdl.neuron.neuron_pipe")
def address_split(neuron: types.ModuleType) -> Verdict:
    """Segment, curve and rest for every v, curve and f."""
    c = Claim()
    n = Curve(neuron, c)
    segment, rest = Signal(V_BITS), Signal(V_BITS)
    with c.module.Switch(n.f):
        for bits in range(V_BITS):
            with c.module.Case(bits):
                c.module.d.comb += [segment.eq(n.v // (1 << bits)), rest.eq(n.v % (1 << bits))]
    for memory in n.memories:
        c.always(memory.address == n.curve[:2] * GEOMETRY.segments + segment)
    c.always(n.products[0].b == rest)
    return prove(c)


@proof("ndrite.hdl.neuron.neuron_pipe")
def activation(neuron: types.ModuleType) -> Verdict:
    """y for every base, slope product, f and h."""
    c = Claim()
    n = Curve(neuron, c)
    base, product = n.memories[0].value, n.products[0].value
    # |slope * r| is below 2^17 * 2^f; a wider product cannot occur.
    c.given((product < 1 << 28) & (product >= -(1 << 28)))
    total = (base * power(n.f, V_BITS)) + product
    most = V_BITS - 1 + TABLE_BITS_MAX
    shift = Signal(5, name="shift_expected")
    c.module.d.comb += shift.eq(n.f + n.h)
    c.always(n.y == clip(rshift_round(c.module, total, shift, most, "expected"), 0, INPUT_MAX))
    return prove(c)


@proof("ndrite.hdl.learn.updater")
def within_bounds(module: types.ModuleType) -> Verdict:
    """The state after any pulses, up or down, from any state, beyond its bounds too."""
    c = Claim()
    updater, sums = module.Updater(PRESETS["tiny"]), dict[str, Signal]()

    def read(name: str, word: Any, nibble: int) -> Signal:
        return sums.setdefault(name, c.free(signed(14), name))

    updater._tables = lambda m: read
    # Registers in place of memories, which a proof by induction would let begin with anything.
    module.delayed_in_memory = module.delayed
    for i in module.PRODUCTS:
        c.module.d.comb += updater.products[i].eq(c.free(signed(2 * WIDEST), f"product_{i}"))
    c.module.submodules.updater = updater.elaborate(None)
    c.let(updater.event, "row", "column", "count", "up", "state")
    c.let(updater, "cycle_key", "step_shift")
    low = clip(sums["lower"] << BOUND_SHIFT, STATE_MIN, 0)
    high = clip(sums["upper"] << BOUND_SHIFT, 0, STATE_MAX)
    c.always((updater.state >= low) & (updater.state <= high))
    return prove(c)


BUGS = [
    (converter, "small_15 > top_15", "small_15 > top_15 + 1"),
    long(converter, "near = 12", "near = 11"),
    long(converter, "negative & ~low_bits.all()", "negative & ~low_bits.any()"),
    long(converter, "((11, 4), (12, 2), (13, 0))", "((11, 4), (12, 2), (13, 1))"),
    long(converter, "beyond_16[0] | (above_16 & ~beyond_16[1])", "beyond_16[0] | above_16"),
    long(converter, "unmerged(m, platform, self.half,", "unmerged(m, platform, self.half >> 1,"),
    long(converter, 'setting(17, "lshift", "lshift")', 'setting(17, "lshift", "lshift")[:2]'),
    (noise_term, "half = 1 << (GAUSS_FRACTION - 1)", "half = 1 << GAUSS_FRACTION"),
    (voltage, "m.Elif(negative & ~low_bits.all())", "m.Elif(negative & ~low_bits.any())"),
    long(voltage, "half.eq((Const(1, 1) << vshift[0]) >> 1)", "half.eq((Const(1, 1) << vshift[0]) >> 2)"),
    long(voltage, "fine_11[V_BITS - 1 : -1]", "fine_11[V_BITS:-1]"),
    long(voltage, "coarse_10 >> vshift[1][:3]", "coarse_10 >> vshift[1][:2]"),
    (address_split, "(v_12 >> f[0])[:index_bits]", "(v_12 >> f[0])[1 : index_bits + 1]"),
    (address_split, "Const(-1, signed(V_BITS)) << f[1]", "Const(-2, signed(V_BITS)) << f[1]"),
    (activation, "shift.eq(f[2] + layer.table_bits)", "shift.eq(layer.table_bits)"),
    (activation, "Mux(low, 0, Mux", "Mux(low, 1, Mux"),
    (activation, "high.eq(y_22 > INPUT_MAX)", "high.eq(y_22 > INPUT_MAX + 1)"),
    (within_bounds, "above.eq(new > bounds[1])", "above.eq(new > bounds[1] + 1)"),
    (within_bounds, "Mux(above, ends[1], Mux(below, ends[0], kept))", "Mux(above, ends[1], kept)"),
    (within_bounds, "_cut(upper << BOUND_SHIFT, 0,", "_cut(upper << BOUND_SHIFT, -64,"),
]
