"""wide_multiplier: a signed product wider than one multiplier, from two of them."""

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.delay import delayed
from hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier

WIDE_LATENCY = MULTIPLY_LATENCY + 2
"""Cycles from ``a`` and ``b`` to ``product``."""
LOW_BITS = 17


class WideMultiplier(wiring.Component):
    """product = a * b for signed ``a`` of up to 35 bits and unsigned ``b`` of up to 17, one a cycle.

    Latency: WIDE_LATENCY cycles. Resources: two multipliers (one where ``a`` fits 18 bits) and one adder.

    Raises ``ValueError`` when an operand is too wide.
    """

    def __init__(self, a_bits: int, b_bits: int) -> None:
        if a_bits > LOW_BITS + 18 or b_bits > 17:
            raise ValueError(
                f"operands have {a_bits} and {b_bits} bits; accepted: at most {LOW_BITS + 18} and 17"
            )
        self.a_bits, self.b_bits = a_bits, b_bits
        super().__init__(
            {"a": In(signed(a_bits)), "b": In(unsigned(b_bits)), "product": Out(signed(a_bits + b_bits + 1))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = Signal.like(self.product, name="sum", reset_less=True)
        m.d.comb += self.product.eq(product)
        if self.a_bits <= 18:
            m.submodules.only = only = Multiplier(signed(self.a_bits), unsigned(self.b_bits))
            m.d.comb += [only.a.eq(self.a), only.b.eq(self.b)]
            m.d.sync += product.eq(delayed(m, only.product, 1, "only"))
            return m
        m.submodules.low = low = Multiplier(unsigned(LOW_BITS), unsigned(self.b_bits))
        m.submodules.high = high = Multiplier(signed(self.a_bits - LOW_BITS), unsigned(self.b_bits))
        m.d.comb += [
            low.a.eq(self.a[:LOW_BITS]),
            low.b.eq(self.b),
            high.a.eq(self.a[LOW_BITS:].as_signed()),
            high.b.eq(self.b),
        ]
        # A multiplier's output register is slow: another one before the adder.
        parts = [delayed(m, half.product, 1, name) for half, name in ((low, "low"), (high, "high"))]
        m.d.sync += product.eq((parts[1] << LOW_BITS) + parts[0])
        return m
