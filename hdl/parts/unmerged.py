"""unmerged: registers that no synthesiser merges with others that hold the same value."""

from typing import Any

from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.hdl import Value

from hdl.parts.target import is_ecp5


def unmerged(m: Module, platform: object, value: Any, name: str) -> Any:
    """``value`` (its shape kept) one cycle later, without reset.

    A synthesiser merges registers of equal inputs, and with them the copies that were to stand each beside
    its own readers. A delay line in one lane group is what the row registers of the next groups hold, and
    one of them would then feed the whole chip. On ECP5 these are primitives, which it leaves alone.
    """
    out = Signal(value.shape(), name=name, reset_less=True)
    if not is_ecp5(platform):
        m.d.sync += out.eq(value)
        return out
    before, after = Value.cast(value), Value.cast(out)
    for i in range(len(before)):
        m.submodules[f"{name}_{i}"] = Instance("FD1S3AX", i_CK=ClockSignal(), i_D=before[i], o_Q=after[i])
    return out
