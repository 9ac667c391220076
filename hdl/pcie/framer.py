"""framer: headers and payloads of several senders become one stream of TLPs."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.parts.queue import Queue
from ndrite.hdl.pcie.signature import BEAT_LAYOUT, PACKET_LAYOUT, PACKET_SIGNATURE, swapped


class Framer(wiring.Component):
    """Sends one whole TLP after another; among waiting senders ``sender_0`` comes first.

    Senders other than the first are bus masters: without ``bus_master`` their packets are taken and come to
    nothing. ``flushed``: nothing waits here.

    Latency: 4 cycles to the first beat, then one beat a cycle. A TLP of h header and p payload double words
    takes ceil((h + p) / 2) beats, and one cycle passes between two. Resources: about 500 LUTs.
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
        senders = [getattr(self, f"sender_{i}") for i in range(self.senders)]
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
                spent = ~packet.four & (left == 1)  # the last double word is the one carried over
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
