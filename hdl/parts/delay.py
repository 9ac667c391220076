"""delay: a value some cycles later, through plain registers, or through LUT memory where that is smaller."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib.memory import Memory


def delayed(m: Module, value: Any, cycles: int, name: str) -> Any:
    """``value`` (its shape kept) ``cycles`` cycles later; ``name`` marks the registers in waveforms.

    They do not reset: the core's reset lasts until they have passed on what they held
    (``ndrite.hdl.device.watchdog``).
    """
    for i in range(cycles):
        late = Signal(value.shape(), name=f"{name}_{i + 1}", reset_less=True)
        m.d.sync += late.eq(value)
        value = late
    return value


def delayed_in_memory(m: Module, value: Any, cycles: int, name: str) -> Any:
    """As ``delayed``, for long waits of wide values: in a memory of ``cycles`` - 1 words that is read and
    written at the same place every cycle. ``cycles``: at least 2. Resources on ECP5: six LUTs for four bits
    of up to 16 cycles, where registers are 64 flip-flops.
    """
    shape, last = value.shape(), cycles - 2
    m.submodules[f"{name}_words"] = memory = Memory(shape=shape, depth=cycles - 1, init=[])
    write, read = memory.write_port(), memory.read_port(domain="comb")
    slot = Signal(range(max(last + 1, 2)), name=f"{name}_at", reset_less=True)
    late = Signal(shape, name=f"{name}_late", reset_less=True)
    m.d.comb += [write.en.eq(1), write.addr.eq(slot), write.data.eq(value), read.addr.eq(slot)]
    m.d.sync += [slot.eq(Mux(slot == last, 0, slot + 1)), late.eq(read.data)]
    return late
