"""gated_accumulator: a running sum of the addends that one bit lets through."""

from typing import Any

from amaranth import Cat, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.target import is_ecp5

_SUM = sum(
    ((a & ~b & 1) ^ (c & d)) << (a | b << 1 | c << 2 | d << 3)
    for a in (0, 1)
    for b in (0, 1)
    for c in (0, 1)
    for d in (0, 1)
)
"""CCU2C function of A = sum, B = load, C = addend, D = gate: both gates and the adder in one LUT a bit. Its
carry is made of A and B alone (the function at C = D = 0), which is A and not B, as an adder wants it."""


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
        following = Signal(bits + 1)
        m.d.comb += addend.eq(self.addend)
        carry: Any = Const(0, 1)
        for low in range(0, bits, 2):
            out = Signal(name=f"carry_{low}")
            ports: dict[str, Any] = {"i_CIN": carry, "o_COUT": out}
            for half in (0, 1):
                here = low + half < bits
                ports |= {
                    f"i_A{half}": total[low + half] if here else Const(0, 1),
                    f"i_B{half}": self.load,
                    f"i_C{half}": addend[low + half] if here else Const(0, 1),
                    f"i_D{half}": self.gate,
                    f"o_S{half}": following[low + half],
                }
            m.submodules[f"carry_{low}"] = Instance(
                "CCU2C", p_INIT0=_SUM, p_INIT1=_SUM, p_INJECT1_0="NO", p_INJECT1_1="NO", **ports
            )
            carry = out
        m.d.sync += total.eq(Cat(following[:bits]))
