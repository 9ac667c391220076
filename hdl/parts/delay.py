"""delay: a value some cycles later, through plain registers or LUT memory."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib.memory import Memory

LUT_DEPTH = 16
"""Words of LUT memory that cost no more than two."""


def delayed(m: Module, value: Any, cycles: int, name: str) -> Any:
    """``value`` (its shape kept) ``cycles`` cycles later; ``name`` marks the registers in waveforms.

    They do not reset: the core's reset lasts until they have passed on what they held
    (``hdl.device.watchdog``).
    """
    for i in range(cycles):
        late = Signal(value.shape(), name=f"{name}_{i + 1}", reset_less=True)
        m.d.sync += late.eq(value)
        value = late
    return value


def remembered(m: Module, value: Any, cycles: int, name: str) -> Any:
    """As ``delayed``, in LUT memory where that is less than flip-flops: four bits of up to 17 cycles take
    four LUTs, and two for what writes them.
    """
    while cycles > 2:
        steps = min(cycles, LUT_DEPTH + 1)
        bits, words = Value.cast(value), steps - 1
        m.submodules[f"{name}_{cycles}"] = memory = Memory(shape=unsigned(len(bits)), depth=words, init=[])
        at = Signal(range(words), name=f"{name}_at_{cycles}")
        late = Signal(value.shape(), name=f"{name}_late_{cycles}", reset_less=True)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [write.en.eq(1), write.addr.eq(at), write.data.eq(bits), read.addr.eq(at)]
        m.d.sync += [at.eq(Mux(at == words - 1, 0, at + 1)), Value.cast(late).eq(read.data)]
        value, cycles = late, cycles - steps
    return delayed(m, value, cycles, name)
