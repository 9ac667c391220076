"""The binding arithmetic as Amaranth expressions, written apart from the RTL and only for proofs."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.hdl import Value


def rshift_round(m: Module, v: Value, shift: Value, most: int, name: str) -> Signal:
    """(v + 2^(shift-1)) >> shift, or v for shift 0, as a table over every shift up to ``most``."""
    width = max(len(v), most) + 2
    result = Signal(signed(width), name=name)
    with m.Switch(shift):
        for s in range(most + 1):
            with m.Case(s):
                m.d.comb += result.eq(v if s == 0 else (v + (1 << (s - 1))) >> s)
    return result


def clip(v: Value, low: int | Value, high: int | Value) -> Value:
    """min(max(v, low), high)."""
    return Mux(v < low, Value.cast(low), Mux(v > high, Value.cast(high), v))


def power(exponent: Value, most: int) -> Value:
    """2^exponent for exponents up to ``most``."""
    return (Const(1, 1) << exponent)[: most + 1]
