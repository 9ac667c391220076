"""gated_accumulator: a running sum of the addends that one bit lets through."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.carry_chain import carry_chain, function_of
from hdl.parts.target import is_ecp5

_SUM = function_of(passes=0)


class GatedAccumulator(wiring.Component):
    """``sum`` <= (``load`` ? 0 : ``sum``) + (``gate`` ? ``addend`` : 0), every cycle.

    Latency: one cycle. Resources: one LUT and one flip-flop a bit on ECP5, where the synthesiser alone
    would take three LUTs; what it makes of it elsewhere.
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
        m.d.sync += total.eq(carry_chain(m, _SUM, total, self.load, addend, self.gate))
