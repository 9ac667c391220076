"""transmitter: composes one response, appends its CRC, sends it, and keeps it for a repeat."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.packets import CRC_BYTES, HEADER_BYTES
from ndrite.hdl.link.cobs import CRC_INIT, CobsSender, crc32_of_byte, crc32_step, crc_register
from ndrite.hdl.parts.memory import RegisteredMemory


class Transmitter(wiring.Component):
    """Composes and sends one response: ``begin`` starts it, ``put`` appends a byte,
    ``finish`` sends it. ``repeat`` sends the last response again.

    All four only while ``busy`` is down, one at a time. Resources: packet_bytes + 14
    bytes of memory, about 250 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.depth = geometry.packet_bytes + HEADER_BYTES + CRC_BYTES
        super().__init__(
            {
                "begin": In(1),
                "put": In(1),
                "data": In(8),
                "finish": In(1),
                "repeat": In(1),
                "busy": Out(1),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = RegisteredMemory(8, self.depth)
        m.submodules.sender = sender = CobsSender(self.depth)
        count = Signal(bits_for(self.depth))
        crc = crc_register("crc")
        tail = Signal(range(CRC_BYTES))
        closing = Signal()
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        # The composer selects these signals from many sources, so they are registered;
        # CRC and memory therefore begin a cycle later.
        begin, put, finish, repeat = Signal(), Signal(), Signal(), Signal()
        data = Signal(8)
        m.d.sync += [begin.eq(self.begin), put.eq(self.put), finish.eq(self.finish), data.eq(self.data)]
        m.d.sync += repeat.eq(self.repeat)
        part, summed = Signal(32), Signal()
        m.d.sync += [part.eq(crc32_of_byte(data)), summed.eq(put)]
        start = Signal()
        m.d.sync += start.eq(repeat | (closing & (tail == CRC_BYTES - 1)))
        # The finished CRC is sent without shifting: a shift register would lengthen the
        # path of each CRC step.
        m.d.comb += [
            memory.address.eq(sender.address),
            sender.data.eq(memory.data),
            sender.length.eq(count),
            memory.write_address.eq(count),
            memory.write_data.eq(Mux(closing, ~crc.word_select(tail, 8), data)),
            memory.write.eq(put | closing),
            self.busy.eq(sender.busy | closing | finish | repeat | start),
            sender.start.eq(start),
        ]
        with m.If(begin):
            m.d.sync += [count.eq(0), crc.eq(CRC_INIT)]
        with m.If(put):
            m.d.sync += count.eq(count + 1)
        with m.If(summed):
            m.d.sync += crc.eq(crc32_step(crc, Const(0, 8)) ^ part)
        with m.If(finish):
            m.d.sync += [closing.eq(1), tail.eq(0)]
        with m.If(closing):
            m.d.sync += [count.eq(count + 1), tail.eq(tail + 1)]
            with m.If(tail == CRC_BYTES - 1):
                m.d.sync += closing.eq(0)
        return m
