"""carry_multiplier: a product with an input code out of carry chains, where no multiplier is left."""

from amaranth import Module, Mux, Shape, Signal, signed, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.carry_chain import carry_chain, function_of
from hdl.parts.multiplier import MULTIPLY_LATENCY
from hdl.parts.target import is_ecp5

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
                one = Signal(signed(len(sums[0]) + apart), name=f"sum_{apart}_{i}", reset_less=True)
                m.d.sync += one.eq(sums[i] + (sums[i + 1] << apart))
                added.append(one)
            sums, apart = added, 2 * apart
        m.d.comb += self.product.eq(sums[0])
        return m
