"""ethernet: carries a device's frames over gigabit Ethernet, and answers ICMP echo
requests by itself."""

from amaranth import DomainRenamer, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.hdl.ethernet.datagrams import Datagrams
from ndrite.hdl.ethernet.frames_in import FramesIn
from ndrite.hdl.ethernet.frames_out import FramesOut
from ndrite.hdl.ethernet.slots import DESCRIPTOR_LAYOUT, LENGTH_BITS, slots_between
from ndrite.hdl.parts.layouts import by_name


class Echo(wiring.Component):
    """Connects a receiving and a sending ``Slots``: it passes received UDP
    payload to ``rx``, and copies the body of a received echo request (ping) into
    the slot to be sent.

    ``tx`` and ``commit`` are the datagrams that the owner sends, to ``receiver``;
    ``sender`` is that of a received datagram. While an echo is copied the owner's side
    is not ready; one that finds the owner in the middle of a datagram waits. Latency:
    one cycle. Resources: about 150 LUTs.
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
        echo, reply_pending, odd, count = Signal(), Signal(), Signal(), Signal(LENGTH_BITS)
        total = Signal(27)
        # An echo is copied only if the transmit slot holds no part of another datagram,
        # now or in the next cycle.
        copying = Signal()
        finish = Signal()
        with m.If(
            ~copying & self.received.valid & self.sender.echo & ~reply_pending & ~self.tx.valid & ~self.commit
        ):
            m.d.sync += copying.eq(1)
        m.d.comb += [
            echo.eq(self.sender.echo),
            self.rx.valid.eq(self.received.valid & ~echo),
            self.rx.payload.eq(self.received.payload),
            self.received.ready.eq(Mux(echo, copying & self.room & ~finish, self.rx.ready)),
            self.tx.ready.eq(self.room & ~copying & ~finish),
        ]
        copied = copying & self.received.valid & self.received.ready
        sent = self.tx.valid & self.tx.ready
        m.d.sync += [
            self.put.eq(copied | sent),
            self.data.eq(Mux(copying, self.received.payload, self.tx.payload)),
        ]
        with m.If(sent):
            m.d.sync += reply_pending.eq(1)
        # A byte is counted and summed in the cycle in which it is written.
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
                reply_pending.eq(0),
            ]
        steps = Signal(4)
        m.d.sync += steps.eq((steps << 1) | ending)
        m.d.comb += self.kept.length.eq(count)
        m.d.sync += self.kept.sum.eq(folded[:16] + folded[16])
        m.d.comb += self.keep.eq(steps[3])
        with m.If(self.keep):
            m.d.sync += [finish.eq(0), count.eq(0), odd.eq(0), total.eq(0)]
        return m


RECEIVE_SLOTS, SEND_SLOTS = 4, 2
"""Numbers of slots for received datagrams and for those to send. A host fills its
window of requests at once; at 100 MHz received bytes are taken from the slots a fifth
more slowly than they arrive."""

GMII = {
    "gmii_rx_valid": In(1),
    "gmii_rx": In(8),
    "gmii_rx_error": In(1),
    "gmii_tx_valid": Out(1),
    "gmii_tx": Out(8),
}


class Ethernet(wiring.Component):
    """Ethernet core for one IPv4 address: it answers ARP and ICMP echo requests, and
    carries the byte stream in UDP datagrams to and from one peer.

    ``gmii_*`` belong to domain ``eth``, 125 MHz: a byte a cycle while valid. All else
    is ``sync``'s, at any frequency: ``stream_*`` and ``answers`` as in
    ``ndrite.hdl.ethernet.datagrams``. Frames and datagrams that find no free slot are
    dropped. Resources: 12 KiB of block RAM, about 2000 LUTs.
    """

    def __init__(self, own: Addresses, *, second_cycles: int) -> None:
        self.own = own
        self.second_cycles = second_cycles
        super().__init__(
            {
                **GMII,
                "stream_valid": Out(1),
                "stream_data": Out(8),
                "answers": In(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.frames_in = frames_in = DomainRenamer("eth")(FramesIn(self.own))
        m.submodules.frames_out = frames_out = DomainRenamer("eth")(FramesOut(self.own))
        m.submodules.received = received = slots_between(RECEIVE_SLOTS, write="eth", read="sync")
        m.submodules.to_send = to_send = slots_between(SEND_SLOTS, write="sync", read="eth")
        m.submodules.echo = echo = Echo()
        m.submodules.datagrams = datagrams = Datagrams()
        m.d.comb += [
            frames_in.valid.eq(self.gmii_rx_valid),
            frames_in.byte.eq(self.gmii_rx),
            frames_in.error.eq(self.gmii_rx_error),
            *by_name(received, frames_in, "put", "data", "keep", "drop", "kept"),
            frames_in.room.eq(received.room),
            *by_name(frames_out, frames_in, "arp", "arp_mac", "arp_address"),
            self.gmii_tx_valid.eq(frames_out.valid),
            self.gmii_tx.eq(frames_out.byte),
        ]
        wiring.connect(m, to_send.o, frames_out.datagrams)
        m.d.comb += [frames_out.last.eq(to_send.last), frames_out.descriptor.eq(to_send.descriptor)]
        wiring.connect(m, received.o, echo.received)
        wiring.connect(m, echo.rx, datagrams.rx)
        wiring.connect(m, datagrams.tx, echo.tx)
        wiring.connect(m, wiring.flipped(self.answers), datagrams.answers)
        sender, receiver = received.descriptor, echo.receiver
        m.d.comb += [
            echo.received_last.eq(received.last),
            echo.sender.eq(sender),
            datagrams.rx_last.eq(received.last),
            datagrams.rx_length.eq(sender.length),
            datagrams.rx_address.eq(sender.address),
            datagrams.rx_port.eq(sender.port),
            datagrams.rx_mac.eq(sender.mac),
            echo.commit.eq(datagrams.tx_commit),
            receiver.mac.eq(datagrams.tx_mac),
            receiver.address.eq(datagrams.tx_address),
            receiver.port.eq(datagrams.tx_port),
            *by_name(to_send, echo, "put", "data", "keep", "kept"),
            echo.room.eq(to_send.room),
            *by_name(self, datagrams, "stream_valid", "stream_data"),
        ]
        timer, second = Signal(range(self.second_cycles)), Signal()
        m.d.sync += [timer.eq(timer + 1), second.eq(timer == self.second_cycles - 1)]
        with m.If(second):
            m.d.sync += timer.eq(0)
        m.d.comb += datagrams.second.eq(second)
        return m
