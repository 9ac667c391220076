"""restart: the reset of everything that computes, long enough for its pipelines to run empty."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

RESET_CYCLES = 64
"""How long ``reset`` is up at least. It reaches what keeps a state; the pipelines between, which would cost
the chip its longest wires, have run empty by then. ``tests/hdl/bench_restart.py`` and
``tests/hdl/learn/bench_restart.py`` measure how many cycles they need."""


class Restart(wiring.Component):
    """``reset`` in ``again``, and RESET_CYCLES after the last of its cycles or the end of the domain's reset.

    A reset of the domain may be as short as a cycle, and leaves the valid bits of pipelines as they were.
    Latency: one cycle. Resources: 8 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__({"again": In(1), "reset": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(range(RESET_CYCLES + 1), init=RESET_CYCLES)
        m.d.sync += self.reset.eq(self.again | (left != 0))
        with m.If(self.again):
            m.d.sync += left.eq(RESET_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m
