"""scaler: rshift_round(a * factor, shift), the factors in a memory: second operands and averages."""

from typing import Any

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.carry_chain import CODE_BITS, CarryMultiplier
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.layouts import SECOND_BITS
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from ndrite.hdl.parts.multiplier import FAR, MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.ports import Ports, Sized

FACTOR_BITS = 16
OPERAND_BITS = 17
SCALER_LATENCY = 1 + READ_LATENCY + MULTIPLY_LATENCY + 2 * FAR + 3
"""Cycles from ``a`` to ``value``."""
WIDE = 37
"""Bits that hold a product and what rounds it; a larger shift leaves 0."""


class Scaler(Sized):
    """value[i] = rshift_round(a[i] * factor[index + i], shift), at most 2^25 - 1; ``shift`` holds still.

    Several neurons have two at a time (``second_operands``), the second one a code and its multiplier made of
    LUTs. Latency: SCALER_LATENCY. Resources: 16 bits a column of memory, a multiplier, about 200 LUTs; with
    the second one 500.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "valid": In(1),
            "a": In(ArrayLayout(OPERAND_BITS, g.second_operands)),
            "index": In(bits_for(g.columns - 1)),
            "shift": In(6),
            "value_valid": Out(1),
            "value": Out(ArrayLayout(SECOND_BITS, g.second_operands)),
            "window": In(WindowSignature()),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        columns, operands = self.geometry.columns, self.geometry.second_operands
        m.submodules.factors = factors = RegisteredMemory(unsigned(FACTOR_BITS), columns, second=operands > 1)
        index = delayed(m, self.index, 1, "index")
        share(m, factors, self.window, index)
        m.d.sync += self.window.read_data.eq(factors.data)
        m.submodules.multiplier = multiplier = Multiplier(unsigned(OPERAND_BITS), unsigned(FACTOR_BITS))
        m.d.comb += [
            multiplier.a.eq(delayed(m, self.a[0], 1 + READ_LATENCY + FAR, "a")),
            multiplier.b.eq(delayed(m, factors.data, FAR, "factor")),
        ]
        half = Signal(WIDE)
        m.d.sync += [
            half.eq((Const(1, 1) << self.shift) >> 1),
            self.value_valid.eq(delayed(m, self.valid, SCALER_LATENCY - 1, "valid")),
        ]
        self._rounded(m, multiplier.product, half, 0)
        if operands > 1:
            m.submodules.second = second = CarryMultiplier(unsigned(FACTOR_BITS))
            with m.If(~self.window.write):
                m.d.comb += factors.write_address.eq(index + 1)
            m.d.comb += [
                second.a.eq(delayed(m, factors.also, FAR, "second_factor")),
                second.b.eq(delayed(m, self.a[1][:CODE_BITS], 1 + READ_LATENCY + FAR, "b")),
            ]
            self._rounded(m, second.product, half, 1)
        return m

    def _rounded(self, m: Module, product: Any, half: Signal, way: int) -> None:
        """Three steps from a multiplier's product to ``value``."""
        product = delayed(m, product, FAR, f"product_{way}")
        rounded, coarse = Signal(WIDE, name=f"rounded_{way}"), Signal(WIDE, name=f"coarse_{way}")
        m.d.sync += [
            rounded.eq(product.as_unsigned() + half),
            self.value[way].eq(_most(coarse >> self.shift[:3])),
        ]
        with m.Switch(self.shift[3:]):
            for i in range(8):
                with m.Case(i):
                    m.d.sync += coarse.eq(rounded >> 8 * i)


def _most(value: object) -> object:
    """At most what SECOND_BITS hold."""
    return Mux(value[SECOND_BITS:].any(), (1 << SECOND_BITS) - 1, value[:SECOND_BITS])  # type: ignore[index]
