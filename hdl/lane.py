"""lane: one crossbar column at a time: weight memory, multiplier, accumulator."""

from __future__ import annotations

from amaranth import Module, Mux, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.layouts import column_shape
from hdl.memory import READ_LATENCY, RegisteredMemory
from hdl.multiplier import MULTIPLY_LATENCY, Multiplier

X_STAGE = READ_LATENCY
"""Cycles after ``address`` at which ``x`` is taken."""
FLAG_STAGE = X_STAGE + MULTIPLY_LATENCY
"""Cycles after ``address`` at which ``load`` and ``enable`` are taken; the sum stands one later."""


class Lane(wiring.Component):
    """``accumulator`` <= (``load`` ? 0 : ``accumulator``) + x * w[address].

    Latency: FLAG_STAGE + 1 cycles from ``address`` to ``accumulator``; the weight read is in ``weight``
    after X_STAGE. Resources: one multiplier, one weight memory of weight_depth words, accumulator_bits
    flip-flops.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        address = bits_for(geometry.weight_depth - 1)
        super().__init__(
            {
                "address": In(address),
                "x": In(unsigned(8)),
                "load": In(1),
                "enable": In(1),
                "write": In(1),
                "write_address": In(address),
                "write_data": In(signed(geometry.weight_bits)),
                "weight": Out(signed(geometry.weight_bits)),
                "accumulator": Out(column_shape(geometry)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.memory = memory = RegisteredMemory(signed(g.weight_bits), g.weight_depth)
        m.submodules.multiplier = multiplier = Multiplier(signed(g.weight_bits), unsigned(8))
        m.d.comb += [
            memory.address.eq(self.address),
            memory.write.eq(self.write),
            memory.write_address.eq(self.write_address),
            memory.write_data.eq(self.write_data),
            self.weight.eq(memory.data),
            multiplier.a.eq(memory.data),
            multiplier.b.eq(self.x),
        ]
        with m.If(self.enable):
            m.d.sync += self.accumulator.eq(Mux(self.load, 0, self.accumulator) + multiplier.product)
        return m
