"""receiver: frames in, checked packets out."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from emulator.spec.packets import CRC_BYTES, CRC_RESIDUE, HEADER_BYTES
from hdl.link.cobs import CobsDecoder
from hdl.link.crc import CRC_INIT, crc32_step, crc_register
from hdl.memory import RegisteredMemory

LENGTH_OFFSET = 8
"""Where ``length`` stands in the header."""


def link_event_layout() -> StructLayout:
    """One-cycle pulses for the link counters."""
    return StructLayout({"good": 1, "framing": 1, "crc": 1, "overflow": 1})


class Receiver(wiring.Component):
    """Keeps up to ``window`` packets whose CRC and length are right; drops and counts all others.

    Takes a byte in every cycle. ``ready`` says that a packet stands in the current slot: ``address``
    within it gives ``data`` two cycles later; ``release`` moves on. Nothing outside this block sees a
    packet before its CRC is checked. Latency: 3 cycles from the delimiter. Resources: window *
    (packet_bytes + 16) bytes of memory, about 250 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.window = geometry.window
        self.slot_bytes = geometry.packet_bytes + 16
        self.packet_bytes = geometry.packet_bytes
        super().__init__(
            {
                "valid": In(1),
                "data_in": In(8),
                "line_error": In(1),
                "ready": Out(1),
                "address": In(bits_for(self.slot_bytes)),
                "data": Out(8),
                "release": In(1),
                "events": Out(link_event_layout()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        size = self.window * self.slot_bytes
        # Its output register stands before the executor's decisions, the slowest paths of the link.
        m.submodules.memory = memory = RegisteredMemory(8, size)
        write_base, read_base = Signal(bits_for(size)), Signal(bits_for(size))
        used = Signal(range(self.window + 1))
        count = Signal(bits_for(self.slot_bytes))
        length = Signal(16)
        crc = crc_register("crc")
        too_long, no_room, damaged = Signal(), Signal(), Signal()

        def after(base: Signal) -> Signal:
            return Mux(base == size - self.slot_bytes, 0, base + self.slot_bytes)

        first = count == 0
        store = decoder.out_valid & ~too_long & ~(no_room | (first & (used == self.window)))
        m.d.comb += [
            decoder.valid.eq(self.valid),
            decoder.data.eq(self.data_in),
            memory.write_address.eq(write_base + count),
            memory.write_data.eq(decoder.out_data),
            memory.write.eq(store),
            memory.address.eq(read_base + self.address),
            self.data.eq(memory.data),
            self.ready.eq(used != 0),
        ]
        with m.If(decoder.out_valid):
            m.d.sync += crc.eq(crc32_step(crc, decoder.out_data))
            with m.If(first & (used == self.window)):
                m.d.sync += no_room.eq(1)
            with m.If(count == HEADER_BYTES + self.packet_bytes + CRC_BYTES):
                m.d.sync += too_long.eq(1)
            with m.Else():
                m.d.sync += count.eq(count + 1)
            with m.If(count == LENGTH_OFFSET):
                m.d.sync += length[:8].eq(decoder.out_data)
            with m.If(count == LENGTH_OFFSET + 1):
                m.d.sync += length[8:].eq(decoder.out_data)
        with m.If(self.line_error):
            m.d.sync += damaged.eq(1)

        good = Signal()
        with m.If(decoder.end):
            m.d.sync += [count.eq(0), crc.eq(CRC_INIT), too_long.eq(0), no_room.eq(0), damaged.eq(0)]
            with m.If(decoder.bad | damaged):
                m.d.comb += self.events.framing.eq(1)
            with m.Elif(too_long | no_room):
                m.d.comb += self.events.overflow.eq(1)
            with m.Elif(crc != CRC_RESIDUE):
                m.d.comb += self.events.crc.eq(1)
            with m.Elif(count != length + HEADER_BYTES + CRC_BYTES):
                m.d.comb += self.events.framing.eq(1)
            with m.Else():
                m.d.comb += good.eq(1)
        m.d.comb += self.events.good.eq(good)
        m.d.sync += used.eq(used + good - self.release)
        with m.If(good):
            m.d.sync += write_base.eq(after(write_base))
        with m.If(self.release):
            m.d.sync += read_base.eq(after(read_base))
        return m
