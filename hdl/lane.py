"""lane: one crossbar column at a time: weight memory, multiplier, accumulator."""

from __future__ import annotations

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.layouts import column_shape


class Lane(wiring.Component):
    """``accumulator`` <= (``load`` ? 0 : ``accumulator``) + x * w[address].

    Latency: the weight at ``address`` is in ``weight`` 2 cycles later; ``x`` is given with it, 2 cycles
    after its address, and ``load``/``enable`` one cycle after ``x``. Resources: one multiplier, one
    weight memory of weight_depth words, accumulator_bits + 2 * weight_bits + 8 flip-flops.
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
        m.submodules.memory = memory = Memory(shape=signed(g.weight_bits), depth=g.weight_depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.address),
        ]
        product = Signal(signed(g.weight_bits + 8))
        m.d.sync += self.weight.eq(read.data)
        m.d.sync += product.eq(self.weight * self.x)
        with m.If(self.enable):
            with m.If(self.load):
                m.d.sync += self.accumulator.eq(product)
            with m.Else():
                m.d.sync += self.accumulator.eq(self.accumulator + product)
        return m
