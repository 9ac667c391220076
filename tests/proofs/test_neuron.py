"""Neuron: rounding and clipping of the voltage, the table's address split, rounding and clipping of y.

Products are cut: the claims hold whatever the multipliers say.
"""

import dataclasses
import types

from amaranth import Signal

from emulator.spec import PRESETS
from emulator.spec.arithmetic import INPUT_MAX, SHIFT_MAX, TABLE_BITS_MAX, V_BITS, V_MAX, V_MIN
from hdl.parts.layouts import group_layout
from tests.proofs.cut import cut
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401
from tests.proofs.prover import Claim, Verdict, clip, power, prove, rshift_round

GEOMETRY = dataclasses.replace(PRESETS["tiny"], curves=4, segments=32)


@proof("hdl.neuron.neuron_pipe")
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
    """A neuron's curve over free voltages and settings: segments of 2^f, table entries of h bits."""

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


@proof("hdl.neuron.neuron_pipe")
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


@proof("hdl.neuron.neuron_pipe")
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


BUGS = [
    (voltage, "m.Elif(negative & ~rest.all())", "m.Elif(negative & ~rest.any())"),
    long(voltage, "half.eq((Const(1, 1) << vshift[0]) >> 1)", "half.eq((Const(1, 1) << vshift[0]) >> 2)"),
    long(voltage, "fine_11[V_BITS - 1 : -1]", "fine_11[V_BITS:-1]"),
    long(voltage, "coarse_10 >> vshift[1][:3]", "coarse_10 >> vshift[1][:2]"),
    (address_split, "(v_12 >> f[0])[:index_bits]", "(v_12 >> f[0])[1 : index_bits + 1]"),
    (address_split, "Const(-1, signed(V_BITS)) << f[1]", "Const(-2, signed(V_BITS)) << f[1]"),
    (activation, "shift.eq(f[2] + layer.table_bits)", "shift.eq(layer.table_bits)"),
    (activation, "Mux(low, 0, Mux", "Mux(low, 1, Mux"),
    (activation, "high.eq(y_22 > INPUT_MAX)", "high.eq(y_22 > INPUT_MAX + 1)"),
]
