"""watchdog: resets a core that makes no progress, and holds the reset for as long as
its pipelines need to run empty."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.layouts import Ports, Sized

RESET_CYCLES = 64
"""Fewest cycles for which ``reset`` is high. It resets only registers that keep a
state; the pipelines between them, whose reset would need the longest wires of the chip,
run empty in this time. ``tests/hdl/bench_restart.py`` and
``tests/hdl/learn/bench_restart.py`` measure how many cycles the pipelines need."""


class Restart(wiring.Component):
    """Holds ``reset`` for ``cycles`` cycles after the last cycle in which ``again`` is
    high, and for as long after the clock domain's own reset.

    A reset of the domain may be as short as a cycle, and leaves the valid bits of
    pipelines as they were. Latency: one cycle. Resources: 8 flip-flops.
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


WATCHDOG_CYCLES_MIN = 1 << 20


def watchdog_cycles(geometry: Geometry) -> int:
    """Return the number of clock cycles after which the watchdog resets the core if no
    inference has ended.

    This is several times the longest inference on ``geometry`` (eight slices of
    every weight word, with readout as slow as the array) and the longest
    drawing of all cells.
    """
    inference = 8 * geometry.weight_depth
    redraw = geometry.lanes * geometry.weight_depth // max(geometry.redraw, 1)
    return max(WATCHDOG_CYCLES_MIN, 8 * inference, 4 * redraw)


class Watchdog(Sized):
    """Pulses ``hung``, and then holds ``reset``, when an inference or campaign is under
    way and no inference has ended for ``watchdog_cycles`` cycles.

    ``reset`` also follows the domain's own reset (``ndrite.hdl.device.watchdog``).

    The count runs while inferences are under way (``started`` minus ``done``) or
    ``campaign_busy`` is high. It restarts when an inference ends, or when a part of a
    program with feature maps ends (``going_on``). Latency: one cycle. Resources: about
    50 LUTs and 30 flip-flops.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "started": In(1),
            "done": In(1),
            "campaign_busy": In(1),
            "going_on": In(1),
            "hung": Out(1),
            "reset": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycles = watchdog_cycles(self.geometry)
        under_way = Signal(3)
        left = Signal(range(cycles + 1), init=cycles)
        m.submodules.restart = restart = Restart()
        m.d.comb += [restart.again.eq(self.hung), self.reset.eq(restart.reset)]
        watched, expired = Signal(), Signal()
        m.d.sync += [
            expired.eq((left == 0) & ~self.done & ~self.hung),
            under_way.eq(under_way + self.started - self.done),
            watched.eq((under_way != 0) | self.campaign_busy),
            self.hung.eq(watched & expired & ~self.done & ~self.reset & ~self.hung),
        ]
        with m.If(~watched | self.done | self.going_on | self.hung):
            m.d.sync += left.eq(cycles)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.hung | self.reset):
            m.d.sync += under_way.eq(0)
        return m
