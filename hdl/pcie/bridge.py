"""bridge: converts requests to BAR0 into accesses to the bus or to the DMA engine's
registers, and completes them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import REGION_SHIFT
from ndrite.emulator.spec.pcie import ENGINE_OFFSET, ENGINE_REGISTERS, REGION_SLOTS, region_slot_words
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.hdl.parts.bus import BusSignature, WindowSignature
from ndrite.hdl.parts.layouts import Ports, Sized
from ndrite.hdl.parts.pipeline import Queue
from ndrite.hdl.pcie import signature as tlp
from ndrite.hdl.pcie.signature import completion

BOUNDARY_WORDS = 32
"""Read completion boundary of an endpoint in double words: 128 bytes; no maximum
payload is smaller."""
REQUEST_BEATS = 512
"""Depth of the queue of requests: 4 KiB, several of the largest requests
that processors make."""
ENGINE_WAIT = 3
"""Cycles from an address at the window of the DMA engine's registers to its data."""
BRIDGE_EVENT_LAYOUT = StructLayout({"bad_posted": 1, "bad_nonposted": 1})
"""One-cycle pulses: a posted request dropped, a request answered with an error."""


class Bridge(Sized):
    """Answers the host's memory requests, one request at a time and one double
    word after another.

    Writes: any length and byte enables; a partly enabled double word is read, merged
    and written. Reads: any length; completions end at multiples of 128 bytes. A read of
    no bytes is answered with one void double word. ``UR`` answers what is no memory
    request or hits no register or memory, ``CA`` an access to a memory while
    ``occupied``; posted requests of that kind are dropped and counted, and so are
    poisoned ones. Messages are ignored. An access that has begun ends, before a job
    that closes the memories reaches them.

    A program some of whose words were dropped must not run: a ``program_tag`` that is
    written after a dropped request, without a 0 written there between them, becomes 0
    and is counted as one.

    Latency: 18 cycles a bus word read, 12 written. Resources: about 900 LUTs, 700
    flip-flops and block RAM for the queue.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "requests": In(stream.Signature(tlp.BEAT_LAYOUT)),
            "sender": Out(tlp.PACKET_SIGNATURE),
            "config": In(tlp.CONFIG_LAYOUT),
            "bus": Out(BusSignature()),
            "engine": Out(WindowSignature()),
            "occupied": In(1),
            "events": Out(BRIDGE_EVENT_LAYOUT),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(tlp.BEAT_LAYOUT, REQUEST_BEATS)
        wiring.connect(m, wiring.flipped(self.requests), queue.i)
        beats, beat = queue.o, queue.o.payload
        low, high = beat.data[:32], beat.data[32:]

        # Fields of the memory request's header.
        head, who = Signal(32), Signal(32)
        left = Signal(11)  # double words still to do, this one included
        address = Signal(62)  # address of the double word that is accessed
        enables, last_enables = Signal(4), Signal(4)
        spare, have_spare = Signal(32), Signal()  # second double word of a beat, kept for later
        ended = Signal()  # the request's last beat has been taken
        with_data, kind = head[30], head[24:29]
        reads = (kind == tlp.TYPE_MEMORY) & ~with_data
        writes = (kind == tlp.TYPE_MEMORY) & with_data
        unsupported = (kind == tlp.TYPE_MEMORY_LOCKED) | (kind == tlp.TYPE_IO)
        unsupported = unsupported | (kind[1:] == 0b0010) | (kind[2:] == 0b011)

        # Number of the memory region, and offset of the double word in it.
        slot = exact_log2(region_slot_words(self.geometry))
        region, offset = address[slot : slot + exact_log2(REGION_SLOTS)], address[:slot]
        low_bits = exact_log2(ENGINE_OFFSET // 4)
        to_engine = (region == 0) & (offset[low_bits:] == 1)
        no_register = offset[:low_bits] >= len(ENGINE_REGISTERS)
        begun = Signal()
        blocked = (region != 0) & self.occupied & ~begun
        at_tag = (region == 0) & (offset == BY_NAME["program_tag"].address)

        # Only one access is under way at a time, to the bus or to the engine; ``data``
        # is the word to write or the word read.
        data = Signal(32)
        request, write, done, error = Signal(), Signal(), Signal(), Signal()
        read_data = Signal(32)
        waited = Signal(range(ENGINE_WAIT + 1))
        m.d.sync += waited.eq(Mux(request & to_engine & ~done, waited + 1, 0))
        m.d.sync += begun.eq(self.bus.request & ~self.bus.done)
        # If a section of a program was not written completely, a write of the program
        # tag stores 0 instead.
        incomplete, withheld = Signal(), Signal()
        m.d.comb += [
            withheld.eq(incomplete & at_tag & data.any()),
            self.bus.request.eq(request & ~to_engine & ~blocked),
            self.bus.write.eq(write),
            self.bus.address.eq(Cat(offset, Const(0, REGION_SHIFT - slot), region)),
            self.bus.write_data.eq(Mux(withheld, 0, data)),
            self.engine.select.eq(request & to_engine),
            self.engine.write.eq(request & write & to_engine & ~no_register & (waited == 0)),
            self.engine.address.eq(offset[:low_bits]),
            self.engine.write_data.eq(data),
            done.eq(request & Mux(to_engine, waited == ENGINE_WAIT, self.bus.done | blocked)),
            error.eq(Mux(to_engine, no_register, self.bus.error | blocked)),
            read_data.eq(Mux(to_engine, self.engine.read_data, self.bus.read_data)),
        ]

        # State of the completion that is being sent.
        m.submodules.words = words = Memory(shape=64, depth=BOUNDARY_WORDS // 2, init=[])
        store, fetch = words.write_port(granularity=32), words.read_port(domain="comb")
        gathered, words_sent = Signal(range(BOUNDARY_WORDS + 1)), Signal(range(BOUNDARY_WORDS // 2 + 1))
        status, byte_count, lower = Signal(3), Signal(13), Signal(7)
        packet = self.sender.packet
        m.d.comb += [
            store.addr.eq(gathered[1:]),
            store.data.eq(data.replicate(2)),
            fetch.addr.eq(words_sent),
            self.sender.words.payload.eq(fetch.data),
            packet.payload.payload.eq(gathered),
            packet.payload.header.eq(
                completion(
                    payload=gathered,
                    status=status,
                    byte_count=byte_count,
                    lower_address=lower,
                    completer_id=self.config.requester_id,
                    request=Cat(head, who),
                )
            ),
        ]
        refused = Signal()  # this request will be answered with an error once it is drained

        def refuse(code: Value) -> None:
            m.d.sync += [status.eq(code), refused.eq(1), gathered.eq(0)]
            m.next = "drain"

        def drop() -> None:
            m.d.comb += self.events.bad_posted.eq(1)
            m.d.sync += incomplete.eq(1)
            m.next = "drain"

        with m.FSM():
            with m.State("head"):
                m.d.comb += beats.ready.eq(1)
                m.d.sync += [
                    head.eq(low),
                    who.eq(high),
                    left.eq(Cat(low[:10], low[:10] == 0)),
                    enables.eq(high[:4]),
                    last_enables.eq(high[4:8]),
                    refused.eq(0),
                    gathered.eq(0),
                    status.eq(tlp.STATUS_SUCCESS),
                ]
                with m.If(beats.valid & ~beat.last):
                    m.next = "address"
            with m.State("address"):
                m.d.comb += beats.ready.eq(1)
                m.d.sync += [
                    address.eq(Mux(head[29], Cat(high[2:], low), low[2:])),
                    spare.eq(high),
                    have_spare.eq(~head[29] & ~beat.half),
                    ended.eq(beat.last),
                ]
                with m.If(beats.valid):
                    m.next = "decode"
            with m.State("decode"):
                single = left == 1
                first_off = _first_offset(enables)
                last_off = _last_offset(Mux(single, enables, last_enables))
                none = single & (enables == 0)
                m.d.sync += [
                    byte_count.eq(Mux(none, 1, (left << 2) - first_off - last_off)),
                    lower.eq(Cat(first_off, address[:5])),
                ]
                with m.If(writes & head[14]):
                    drop()
                with m.Elif(writes):
                    m.next = "fetch"
                with m.Elif(reads):
                    m.next = "load"
                with m.Elif(unsupported):
                    m.d.sync += [byte_count.eq(4), lower.eq(0)]
                    refuse(tlp.STATUS_UNSUPPORTED)
                with m.Elif(kind[4]):
                    m.next = "drain"
                with m.Else():
                    drop()

            with m.State("fetch"):
                m.d.comb += beats.ready.eq(~have_spare & ~ended)
                m.d.sync += data.eq(tlp.swapped(Mux(have_spare, spare, low)))
                with m.If(have_spare):
                    m.d.sync += have_spare.eq(0)
                with m.Elif(beats.valid & beats.ready):
                    m.d.sync += [spare.eq(high), have_spare.eq(~beat.half), ended.eq(beat.last)]
                with m.If(have_spare | (beats.valid & beats.ready)):
                    m.next = "store"
                    with m.If(enables == 0):
                        m.next = "next"
                    with m.Elif(enables != 0b1111):
                        m.next = "load"
                with m.Elif(ended):
                    drop()  # the request has fewer double words than its header says
            with m.State("load"):
                m.d.comb += request.eq(1)
                with m.If(done):
                    with m.If(writes):
                        # Merge with the word that was read: bytes that are not enabled
                        # keep their value.
                        for i in range(4):
                            with m.If(~enables[i]):
                                m.d.sync += data.word_select(i, 8).eq(read_data.word_select(i, 8))
                        m.next = "store"
                        with m.If(error):
                            drop()
                    with m.Else():
                        m.d.sync += data.eq(read_data)
                        m.next = "gather"
                        with m.If(error):
                            refuse(Mux(blocked, tlp.STATUS_ABORT, tlp.STATUS_UNSUPPORTED))
            with m.State("store"):
                m.d.comb += [request.eq(1), write.eq(1)]
                with m.If(done):
                    m.next = "next"
                    with m.If(at_tag & ~data.any()):
                        m.d.sync += incomplete.eq(0)
                    m.d.comb += self.events.bad_posted.eq(withheld)
                    with m.If(error):
                        drop()
            with m.State("gather"):
                m.d.comb += store.en.eq(Cat(~gathered[0], gathered[0]))
                m.d.sync += [gathered.eq(gathered + 1), words_sent.eq(0)]
                m.next = "next"
                with m.If((left == 1) | address[:5].all()):
                    m.next = "complete"
            with m.State("complete"):
                m.d.comb += [packet.valid.eq(1), self.sender.words.valid.eq(1)]
                m.d.sync += words_sent.eq(words_sent + self.sender.words.ready)
                with m.If(packet.ready):
                    m.d.sync += [
                        byte_count.eq(byte_count - (gathered << 2) + lower[:2]),
                        lower.eq(0),
                        gathered.eq(0),
                    ]
                    m.next = "next"
            with m.State("next"):
                m.d.sync += [
                    left.eq(left - 1),
                    address.eq(address + 1),
                    enables.eq(Mux(left == 2, last_enables, 0b1111)),
                ]
                m.next = "load"
                with m.If(left == 1):
                    m.next = "drain"
                with m.Elif(writes):
                    m.next = "fetch"

            with m.State("drain"):
                m.d.comb += beats.ready.eq(~ended)
                with m.If(ended):
                    m.next = "head"
                    with m.If(refused):
                        m.next = "refuse"
                with m.Elif(beats.valid):
                    m.d.sync += ended.eq(beat.last)
            with m.State("refuse"):
                m.d.comb += packet.valid.eq(1)
                with m.If(packet.ready):
                    m.d.comb += self.events.bad_nonposted.eq(1)
                    m.next = "head"
        return m


def _first_offset(enables: Value) -> Value:
    """Return the number of the lowest byte that ``enables`` marks, or 0 if it marks none."""
    return Mux(enables[0], 0, Mux(enables[1], 1, Mux(enables[2], 2, Mux(enables[3], 3, 0))))


def _last_offset(enables: Value) -> Value:
    """Return the number of bytes above the highest enabled byte."""
    return Mux(enables[3], 0, Mux(enables[2], 1, Mux(enables[1], 2, 3)))
