"""target: finds the FPGA family for which a block is built, and builds registers that
its synthesiser must not merge."""

from typing import Any

from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.hdl import Value


def is_ecp5(platform: object) -> bool:
    """Return whether ``platform`` is a Lattice ECP5: its ``family`` says so, or its
    ``device`` is an LFE5U part.

    Simulation and every other family get plain RTL with the same latencies.
    """
    device = str(getattr(platform, "device", "")).upper()
    return getattr(platform, "family", None) == "ecp5" or device.startswith("LFE5U")


def is_ice40(platform: object) -> bool:
    """Return whether the ``family`` of ``platform`` is Lattice iCE40."""
    return getattr(platform, "family", None) == "ice40"


def is_small(platform: object) -> bool:
    """Return whether ``platform`` requests the core of ``ndrite.hdl.small``
    (attribute ``small``).

    It lacks the registers that only serve speed, for parts with fewer
    flip-flops than those take.
    """
    return bool(getattr(platform, "small", False))


def unmerged(m: Module, platform: object, value: Any, name: str) -> Any:
    """Return ``value`` one cycle later, with its shape, in registers without reset that
    synthesis may not merge with equal registers.

    A synthesiser merges registers with equal inputs, and so the copies that should each
    be near their own readers. A delay line in one lane group would also be merged with
    the row registers of the next groups, and one register would then feed the whole
    chip. On ECP5 these registers are primitives, which the synthesiser leaves alone.
    """
    out = Signal(value.shape(), name=name, reset_less=True)
    if not is_ecp5(platform):
        m.d.sync += out.eq(value)
        return out
    before, after = Value.cast(value), Value.cast(out)
    for i in range(len(before)):
        m.submodules[f"{name}_{i}"] = Instance("FD1S3AX", i_CK=ClockSignal(), i_D=before[i], o_Q=after[i])
    return out
