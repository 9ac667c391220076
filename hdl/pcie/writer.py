"""writer: splits transfers at boundaries, and sends packets of requests and data."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.hdl.parts.layouts import numbered
from ndrite.hdl.parts.pipeline import Queue
from ndrite.hdl.pcie.signature import (
    BEAT_LAYOUT,
    CONFIG_LAYOUT,
    PACKET_LAYOUT,
    PACKET_SIGNATURE,
    TRANSFER_LAYOUT,
    double_words,
    memory_request,
    swapped,
)

LARGEST = 4096
CHUNK_LAYOUT = StructLayout({"address": 64, "length": 13, "last": 1})
"""One request's part of a transfer: address, bytes (1..4096), and whether it is the last."""


class Splitter(wiring.Component):
    """Splits a transfer at every multiple of min(128 << ``code``, ``most``) bytes, so
    that no part of the transfer crosses a 4 KiB boundary.

    ``cancel`` drops the transfer under way. Throughput: a part every 4 cycles.
    Resources: about 200 LUTs and 120 flip-flops.
    """

    def __init__(self, most: int) -> None:
        if not (128 <= most <= LARGEST and most & (most - 1) == 0):
            raise ValueError(f"most is {most}; accepted: a power of two, 128..{LARGEST}")
        self.most = most
        super().__init__(
            {
                "transfer": In(stream.Signature(TRANSFER_LAYOUT)),
                "code": In(3),
                "cancel": In(1),
                "chunk": Out(stream.Signature(CHUNK_LAYOUT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address, left = Signal(64), Signal(32)
        room, length, last = Signal(13), Signal(13), Signal()
        # Address bits that may change within one part of the transfer: the lowest 7,
        # and as many more as ``code`` and ``most`` allow.
        wide = [(self.code > i) if self.most > 128 << i else Const(0, 1) for i in range(5)]
        mask = Cat(Const(127, 7), *wide)
        m.d.comb += [
            self.chunk.payload.address.eq(address),
            self.chunk.payload.length.eq(length),
            self.chunk.payload.last.eq(last),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.transfer.ready.eq(~self.cancel)
                m.d.sync += [address.eq(self.transfer.payload.address), left.eq(self.transfer.payload.length)]
                with m.If(self.transfer.valid & self.transfer.ready):
                    m.next = "measure"
            with m.State("measure"):
                m.d.sync += room.eq((~address[:12] & mask) + 1)
                m.next = "limit"
                with m.If(self.cancel):
                    m.next = "idle"
            with m.State("limit"):
                m.d.sync += [length.eq(room), last.eq(left <= room)]
                with m.If(left <= room):
                    m.d.sync += length.eq(left)
                m.next = "offer"
                with m.If(self.cancel):
                    m.next = "idle"
            with m.State("offer"):
                m.d.comb += self.chunk.valid.eq(1)
                with m.If(self.chunk.ready):
                    m.d.sync += [address.eq(address + length), left.eq(left - length)]
                    m.next = "measure"
                    with m.If(last):
                        m.next = "idle"
                with m.If(self.cancel):
                    m.next = "idle"
        return m


class Framer(wiring.Component):
    """Sends whole TLPs one after another; if several senders wait, ``sender_0`` has priority.

    Senders other than the first are bus masters: without ``bus_master`` their packets
    are taken and discarded. ``flushed``: no packet waits here.

    Latency: 4 cycles to the first beat, then one beat a cycle. A TLP of h header and p
    payload double words takes ceil((h + p) / 2) beats, with one cycle between two TLPs.
    Resources: about 500 LUTs.
    """

    def __init__(self, senders: int) -> None:
        self.senders = senders
        super().__init__(
            {f"sender_{i}": In(PACKET_SIGNATURE) for i in range(senders)}
            | {"tx": Out(stream.Signature(BEAT_LAYOUT)), "bus_master": In(1), "flushed": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(BEAT_LAYOUT, 4)
        wiring.connect(m, queue.o, wiring.flipped(self.tx))
        beat, ready = queue.i, queue.i.ready
        senders = numbered(self, "sender", range(self.senders))
        chosen = Signal(range(max(2, self.senders)))
        packet = Signal(PACKET_LAYOUT)
        word, word_valid, take, done = Signal(64), Signal(), Signal(), Signal()
        left = Signal(11)  # payload double words still to send
        carry = Signal(32)
        with m.Switch(chosen):
            for i, sender in enumerate(senders):
                with m.Case(i):
                    m.d.comb += sender.packet.ready.eq(done)
                    m.d.comb += [
                        word.eq(Cat(swapped(sender.words.payload[:32]), swapped(sender.words.payload[32:]))),
                        word_valid.eq(sender.words.valid),
                        sender.words.ready.eq(take),
                    ]
        header = packet.header
        with m.FSM() as fsm:
            m.d.comb += self.flushed.eq(fsm.ongoing("choose") & (queue.level == 0))
            with m.State("choose"):
                for i, sender in reversed(list(enumerate(senders))):
                    with m.If(sender.packet.valid):
                        m.d.sync += [chosen.eq(i), packet.eq(sender.packet.payload)]
                        m.next = "first"
                        if i:
                            with m.If(~self.bus_master):
                                m.next = "choose"
                                m.d.comb += sender.packet.ready.eq(1)
            with m.State("first"):
                m.d.comb += [beat.valid.eq(1), beat.payload.data.eq(header[:64])]
                m.d.sync += left.eq(packet.payload)
                with m.If(ready):
                    m.next = "second"
            with m.State("second"):
                with_data = packet.payload != 0
                borrows = with_data & ~packet.four
                m.d.comb += [
                    beat.valid.eq(~borrows | word_valid),
                    beat.payload.data.eq(Cat(header[64:96], Mux(borrows, word[:32], header[96:]))),
                    beat.payload.half.eq(~with_data & ~packet.four),
                    beat.payload.last.eq(~with_data | (borrows & (left == 1))),
                    take.eq(borrows & ready),
                ]
                with m.If(beat.valid & ready):
                    m.d.sync += carry.eq(word[32:])
                    with m.If(borrows):
                        m.d.sync += left.eq(left - 1)
                    with m.If(beat.payload.last):
                        m.d.comb += done.eq(1)
                        m.next = "choose"
                    with m.Else():
                        m.next = "payload"
            with m.State("payload"):
                spent = ~packet.four & (left == 1)  # the last double word was carried over
                m.d.comb += [
                    beat.valid.eq(spent | word_valid),
                    beat.payload.data.eq(Mux(packet.four, word, Cat(carry, word[:32]))),
                    beat.payload.half.eq(left == 1),
                    beat.payload.last.eq(left <= 2),
                    take.eq(~spent & ready),
                ]
                with m.If(beat.valid & ready):
                    m.d.sync += [carry.eq(word[32:]), left.eq(left - 2)]
                    with m.If(beat.payload.last):
                        m.d.comb += done.eq(1)
                        m.next = "choose"
        return m


class Writer(wiring.Component):
    """Writes transfers to host memory; the bytes arrive as 64-bit words in order.

    A TLP goes out when its words are buffered, so slow data never holds up the link.
    ``busy`` from the transfer's first cycle here until the last TLP of all is with the
    framer. Bits of the last word beyond the transfer's length are not written.
    ``cancel`` drops transfer and words; a TLP already offered still goes out whole, and
    until then ``busy`` stays up and nothing new is taken.

    Throughput: one word a cycle, minus 5 cycles a TLP. Resources: a memory of 2 *
    ``most_bytes``, about 400 LUTs and 350 flip-flops.
    """

    def __init__(self, *, most_bytes: int = 512) -> None:
        self.most_bytes = most_bytes
        super().__init__(
            {
                "transfer": In(stream.Signature(TRANSFER_LAYOUT)),
                "words": In(stream.Signature(64)),
                "sender": Out(PACKET_SIGNATURE),
                "config": In(CONFIG_LAYOUT),
                "cancel": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.splitter = splitter = Splitter(self.most_bytes)
        m.submodules.queue = queue = Queue(64, 2 * self.most_bytes // 8)
        chunk, packet, words = splitter.chunk, self.sender.packet, self.sender.words
        cancelled = Signal()
        wiring.connect(m, wiring.flipped(self.transfer), splitter.transfer)
        header, four = memory_request(
            write=True,
            address=chunk.payload.address,
            length=chunk.payload.length,
            requester_id=self.config.requester_id,
            tag=Const(0, 8),
        )
        needed, measured, under_way = Signal(10), Signal(), Signal()
        m.d.comb += [
            splitter.code.eq(self.config.max_payload),
            splitter.cancel.eq(cancelled),
            queue.i.payload.eq(self.words.payload),
            queue.i.valid.eq(self.words.valid & ~cancelled),
            self.words.ready.eq(queue.i.ready & ~cancelled),
            words.payload.eq(queue.o.payload),
            self.busy.eq(under_way | cancelled),
        ]
        m.d.sync += [
            needed.eq((chunk.payload.length + 7)[3:]),
            packet.payload.header.eq(Mux(packet.valid, packet.payload.header, header)),
            packet.payload.four.eq(Mux(packet.valid, packet.payload.four, four)),
            packet.payload.payload.eq(
                Mux(packet.valid, packet.payload.payload, double_words(chunk.payload.length))
            ),
            measured.eq(chunk.valid & ~chunk.ready),
        ]
        last = Signal()
        with m.If(self.transfer.valid & self.transfer.ready):
            m.d.sync += under_way.eq(1)
        with m.FSM():
            with m.State("gather"):
                enough = measured & (queue.level >= needed) & self.config.bus_master
                with m.If(self.cancel):
                    m.next = "clear"
                with m.Elif(enough):
                    m.d.comb += chunk.ready.eq(1)
                    m.d.sync += last.eq(chunk.payload.last)
                    m.next = "send"
            with m.State("send"):
                m.d.comb += [packet.valid.eq(1), words.valid.eq(queue.o.valid), queue.o.ready.eq(words.ready)]
                with m.If(self.cancel):
                    m.d.comb += cancelled.eq(1)
                    m.next = "void"
                with m.If(packet.ready):
                    with m.If(last):
                        m.d.sync += under_way.eq(0)
                    m.next = "gather"
                    with m.If(self.cancel):
                        m.next = "clear"
            with m.State("void"):
                m.d.comb += [
                    cancelled.eq(1),
                    packet.valid.eq(1),
                    words.valid.eq(queue.o.valid),
                    queue.o.ready.eq(words.ready),
                ]
                with m.If(packet.ready):
                    m.next = "clear"
            with m.State("clear"):
                m.d.comb += [cancelled.eq(1), queue.o.ready.eq(1)]
                m.d.sync += under_way.eq(0)
                with m.If(queue.level == 0):
                    m.next = "gather"
        return m
