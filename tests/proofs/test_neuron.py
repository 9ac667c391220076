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
from tests.proofs.prover import Claim, Verdict, prove
from tests.proofs.spec import clip, power, rshift_round

GEOMETRY = dataclasses.replace(PRESETS["tiny"], curves=4, segments=32)


@proof("hdl.neuron.neuron_pipe")
def voltage(neuron: types.ModuleType) -> Verdict:
    """v + 2048 for every product and vshift."""
    c = Claim()
    made = cut(neuron, c.free)
    layer = Signal(group_layout(GEOMETRY))
    vshift = c.free(6, "vshift")
    c.module.d.comb += layer.vshift.eq(vshift)
    c.given(vshift <= SHIFT_MAX)
    v = neuron.NeuronPipe(GEOMETRY)._voltage(c.module, None, c.free(32, "z"), c.free(16, "scale"), layer)
    product = made[0].value
    expected = clip(rshift_round(c.module, product, vshift, SHIFT_MAX, "expected"), V_MIN, V_MAX) - V_MIN
    c.always(v == expected)
    return prove(c)


def _curve(neuron: types.ModuleType, c: Claim) -> tuple[Signal, Signal, list[object], Signal, Signal]:
    made = cut(neuron, c.free)
    layer = Signal(group_layout(GEOMETRY))
    f, h = c.free(4, "f"), c.free(4, "h")
    c.module.d.comb += [layer.segment_bits.eq(f), layer.table_bits.eq(h)]
    least = V_BITS - (GEOMETRY.segments.bit_length() - 1)
    c.given((f >= least) & (f < V_BITS) & (h <= TABLE_BITS_MAX))
    v, curve = c.free(V_BITS, "v"), c.free(16, "curve")
    n = neuron.NeuronPipe(GEOMETRY)
    for name in ("base", "slope"):
        window = Signal(1, name=f"{name}_select")  # the bus is idle: held at 0
        setattr(
            n,
            f"{name}_window",
            types.SimpleNamespace(
                select=window, address=Signal(8), write=Signal(), write_data=Signal(32), read_data=Signal(32)
            ),
        )
    y = n._curve(c.module, None, v, curve, layer)
    return y, v, made, f, h


@proof("hdl.neuron.neuron_pipe")
def address_split(neuron: types.ModuleType) -> Verdict:
    """Segment, curve and rest for every v, curve and f."""
    c = Claim()
    _, v, made, f, _ = _curve(neuron, c)
    memories = [block for block in made if hasattr(block, "address")]
    product = next(block for block in made if hasattr(block, "product"))
    curve = next(signal for signal in c.inputs if signal.name == "curve")
    segment = Signal(V_BITS)
    rest = Signal(V_BITS)
    with c.module.Switch(f):
        for bits in range(V_BITS):
            with c.module.Case(bits):
                c.module.d.comb += [segment.eq(v // (1 << bits)), rest.eq(v % (1 << bits))]
    for memory in memories:
        c.always(memory.address == curve[:2] * GEOMETRY.segments + segment)
    c.always(product.b == rest)
    return prove(c)


@proof("hdl.neuron.neuron_pipe")
def activation(neuron: types.ModuleType) -> Verdict:
    """y for every base, slope product, f and h."""
    c = Claim()
    y, _, made, f, h = _curve(neuron, c)
    base = next(block for block in made if hasattr(block, "address")).value
    product = next(block for block in made if hasattr(block, "product")).value
    # |slope * r| is below 2^17 * 2^f; a wider product cannot occur.
    c.given((product < 1 << 28) & (product >= -(1 << 28)))
    total = (base * power(f, V_BITS)) + product
    most = V_BITS - 1 + TABLE_BITS_MAX
    shift = Signal(5, name="shift_expected")
    c.module.d.comb += shift.eq(f + h)
    c.always(y == clip(rshift_round(c.module, total, shift, most, "expected"), 0, INPUT_MAX))
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
