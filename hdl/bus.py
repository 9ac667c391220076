"""The register bus: one master, one window per memory region, no wait states seen by the windows.

A window sees a stable ``address`` while ``select`` is up. Reads: the master samples ``read_data``
``READ_WAIT`` cycles after ``select`` rose, so a window may register its path as often as it likes up to
that. Writes: ``write`` is up for one cycle; ``WRITE_WAIT`` cycles later the next access may begin.
The master starts an access only while no inference is under way, so windows may share the datapath's
memory ports.
"""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from emulator.spec.memory_map import REGION_SHIFT, REGIONS, region_words
from emulator.spec.registers import REGISTERS

READ_WAIT = 9
WRITE_WAIT = 3
OFFSET_BITS = REGION_SHIFT


class WindowSignature(wiring.Signature):
    """One memory region as its owner sees it (flip on the owner's side)."""

    def __init__(self) -> None:
        super().__init__(
            {
                "select": Out(1),
                "write": Out(1),
                "address": Out(OFFSET_BITS),
                "write_data": Out(32),
                "read_data": In(32),
            }
        )


class BusSignature(wiring.Signature):
    """The master's port: hold ``request`` and its fields until ``done``; ``error`` and data come with it."""

    def __init__(self) -> None:
        super().__init__(
            {
                "request": Out(1),
                "write": Out(1),
                "address": Out(32),
                "write_data": Out(32),
                "done": In(1),
                "error": In(1),
                "read_data": In(32),
            }
        )


class Decoder(wiring.Component):
    """Routes accesses to the windows and answers out-of-range addresses with ``error``.

    Latency: a read takes READ_WAIT + 3 cycles, a write WRITE_WAIT + 3. Resources: about 200 LUTs and
    550 flip-flops, one set a window.
    """

    def __init__(self, geometry: Geometry) -> None:
        sizes = {"registers": len(REGISTERS)} | region_words(geometry)
        for name, words in sizes.items():
            if words > 1 << OFFSET_BITS:
                raise ValueError(f"region {name} has {words} words; accepted: at most 2^{OFFSET_BITS}")
        self.sizes = sizes
        super().__init__({"bus": In(BusSignature())} | {name: Out(WindowSignature()) for name in sizes})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.bus
        # Registered once on the way in and once on the way out: the windows are spread over the chip.
        address = Signal(32)
        data = Signal(32)
        write = Signal()
        in_range = Signal()
        count = Signal(range(max(READ_WAIT, WRITE_WAIT) + 2))
        active = Signal()
        with m.If(~active):
            m.d.sync += [address.eq(bus.address), data.eq(bus.write_data), write.eq(bus.write), count.eq(0)]
            m.d.sync += active.eq(bus.request & ~bus.done)
        with m.Else():
            m.d.sync += count.eq(count + 1)

        read_data = Signal(32)
        chosen = {name: Signal(name=f"chosen_{name}") for name in self.sizes}
        with m.Switch(address[REGION_SHIFT:]):
            for name, size in self.sizes.items():
                window = getattr(self, name)
                with m.Case(REGIONS[name]):
                    inside = address[:REGION_SHIFT] < size
                    m.d.sync += in_range.eq(inside)
                    m.d.comb += chosen[name].eq(1)
                    m.d.comb += read_data.eq(window.read_data)
            with m.Default():
                m.d.sync += in_range.eq(0)
        for name in self.sizes:
            window = getattr(self, name)
            # A register each: the windows lie all over the chip.
            m.d.sync += [
                window.select.eq(active & chosen[name]),
                window.write.eq(active & write & (count == 1) & in_range & chosen[name]),
                window.address.eq(address[:REGION_SHIFT]),
                window.write_data.eq(data),
            ]

        end = count == Mux(write, WRITE_WAIT + 1, READ_WAIT)
        m.d.sync += bus.done.eq(active & end & ~bus.done)
        m.d.sync += bus.error.eq(~in_range)
        m.d.sync += bus.read_data.eq(read_data)
        with m.If(bus.done):
            m.d.sync += active.eq(0)
        return m
