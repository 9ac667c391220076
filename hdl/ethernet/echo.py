"""echo: datagrams to their owner, ICMP echoes back to where they came from; what is sent, summed."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.ethernet.slots import DESCRIPTOR_LAYOUT, LENGTH_BITS


class Echo(wiring.Component):
    """Between two ``Slots``: what is UDP goes on to ``rx``, an echo's rest into the slot to send.

    ``tx`` and ``commit`` are the owner's datagrams, whose way ``receiver`` says, as ``sender`` does of what
    was received. While an echo is copied the owner's side is not ready; one that finds the owner in the
    middle of a datagram waits. Latency: one cycle. Resources: about 150 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "received": In(stream.Signature(8)),
                "received_last": In(1),
                "sender": In(DESCRIPTOR_LAYOUT),
                "rx": Out(stream.Signature(8)),
                "tx": In(stream.Signature(8)),
                "commit": In(1),
                "receiver": In(DESCRIPTOR_LAYOUT),
                "put": Out(1),
                "data": Out(8),
                "keep": Out(1),
                "kept": Out(DESCRIPTOR_LAYOUT),
                "room": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        echo, held, odd, count = Signal(), Signal(), Signal(), Signal(LENGTH_BITS)
        total = Signal(27)
        # Copied once nothing of another datagram is in the slot, nor about to be.
        copying = Signal()
        finish = Signal()
        with m.If(~copying & self.received.valid & self.sender.echo & ~held & ~self.tx.valid & ~self.commit):
            m.d.sync += copying.eq(1)
        m.d.comb += [
            echo.eq(self.sender.echo),
            self.rx.valid.eq(self.received.valid & ~echo),
            self.rx.payload.eq(self.received.payload),
            self.received.ready.eq(Mux(echo, copying & self.room & ~finish, self.rx.ready)),
            self.tx.ready.eq(self.room & ~copying & ~finish),
        ]
        copied = copying & self.received.valid & self.received.ready
        given = self.tx.valid & self.tx.ready
        m.d.sync += [
            self.put.eq(copied | given),
            self.data.eq(Mux(copying, self.received.payload, self.tx.payload)),
        ]
        with m.If(given):
            m.d.sync += held.eq(1)
        # The byte that is put is counted and summed in the same cycle, and the whole is kept behind it.
        with m.If(self.put):
            m.d.sync += [
                odd.eq(~odd),
                count.eq(count + 1),
                total.eq(total + Mux(odd, self.data, self.data << 8)),
            ]
        folded = Signal(17)
        m.d.sync += folded.eq(total[:16] + total[16:])
        ending = (copied & self.received_last) | self.commit
        with m.If(ending):
            m.d.sync += finish.eq(1)
            m.d.sync += [
                self.kept.mac.eq(Mux(copying, self.sender.mac, self.receiver.mac)),
                self.kept.address.eq(Mux(copying, self.sender.address, self.receiver.address)),
                self.kept.port.eq(self.receiver.port),
                self.kept.echo.eq(copying),
                copying.eq(0),
                held.eq(0),
            ]
        steps = Signal(4)
        m.d.sync += steps.eq((steps << 1) | ending)
        m.d.comb += self.kept.length.eq(count)
        m.d.sync += self.kept.sum.eq(folded[:16] + folded[16])
        m.d.comb += self.keep.eq(steps[3])
        with m.If(self.keep):
            m.d.sync += [finish.eq(0), count.eq(0), odd.eq(0), total.eq(0)]
        return m
