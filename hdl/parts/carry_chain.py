"""carry_chain: the sum of two gated addends in one LUT a bit of an ECP5, and a product of such sums."""

from typing import Any

from amaranth import Const, Instance, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY
from ndrite.hdl.parts.target import is_ecp5


def function_of(passes: int) -> int:
    """CCU2C function of A, B = an addend and its gate, C, D = the other one's: A goes through where B is
    ``passes``, C where D is 1.

    Its carry is made of A and B alone (the function at C = D = 0), which is the addend behind its gate, as an
    adder wants it.
    """
    return sum(
        ((a & (b == passes)) ^ (c & d)) << (a | b << 1 | c << 2 | d << 3)
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
        for d in (0, 1)
    )


def carry_chain(
    m: Module, function: int, a: Signal, gate_a: Value, c: Signal, gate_c: Value, name: str = ""
) -> Value:
    """a + c, each where its gate lets it through, as wide as ``a``; ``name`` marks its cells."""
    bits = len(a)
    following = Signal(bits + 1, name=f"{name}following")
    carry: Any = Const(0, 1)
    for low in range(0, bits, 2):
        out = Signal(name=f"{name}carry_{low}")
        ports: dict[str, Any] = {"i_CIN": carry, "o_COUT": out}
        for half in (0, 1):
            is_used = low + half < bits
            ports |= {
                f"i_A{half}": a[low + half] if is_used else Const(0, 1),
                f"i_B{half}": gate_a,
                f"i_C{half}": c[low + half] if is_used else Const(0, 1),
                f"i_D{half}": gate_c,
                f"o_S{half}": following[low + half],
            }
        m.submodules[f"{name}carry_{low}"] = Instance(
            "CCU2C", p_INIT0=function, p_INIT1=function, p_INJECT1_0="NO", p_INJECT1_1="NO", **ports
        )
        carry = out
    return following[:bits]


CODE_BITS = 8
_GATED = function_of(passes=1)


class CarryMultiplier(wiring.Component):
    """product = a * b, MULTIPLY_LATENCY cycles later, one a cycle; ``b`` is a code of eight bits.

    Two bits of ``b`` let ``a`` through in one chain; the four sums are added two by two. Operands have no
    registers of their own. Resources: eight LUTs and nine flip-flops for each bit of ``a``, about.
    """

    def __init__(self, a: ShapeLike) -> None:
        self.shape = Shape.cast(a)
        width = self.shape.width + CODE_BITS + (0 if self.shape.signed else 1)
        super().__init__({"a": In(self.shape), "b": In(unsigned(CODE_BITS)), "product": Out(signed(width))})

    def elaborate(self, platform: object) -> Module:
        assert CODE_BITS.bit_length() - 1 == MULTIPLY_LATENCY
        m = Module()
        bits = len(self.product) - CODE_BITS + 2
        sums = []
        for low in range(0, CODE_BITS, 2):
            pair = Signal(signed(bits), name=f"pair_{low}", reset_less=True)
            gates = self.b[low], self.b[low + 1]
            if is_ecp5(platform):
                once, twice = (
                    Signal(signed(bits), name=f"once_{low}"),
                    Signal(signed(bits), name=f"twice_{low}"),
                )
                m.d.comb += [once.eq(self.a), twice.eq(self.a << 1)]
                chain = carry_chain(m, _GATED, once, gates[0], twice, gates[1], f"pair_{low}_")
                m.d.sync += pair.eq(chain)
            else:
                m.d.sync += pair.eq(Mux(gates[0], self.a, 0) + Mux(gates[1], self.a << 1, 0))
            sums.append(pair)
        apart = 2
        while len(sums) > 1:
            added = []
            for i in range(0, len(sums), 2):
                pair_sum = Signal(signed(len(sums[0]) + apart), name=f"sum_{apart}_{i}", reset_less=True)
                m.d.sync += pair_sum.eq(sums[i] + (sums[i + 1] << apart))
                added.append(pair_sum)
            sums, apart = added, 2 * apart
        m.d.comb += self.product.eq(sums[0])
        return m
