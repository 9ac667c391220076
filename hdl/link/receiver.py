"""receiver: receives frames and stores checked packets."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.packets import CRC_BYTES, CRC_RESIDUE, HEADER_BYTES
from ndrite.hdl.link.cobs import CRC_INIT, CobsDecoder, crc32_of_byte, crc32_step, crc_register
from ndrite.hdl.parts.memory import RegisteredMemory

LENGTH_OFFSET = 8
"""Byte offset of ``length`` in the header."""
LINK_EVENT_LAYOUT = StructLayout({"good": 1, "framing": 1, "crc": 1, "overflow": 1})
"""One-cycle pulses for the link counters."""


class Receiver(wiring.Component):
    """Keeps up to ``window`` packets whose CRC and length are right; drops and
    counts all others.

    Takes a byte in every cycle. ``ready`` says that a packet stands in the current
    slot: ``address`` within it gives ``data`` two cycles later; ``release`` moves on.
    Nothing outside this block sees a packet before its CRC is checked. Latency: 6
    cycles from the delimiter. Resources: window * (packet_bytes + 16) bytes of
    memory, about 250 LUTs.
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
                "events": Out(LINK_EVENT_LAYOUT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        size = self.window * self.slot_bytes
        # The output register is needed because the memory's data feeds the executor's
        # decisions, the slowest paths of the link.
        m.submodules.memory = memory = RegisteredMemory(8, size)
        write_base, read_base = Signal(bits_for(size)), Signal(bits_for(size))
        used = Signal(range(self.window + 1))
        body_max = HEADER_BYTES + self.packet_bytes + CRC_BYTES
        count = Signal(bits_for(self.slot_bytes))
        first, brim = Signal(init=1), Signal()
        length = Signal(16)
        crc = crc_register("crc")
        too_long, no_room, damaged = Signal(), Signal(), Signal()

        def after(base: Signal) -> Signal:
            return Mux(base == size - self.slot_bytes, 0, base + self.slot_bytes)

        # Outputs of the decoder, and the contribution of the decoded byte to the CRC.
        valid, data, part, end, bad = Signal(), Signal(8), Signal(32), Signal(), Signal()
        m.d.sync += [valid.eq(decoder.out_valid), data.eq(decoder.out_data), end.eq(decoder.end)]
        m.d.sync += [part.eq(crc32_of_byte(decoder.out_data)), bad.eq(decoder.bad)]
        # A line error is delayed like the bytes, so that it stays at its position among them.
        error, error_late = Signal(), Signal()
        m.d.sync += [error.eq(self.line_error), error_late.eq(error)]
        # A byte is checked in one cycle and stored in the next.
        store = valid & ~too_long & ~(no_room | (first & (used == self.window)))
        place, byte, stored, low, high = Signal.like(write_base), Signal(8), Signal(), Signal(), Signal()
        m.d.sync += [
            place.eq(write_base + count),
            byte.eq(data),
            stored.eq(store),
            low.eq(valid & (count == LENGTH_OFFSET)),
            high.eq(valid & (count == LENGTH_OFFSET + 1)),
        ]
        m.d.comb += [
            decoder.valid.eq(self.valid),
            decoder.data.eq(self.data_in),
            memory.write_address.eq(place),
            memory.write_data.eq(byte),
            memory.write.eq(stored),
            memory.address.eq(read_base + self.address),
            self.data.eq(memory.data),
            self.ready.eq(used != 0),
        ]
        with m.If(valid):
            m.d.sync += [crc.eq(crc32_step(crc, Const(0, 8)) ^ part), first.eq(0)]
            with m.If(first & (used == self.window)):
                m.d.sync += no_room.eq(1)
            with m.If(brim):
                m.d.sync += too_long.eq(1)
            with m.Else():
                m.d.sync += [count.eq(count + 1), brim.eq(count == body_max - 1)]
        with m.If(low):
            m.d.sync += length[:8].eq(byte)
        with m.If(high):
            m.d.sync += length[8:].eq(byte)
        with m.If(error_late):
            m.d.sync += damaged.eq(1)
        with m.If(end):
            m.d.sync += [count.eq(0), first.eq(1), brim.eq(0), crc.eq(CRC_INIT)]
            m.d.sync += [too_long.eq(0), no_room.eq(0), damaged.eq(0)]

        # The verdict on a packet comes one cycle after its end, from flags of the
        # previous cycle. The length is known in time, since the bytes after the length
        # field take more cycles than the two stages of ``whole``.
        expected_length = Signal(range(2**16 + HEADER_BYTES + CRC_BYTES))
        ended, broken, lost, right, is_whole, good = (
            Signal(name=n) for n in ("ended", "broken", "lost", "right", "whole", "good")
        )
        m.d.sync += [
            expected_length.eq(length + HEADER_BYTES + CRC_BYTES),
            ended.eq(end),
            broken.eq(bad | damaged),
            lost.eq(too_long | no_room),
            right.eq(crc == CRC_RESIDUE),
            is_whole.eq(count == expected_length),
        ]
        with m.If(ended):
            with m.If(broken):
                m.d.comb += self.events.framing.eq(1)
            with m.Elif(lost):
                m.d.comb += self.events.overflow.eq(1)
            with m.Elif(~right):
                m.d.comb += self.events.crc.eq(1)
            with m.Elif(~is_whole):
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
