"""multiplier: multipliers with registers of their own, and carry chains that add."""

from typing import NamedTuple

from amaranth import ClockSignal, Const, Instance, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import is_ecp5

MULTIPLY_LATENCY = 3
"""Cycles from ``a`` and ``b`` to ``product``."""
WIDEST = 18
FAR = 1
"""Number of registers before and after a multiplier that is far away on the die."""


class Multiplier(wiring.Component):
    """A multiplier: product = a * b, MULTIPLY_LATENCY cycles later; one product per cycle.

    Operand, product and output registers; on ECP5 those of one MULT18X18D, else
    flip-flops that do not reset, so that a synthesiser may move them into its own
    multiplier. Resources: one multiplier.

    Raises ``ValueError`` when an operand needs more than 18 signed bits.
    """

    def __init__(self, a: ShapeLike, b: ShapeLike) -> None:
        self.a_shape, self.b_shape = Shape.cast(a), Shape.cast(b)
        for shape in (self.a_shape, self.b_shape):
            if _signed_width(shape) > WIDEST:
                raise ValueError(
                    f"multiplier operand {shape} needs {_signed_width(shape)} signed bits; accepted: 18"
                )
        width = _signed_width(self.a_shape) + _signed_width(self.b_shape)
        super().__init__({"a": In(self.a_shape), "b": In(self.b_shape), "product": Out(signed(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if is_ecp5(platform):
            self._mult18(m)
            return m
        a, b = Signal(self.a_shape, reset_less=True), Signal(self.b_shape, reset_less=True)
        first = Signal(self.product.shape(), reset_less=True)
        second = Signal(self.product.shape(), reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b)]
        m.d.sync += [first.eq(a * b), second.eq(first)]
        m.d.comb += self.product.eq(second)
        return m

    def _mult18(self, m: Module) -> None:
        a, b, out = (Signal(signed(width)) for width in (WIDEST, WIDEST, 2 * WIDEST))
        m.d.comb += [a.eq(self.a), b.eq(self.b), self.product.eq(out)]
        # Unused ports of the primitive keep their default tie-offs; connecting them
        # here would cost routing.
        ports: dict[str, Value] = {}
        for i in range(WIDEST):
            ports |= {f"i_A{i}": a[i], f"i_B{i}": b[i]}
        ports |= {f"o_P{i}": out[i] for i in range(2 * WIDEST)}
        ports |= {"i_CLK0": ClockSignal(), "i_CE0": Const(1, 1), "i_RST0": Const(0, 1)}
        m.submodules.multiplier = Instance(
            "MULT18X18D",
            p_REG_INPUTA_CLK="CLK0",
            p_REG_INPUTB_CLK="CLK0",
            p_REG_PIPELINE_CLK="CLK0",
            p_REG_OUTPUT_CLK="CLK0",
            i_SIGNEDA=Const(1, 1),
            i_SIGNEDB=Const(1, 1),
            i_SOURCEA=Const(0, 1),
            i_SOURCEB=Const(0, 1),
            **ports,
        )


def _signed_width(shape: Shape) -> int:
    return shape.width + (0 if shape.signed else 1)


WIDE_LATENCY = MULTIPLY_LATENCY + 2
"""Cycles from ``a`` and ``b`` to ``product``."""
LOW_BITS = 17


class WideMultiplier(wiring.Component):
    """Multiplier of signed ``a`` of up to 35 bits and unsigned ``b`` of up to 17 bits:
    product = a * b; one product per cycle.

    Latency: WIDE_LATENCY cycles. Resources: two multipliers (one where ``a`` fits 18
    bits) and one adder.

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
        # A multiplier's output register is slow: one more register before the adder.
        parts = [delayed(m, half.product, 1, name) for half, name in ((low, "low"), (high, "high"))]
        m.d.sync += product.eq((parts[1] << LOW_BITS) + parts[0])
        return m


def function_of(passes: int) -> int:
    """Return the truth table of a CCU2C cell that adds two gated bits, A (gated by B)
    and C (gated by D): A counts if B equals ``passes``, C counts if D is 1.

    Its carry is made of A and B alone (the function at C = D = 0), which is the gated
    addend, as an adder requires.
    """
    return sum(
        ((a & (b == passes)) ^ (c & d)) << (a | b << 1 | c << 2 | d << 3)
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
        for d in (0, 1)
    )


class Addend(NamedTuple):
    """A number that is added only if its gate is set."""

    value: Signal
    gate: Value


def carry_chain(m: Module, function: int, first: Addend, second: Addend, name: str = "") -> Value:
    """Return the sum of two addends, with the width of the first. ``name`` names the
    cells of the carry chain."""
    (a, gate_a), (c, gate_c) = first, second
    bits = len(a)
    following = Signal(bits + 1, name=f"{name}following")
    carry: Value = Const(0, 1)
    for low in range(0, bits, 2):
        out = Signal(name=f"{name}carry_{low}")
        ports: dict[str, Value] = {"i_CIN": carry, "o_COUT": out}
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
    """Multiplier built from LUTs, for an 8-bit code ``b``: product = a * b,
    MULTIPLY_LATENCY cycles later; one product per cycle.

    Two bits of ``b`` let ``a`` through in one chain; the four sums are added two by
    two. Operands have no registers of their own. Resources: eight LUTs and nine
    flip-flops for each bit of ``a``, about.
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
                chain = carry_chain(
                    m, _GATED, Addend(once, gates[0]), Addend(twice, gates[1]), f"pair_{low}_"
                )
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
