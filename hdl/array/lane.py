"""lane: one column of the crossbar, made of a weight memory, a multiplier
and an accumulator."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.layouts import cell_layout, column_shape
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.multiplier import (
    MULTIPLY_LATENCY,
    Addend,
    CarryMultiplier,
    Multiplier,
    carry_chain,
    function_of,
)
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import is_ecp5

_SUM = function_of(passes=0)


class GatedAccumulator(wiring.Component):
    """An accumulator with gates: in every cycle ``sum`` <= (``load`` ? 0 : ``sum``) +
    (``gate`` ? ``addend`` : 0).

    Latency: one cycle. Resources: on ECP5 one LUT and one flip-flop a bit (the
    synthesiser alone would need three LUTs); on other parts what the
    synthesiser makes of it.
    """

    def __init__(self, addend_bits: int, sum_bits: int) -> None:
        super().__init__(
            {
                "load": In(1),
                "gate": In(1),
                "addend": In(signed(addend_bits)),
                "sum": Out(signed(sum_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = Signal.like(self.sum, name="total", reset_less=True)
        m.d.comb += self.sum.eq(total)
        if is_ecp5(platform):
            self._carry_chain(m, total)
        else:
            m.d.sync += total.eq(Mux(self.load, 0, total) + Mux(self.gate, self.addend, 0))
        return m

    def _carry_chain(self, m: Module, total: Signal) -> None:
        bits = len(total)
        addend = Signal(signed(bits))
        m.d.comb += addend.eq(self.addend)
        m.d.sync += total.eq(carry_chain(m, _SUM, Addend(total, self.load), Addend(addend, self.gate)))


X_STAGE = READ_LATENCY + 1
"""Cycles from ``address`` until the lane takes its input ``x``."""


def flag_stage(geometry: Geometry) -> int:
    """Return the number of cycles from ``address`` to the flags ``load`` and ``gate``
    of the same row; the accumulator's sum follows one cycle later."""
    return X_STAGE + MULTIPLY_LATENCY + geometry.lane_rows


class Lane(wiring.Component):
    """One column of the array: ``accumulator`` <= (``load`` ? 0 : ``accumulator``) +
    (``gate`` ? x * w[address] : 0).

    With two ``lane_rows`` x_other * w[write_address] is added too, its input a cycle
    after ``x``; the multiplier of it is made of LUTs.

    Latency: ``flag_stage`` + 1 cycles from ``address`` to ``accumulator``; the word
    read is in ``cell`` after X_STAGE. ``write`` has a bit for the weight and, where
    virtual chips are built, one for the target. Resources: one multiplier, one memory
    of weight_depth cells, a ``GatedAccumulator``.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.parts = 2 if geometry.redraw else 1
        address = bits_for(geometry.weight_depth - 1)
        super().__init__(
            {
                "address": In(address),
                "x": In(unsigned(8)),
                "load": In(1),
                "gate": In(1),
                "write": In(self.parts),
                "write_address": In(address),
                "write_data": In(signed(geometry.weight_bits)),
                "cell": Out(cell_layout(geometry)),
                "accumulator": Out(column_shape(geometry)),
            }
            | ({"x_other": In(unsigned(8))} if geometry.lane_rows > 1 else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.memory = memory = RegisteredMemory(
            signed(g.weight_bits), g.weight_depth, parts=self.parts, second=g.lane_rows > 1
        )
        m.submodules.multiplier = multiplier = Multiplier(signed(g.weight_bits), unsigned(8))
        m.d.comb += [
            memory.address.eq(self.address),
            memory.write.eq(self.write),
            memory.write_address.eq(self.write_address),
            memory.write_data.eq(self.write_data.replicate(self.parts)),
            # Block RAMs and multipliers are in different columns of the die: one
            # pipeline register between them.
            self.cell.eq(delayed(m, memory.data, X_STAGE - READ_LATENCY, "cell")),
            multiplier.a.eq(self.cell.weight),
            multiplier.b.eq(self.x),
        ]
        # A multiplier's output register is slow: one more register before the adder.
        product = delayed(m, multiplier.product, 1, "product")
        if g.lane_rows > 1:
            m.submodules.other = other_multiplier = CarryMultiplier(signed(g.weight_bits))
            m.d.comb += [
                other_multiplier.a.eq(delayed(m, memory.also, X_STAGE + 1 - READ_LATENCY, "also")),
                other_multiplier.b.eq(self.x_other),
            ]
            product_sum = Signal(signed(len(product) + 1), reset_less=True)
            m.d.sync += product_sum.eq(product + other_multiplier.product)
            product = product_sum
        m.submodules.sum = total = GatedAccumulator(len(product), g.accumulator_bits)
        m.d.comb += [
            total.load.eq(self.load),
            total.gate.eq(self.gate),
            total.addend.eq(product),
            self.accumulator.eq(total.sum),
        ]
        return m
