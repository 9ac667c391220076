"""writer: DMA writes, each sent once all of its data is here."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.parts.queue import Queue
from ndrite.hdl.pcie.signature import (
    CONFIG_LAYOUT,
    PACKET_SIGNATURE,
    TRANSFER_LAYOUT,
    double_words,
    memory_request,
)
from ndrite.hdl.pcie.splitter import Splitter


class Writer(wiring.Component):
    """Writes the bytes of transfers, given as 64-bit words in order, to host memory.

    A TLP goes out when its words are buffered, so slow data never holds up the link. ``busy`` from the
    transfer's first cycle here until the last TLP of all is with the framer. Bits of the last word beyond
    the transfer's length are not written. ``cancel`` drops transfer and words; a TLP already offered still
    goes out whole, and until then ``busy`` stays up and nothing new is taken.

    Throughput: one word a cycle less 5 cycles a TLP. Resources: a memory of 2 * ``most_bytes``, about 400
    LUTs and 350 flip-flops.
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
