"""delay: a value some cycles later, through plain registers."""

from typing import Any

from amaranth import Module, Signal


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
