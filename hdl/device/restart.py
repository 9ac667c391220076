"""restart: the reset of everything that computes, long enough for its pipelines to run empty."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

RESET_CYCLES = 64
"""How long ``reset`` is up at least. It reaches what keeps a state; the pipelines between, which would cost
the chip its longest wires, have run empty by then. ``tests/hdl/bench_restart.py`` and
``tests/hdl/learn/bench_restart.py`` measure how many cycles they need."""


class Restart(wiring.Component):
    """Hold ``reset`` for ``cycles`` after the last cycle of ``again`` and after the domain's own reset.

    A reset of the domain may be as short as a cycle, and leaves the valid bits of pipelines as they were.
    Latency: one cycle. Resources: 8 flip-flops.
    """

    def __init__(self, cycles: int = RESET_CYCLES) -> None:
        self.cycles = cycles
        super().__init__({"again": In(1), "reset": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(range(self.cycles + 1), init=self.cycles)
        m.d.sync += self.reset.eq(self.again | (left != 0))
        with m.If(self.again):
            m.d.sync += left.eq(self.cycles)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m
