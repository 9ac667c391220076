"""Neuron: rounding and clipping of the voltage, the table's address split, rounding and clipping of y.

Products are cut: the claims hold whatever the multipliers say.
"""

import dataclasses
import types
from collections.abc import Callable

import pytest
from amaranth import Signal

from emulator.spec import PRESETS
from emulator.spec.arithmetic import INPUT_MAX, SHIFT_MAX, TABLE_BITS_MAX, V_BITS, V_MAX, V_MIN
from hdl.parts.layouts import group_layout
from tests.marks import long_where
from tests.proofs.cut import cut
from tests.proofs.prover import Claim, holds, mutated
from tests.proofs.spec import clip, power, rshift_round

GEOMETRY = dataclasses.replace(PRESETS["tiny"], curves=4, segments=32)


def voltage(neuron: types.ModuleType) -> Claim:
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
    return c


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


def address_split(neuron: types.ModuleType) -> Claim:
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
    return c


def activation(neuron: types.ModuleType) -> Claim:
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
    return c


CLAIMS: dict[str, Callable[[types.ModuleType], Claim]] = {
    "voltage": voltage,
    "address_split": address_split,
    "activation": activation,
}
BUGS = [
    ("voltage", "half.eq((Const(1, 1) << vshift[0]) >> 1)", "half.eq((Const(1, 1) << vshift[0]) >> 2)"),
    ("voltage", "fine_11[V_BITS - 1 : -1]", "fine_11[V_BITS:-1]"),
    ("voltage", "m.Elif(negative & ~rest.all())", "m.Elif(negative & ~rest.any())"),
    ("voltage", "coarse_10 >> vshift[1][:3]", "coarse_10 >> vshift[1][:2]"),
    ("address_split", "(v_12 >> f[0])[:index_bits]", "(v_12 >> f[0])[1 : index_bits + 1]"),
    ("address_split", "Const(-1, signed(V_BITS)) << f[1]", "Const(-2, signed(V_BITS)) << f[1]"),
    ("activation", "shift.eq(f[2] + layer.table_bits)", "shift.eq(layer.table_bits)"),
    ("activation", "Mux(low, 0, Mux", "Mux(low, 1, Mux"),
    ("activation", "high.eq(y_22 > INPUT_MAX)", "high.eq(y_22 > INPUT_MAX + 1)"),
]


def _fresh() -> types.ModuleType:
    """A copy of the module, so that cutting it leaves the real one alone."""
    return mutated("hdl.neuron.neuron_pipe", "NEURON_LATENCY = 24", "NEURON_LATENCY = 24")


@pytest.mark.parametrize("name", CLAIMS)
def test_for_every_value(name: str) -> None:
    assert holds(CLAIMS[name](_fresh()))


def takes_long(bug: tuple[str, str, str]) -> bool:
    """All of the voltage's but the one that is found most quickly."""
    return bug[0] == "voltage" and bug != BUGS[2]


@pytest.mark.parametrize(("name", "old", "new"), long_where(takes_long, BUGS))
def test_injected_bug_is_found(name: str, old: str, new: str) -> None:
    assert not holds(CLAIMS[name](mutated("hdl.neuron.neuron_pipe", old, new)))
