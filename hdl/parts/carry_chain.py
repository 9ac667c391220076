"""carry_chain: the sum of two addends, each behind a gate of its own, in one LUT a bit of an ECP5."""

from typing import Any

from amaranth import Const, Instance, Module, Signal
from amaranth.hdl import Value


def function_of(passes: int) -> int:
    """CCU2C function of A, B = an addend and its gate, C, D = the other one's: A goes through where B is
    ``passes``, C where D is 1.

    Its carry is made of A and B alone (the function at C = D = 0), which is the addend behind its gate, as an
    adder wants it.
    """
    return sum(
        ((a & (b == passes)) ^ (c & d)) << (a | b << 1 | c << 2 | d << 3)
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
        for d in (0, 1)
    )


def carry_chain(
    m: Module, function: int, a: Signal, gate_a: Value, c: Signal, gate_c: Value, name: str = ""
) -> Value:
    """a + c, each where its gate lets it through, as wide as ``a``; ``name`` marks its cells."""
    bits = len(a)
    following = Signal(bits + 1, name=f"{name}following")
    carry: Any = Const(0, 1)
    for low in range(0, bits, 2):
        out = Signal(name=f"{name}carry_{low}")
        ports: dict[str, Any] = {"i_CIN": carry, "o_COUT": out}
        for half in (0, 1):
            here = low + half < bits
            ports |= {
                f"i_A{half}": a[low + half] if here else Const(0, 1),
                f"i_B{half}": gate_a,
                f"i_C{half}": c[low + half] if here else Const(0, 1),
                f"i_D{half}": gate_c,
                f"o_S{half}": following[low + half],
            }
        m.submodules[f"{name}carry_{low}"] = Instance(
            "CCU2C", p_INIT0=function, p_INIT1=function, p_INJECT1_0="NO", p_INJECT1_1="NO", **ports
        )
        carry = out
    return following[:bits]
