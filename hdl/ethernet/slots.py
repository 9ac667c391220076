"""slots: passes complete datagrams with their descriptors from one clock domain to
another, in order."""

from amaranth import Cat, DomainRenamer, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.hdl.parts.memory import RegisteredMemory

SLOT_BYTES = 2048
LENGTH_BITS = exact_log2(SLOT_BYTES)
DESCRIPTOR_LAYOUT = StructLayout(
    {"mac": 48, "address": 32, "port": 16, "length": LENGTH_BITS, "echo": 1, "sum": 16}
)
"""Description of a datagram: the peer's MAC address, IPv4 address and port, the number
of bytes, whether the datagram is the body of an ICMP echo and not a UDP payload, and
the one's complement sum of its 16-bit words."""


class Slots(wiring.Component):
    """A queue of whole datagrams: ``slots`` memories of SLOT_BYTES each, written
    one after the other in clock domain ``write`` and read in the same order in
    clock domain ``read``.

    While ``room`` is high a byte may be ``put`` in every cycle, at most SLOT_BYTES of
    them. ``keep`` hands the bytes over together with the present descriptor; ``drop``
    discards them. While a datagram is read, ``descriptor`` is valid from its first byte
    to its last, which ``last`` marks. Latency: about ten cycles. Resources: 2048 bytes
    a slot in block RAM, about 150 LUTs.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        super().__init__(
            {
                "put": In(1),
                "data": In(8),
                "keep": In(1),
                "drop": In(1),
                "kept": In(DESCRIPTOR_LAYOUT),
                "room": Out(1),
                "o": Out(stream.Signature(8)),
                "last": Out(1),
                "descriptor": Out(DESCRIPTOR_LAYOUT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = RegisteredMemory(
            8, self.slots * SLOT_BYTES, writer="write", reader="read"
        )
        # The FIFO of descriptors has one entry per slot, and a descriptor leaves the
        # FIFO when its slot has been read. So the FIFO's level counts the slots in use.
        descriptor = self.kept.as_value()
        width = len(descriptor) + exact_log2(self.slots)
        fifo = AsyncFIFO(width=width, depth=self.slots, r_domain="read", w_domain="write")
        m.submodules.fifo = fifo
        slot = exact_log2(self.slots)

        into, place = Signal(slot), Signal(LENGTH_BITS)
        keep = Signal()
        m.d.comb += [
            memory.write.eq(self.put),
            memory.write_address.eq(Cat(place, into)),
            memory.write_data.eq(self.data),
            keep.eq(self.keep & fifo.w_rdy),
            fifo.w_en.eq(keep),
            fifo.w_data.eq(Cat(descriptor, into)),
        ]
        # ``room`` is registered, so that no timing path includes the FIFO's count; it
        # falls at once when a slot is taken.
        m.d.write += self.room.eq(fifo.w_rdy & ~keep)
        with m.If(self.put):
            m.d.write += place.eq(place + 1)
        with m.If(self.keep | self.drop):
            m.d.write += [place.eq(0), into.eq(into + keep)]

        # Four pipeline stages, which advance together when the output of the
        # last stage is taken.
        out_of, read_offset, left = Signal(slot), Signal(LENGTH_BITS), Signal(LENGTH_BITS)
        found_descriptor = Signal(DESCRIPTOR_LAYOUT)
        m.d.comb += found_descriptor.eq(fifo.r_data)
        asking, byte_read, found_last, near, near_last, loaded = (
            Signal(name=n) for n in ("asking", "found", "found_last", "near", "near_last", "loaded")
        )
        step = ~self.o.valid | self.o.ready
        done = self.o.valid & self.o.ready & self.last
        one_left, release = Signal(), Signal()
        m.d.comb += [
            memory.address.eq(Cat(read_offset, out_of)),
            memory.step.eq(step),
            fifo.r_en.eq(release),
            one_left.eq(left == 1),
        ]
        m.d.read += release.eq(done)
        with m.If(~loaded & fifo.r_rdy & ~release):
            m.d.read += [self.descriptor.eq(found_descriptor), left.eq(found_descriptor.length)]
            m.d.read += [
                out_of.eq(fifo.r_data[len(descriptor) :]),
                loaded.eq(1),
                asking.eq(1),
                read_offset.eq(0),
            ]
        with m.If(step):
            m.d.read += [
                byte_read.eq(asking),
                found_last.eq(asking & one_left),
                near.eq(byte_read),
                near_last.eq(found_last),
                self.o.valid.eq(near),
                self.last.eq(near_last),
                self.o.payload.eq(memory.data),
            ]
            with m.If(asking):
                m.d.read += [read_offset.eq(read_offset + 1), left.eq(left - 1), asking.eq(~one_left)]
        with m.If(done):
            m.d.read += loaded.eq(0)
        return m


def slots_between(slots: int, *, write: str, read: str) -> DomainRenamer:
    """Return a ``Slots`` with ``slots`` memories that is written in clock domain
    ``write`` and read in clock domain ``read``."""
    return DomainRenamer({"write": write, "read": read})(Slots(slots))
