"""scaler: rshift_round(a * factor, shift), the factors in a memory: second operands and averages."""

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.parts.bus import WindowSignature
from hdl.parts.delay import delayed
from hdl.parts.layouts import SECOND_BITS
from hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from hdl.parts.multiplier import FAR, MULTIPLY_LATENCY, Multiplier

FACTOR_BITS = 16
OPERAND_BITS = 17
SCALER_LATENCY = 1 + READ_LATENCY + MULTIPLY_LATENCY + 2 * FAR + 3
"""Cycles from ``a`` to ``value``."""
WIDE = 37
"""Bits that hold a product and what rounds it; a larger shift leaves 0."""


class Scaler(wiring.Component):
    """value = rshift_round(a * factor[index], shift), at most 2^25 - 1; ``shift`` holds still.

    Latency: SCALER_LATENCY. Resources: 16 bits a column of memory, a multiplier, about 200 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.columns = geometry.columns
        super().__init__(
            {
                "valid": In(1),
                "a": In(OPERAND_BITS),
                "index": In(bits_for(geometry.columns - 1)),
                "shift": In(6),
                "value_valid": Out(1),
                "value": Out(SECOND_BITS),
                "window": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.factors = factors = RegisteredMemory(unsigned(FACTOR_BITS), self.columns)
        index = delayed(m, self.index, 1, "index")
        share(m, factors, self.window, index)
        m.d.sync += self.window.read_data.eq(factors.data)
        m.submodules.multiplier = multiplier = Multiplier(unsigned(OPERAND_BITS), unsigned(FACTOR_BITS))
        m.d.comb += [
            multiplier.a.eq(delayed(m, self.a, 1 + READ_LATENCY + FAR, "a")),
            multiplier.b.eq(delayed(m, factors.data, FAR, "factor")),
        ]
        product = delayed(m, multiplier.product, FAR, "product")
        half, rounded, coarse = Signal(WIDE), Signal(WIDE), Signal(WIDE)
        m.d.sync += [
            half.eq((Const(1, 1) << self.shift) >> 1),
            rounded.eq(product.as_unsigned() + half),
            self.value.eq(_most(coarse >> self.shift[:3])),
            self.value_valid.eq(delayed(m, self.valid, SCALER_LATENCY - 1, "valid")),
        ]
        with m.Switch(self.shift[3:]):
            for i in range(8):
                with m.Case(i):
                    m.d.sync += coarse.eq(rounded >> 8 * i)
        return m


def _most(value: object) -> object:
    """At most what SECOND_BITS hold."""
    return Mux(value[SECOND_BITS:].any(), (1 << SECOND_BITS) - 1, value[:SECOND_BITS])  # type: ignore[index]
