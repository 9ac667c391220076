"""reader: many DMA reads at a time, whose data is delivered in order even if
completions arrive out of order."""

from amaranth import Array, Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.hdl.parts.pipeline import Queue
from ndrite.hdl.pcie.signature import (
    BEAT_LAYOUT,
    CONFIG_LAYOUT,
    PACKET_SIGNATURE,
    STATUS_SUCCESS,
    TRANSFER_LAYOUT,
    double_words,
    memory_request,
    swapped,
)
from ndrite.hdl.pcie.writer import Splitter

ARRIVAL_LAYOUT = StructLayout(
    {"valid": 1, "requester": 16, "tag": 8, "byte_count": 13, "payload": 11} | {"good": 1, "locked": 1}
)
"""Header of a completion: the read that it answers, the number of bytes still to come
including its own (1..4096), and the number of its own double words. ``good``:
successful, with data, and not poisoned. ``locked``: the answer to a locked request."""


class Completions(wiring.Component):
    """Parses completion packets, one beat per cycle, without ever stalling the stream.
    ``word`` is a payload word in memory order (byte 0 in the lowest bits).

    ``arrival`` comes 2 cycles after the second beat; the words follow in order, the
    first at least a cycle later, the last (its upper half void where the payload is
    odd) before the next ``arrival``. Resources: about 200 LUTs and 250 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "beats": In(stream.Signature(BEAT_LAYOUT)),
                "arrival": Out(ARRIVAL_LAYOUT),
                "word_valid": Out(1),
                "word": Out(64),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.beats.ready.eq(1)
        position = Signal(2)  # number of the next beat: 0, 1, then 2 for every further beat
        beat, valid, index = Signal(BEAT_LAYOUT), Signal(), Signal(2)
        m.d.sync += [valid.eq(self.beats.valid), beat.eq(self.beats.payload), index.eq(position)]
        with m.If(self.beats.valid):
            m.d.sync += position.eq(Mux(self.beats.payload.last, 0, Mux(position == 2, 2, position + 1)))

        first = Signal(64)
        arrival = self.arrival
        m.d.sync += arrival.valid.eq(0)
        with m.If(valid & (index == 0)):
            m.d.sync += first.eq(beat.data)
        with m.If(valid & (index == 1)):
            with_data = first[30]
            byte_count = first[32:44]
            m.d.sync += [
                arrival.valid.eq(1),
                arrival.tag.eq(beat.data[8:16]),
                arrival.requester.eq(beat.data[16:32]),
                arrival.byte_count.eq(Cat(byte_count, byte_count == 0)),
                arrival.payload.eq(Mux(with_data, Cat(first[:10], first[:10] == 0), 0)),
                arrival.locked.eq(first[24]),
                arrival.good.eq(with_data & (first[45:48] == STATUS_SUCCESS) & ~first[14]),
            ]

        carry, flush = Signal(32), Signal()
        low, high = swapped(beat.data[:32]), swapped(beat.data[32:])
        m.d.sync += [
            self.word_valid.eq(flush | (valid & (index == 2))),
            self.word.eq(Cat(carry, low)),
            flush.eq(valid & (index != 0) & beat.last & ~beat.half),
        ]
        with m.If(valid):
            m.d.sync += carry.eq(high)
        return m


OUT_DEPTH = 8
READER_EVENT_LAYOUT = StructLayout({"unexpected": 1, "failed": 1, "timeout": 1})
"""One-cycle pulses: an unexpected completion, a failed read, a read that timed out."""


class Reader(wiring.Component):
    """Reads the transfers requested from host memory and delivers their bytes as
    64-bit words in order.

    Each request takes the next of ``tags`` slots of ``slot_bytes`` in a ring, so up to
    ``tags`` are under way. Completions fill the slots in any order and any split, and
    slots are emptied oldest first. If the length of a transfer is not a multiple of the
    word size, the rest of its last word is undefined.

    A failed read (``READER_EVENT_LAYOUT``) sets ``failed`` or ``timeout`` and stops all
    issuing and delivering until ``cancel``, which frees every slot. A completion is a
    failure if it does not continue where the previous one ended, has more bytes than
    its byte count, or ends within a word although more is to come. It is unexpected if
    it answers another requester, a locked request, or no read that waits.

    The tag of a read that ``cancel`` left unanswered stays in quarantine until the
    answer has come or ``timeout_cycles`` have passed since the last ``cancel``. Until
    then the ring skips the tag's slot.

    Latency: about 12 cycles to the first request, 8 from a completion to its word; one
    word a cycle. Resources: a memory of tags * slot_bytes; about 1000 LUTs and 800
    flip-flops with 16 tags.
    """

    def __init__(self, *, tags: int = 16, slot_bytes: int = 512) -> None:
        if not (2 <= tags <= 16 and tags & (tags - 1) == 0):
            raise ValueError(f"tags is {tags}; accepted: 2, 4, 8 or 16")
        self.tags = tags
        self.slot_bytes = slot_bytes
        super().__init__(
            {
                "transfer": In(stream.Signature(TRANSFER_LAYOUT)),
                "words": Out(stream.Signature(64)),
                "sender": Out(PACKET_SIGNATURE),
                "completion": In(stream.Signature(BEAT_LAYOUT)),
                "config": In(CONFIG_LAYOUT),
                "timeout_cycles": In(32),
                "cancel": In(1),
                "events": Out(READER_EVENT_LAYOUT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slot_bits = exact_log2(self.tags)
        slot_words = self.slot_bytes // 8
        m.submodules.splitter = splitter = Splitter(self.slot_bytes)
        m.submodules.completions = completions = Completions()
        m.submodules.buffer = buffer = Memory(shape=64, depth=self.tags * slot_words, init=[])
        wiring.connect(m, wiring.flipped(self.transfer), splitter.transfer)
        wiring.connect(m, wiring.flipped(self.completion), completions.beats)

        stopped = Signal()
        tail, head, used = Signal(slot_bits), Signal(slot_bits), Signal(bits_for(self.tags))
        # ``owed``: a completion with this tag may still arrive, whether or not a
        # request waits for it.
        waiting, filled, owed = Signal(self.tags), Signal(self.tags), Signal(self.tags)
        size = Array(Signal(13, name=f"size_{i}") for i in range(self.tags))
        remaining = Array(Signal(13, name=f"remaining_{i}") for i in range(self.tags))
        issued, emptied = Signal(), Signal()
        with m.If(self.events.failed | self.events.timeout):
            m.d.sync += stopped.eq(1)

        # Issue: a part of the transfer becomes a request as soon as a slot is free.
        packet, chunk = self.sender.packet, splitter.chunk
        offered, void, requested_bytes = Signal(), Signal(), Signal(13)
        header, four = memory_request(
            write=False,
            address=chunk.payload.address,
            length=chunk.payload.length,
            requester_id=self.config.requester_id,
            tag=Cat(tail, Const(0, 8 - slot_bits)),
        )
        may = (used != self.tags) & ~stopped & ~self.cancel
        free = may & ~owed.bit_select(tail, 1)
        # A slot is skipped if a completion with its tag, from a cancelled read,
        # is still to come.
        passed, passes = Signal(self.tags), Signal()
        m.d.comb += passes.eq(chunk.valid & ~offered & may & owed.bit_select(tail, 1))
        with m.If(passes):
            m.d.sync += [tail.eq(tail + 1), passed.bit_select(tail, 1).eq(1)]
        m.d.comb += [
            splitter.code.eq(self.config.max_read),
            splitter.cancel.eq(self.cancel | void),
            packet.valid.eq(offered),
            issued.eq(offered & packet.ready & ~void & ~self.cancel),
            chunk.ready.eq(~offered & free & self.config.bus_master),
        ]
        with m.If(chunk.valid & chunk.ready):
            m.d.sync += [
                packet.payload.header.eq(header),
                packet.payload.four.eq(four),
                requested_bytes.eq(chunk.payload.length),
                offered.eq(1),
            ]
        m.d.sync += used.eq(used + (issued | passes) - emptied)
        with m.If(offered & packet.ready):
            m.d.sync += [offered.eq(0), void.eq(0)]
        with m.Elif(offered & self.cancel):
            # The framer may already have begun to send this request, so it is not
            # withdrawn; its completion will be dropped.
            m.d.sync += void.eq(1)
        with m.If(issued):
            m.d.sync += [
                tail.eq(tail + 1),
                size[tail].eq(requested_bytes),
                remaining[tail].eq(requested_bytes),
                waiting.bit_select(tail, 1).eq(1),
            ]

        # Arrival of a completion: look its tag up, compare its fields, then write the
        # words that follow.
        arrival = completions.arrival
        slot = arrival.tag[:slot_bits]
        looked = Signal(ARRIVAL_LAYOUT)
        expected, looked_slot = Signal(), Signal(slot_bits)
        looked_size, looked_remaining = Signal(13), Signal(13)
        id_matches, looked_ours = Signal(), Signal()
        m.d.comb += id_matches.eq(
            (arrival.requester == self.config.requester_id) & (arrival.tag[slot_bits:] == 0) & ~arrival.locked
        )
        m.d.sync += [
            looked.eq(arrival),
            looked_slot.eq(slot),
            looked_size.eq(size[slot]),
            looked_remaining.eq(remaining[slot]),
            looked_ours.eq(id_matches),
            expected.eq(waiting.bit_select(slot, 1) & id_matches & ~self.cancel),
        ]
        brought = Cat(Const(0, 2), looked.payload)
        final = looked.byte_count <= brought
        # The last completion of a request must bring exactly the remaining bytes; each
        # completion before it must bring whole 64-bit words.
        sized = Mux(final, looked.payload == double_words(looked.byte_count), ~looked.payload[0])
        fits = looked.good & sized & (looked.byte_count == looked_remaining)
        fill_address, fill_left = Signal(range(self.tags * slot_words)), Signal(10)
        fill_slot, fill_final = Signal(slot_bits), Signal()
        m.d.comb += [
            self.events.unexpected.eq(looked.valid & ~expected),
            # A failure is reported once until ``cancel``, since after a failed read the
            # remaining completions do not fit either.
            self.events.failed.eq(looked.valid & expected & ~fits & ~stopped),
        ]
        word, word_valid = Signal(64), Signal()
        m.d.sync += [word.eq(completions.word), word_valid.eq(completions.word_valid)]
        write = buffer.write_port()
        m.d.comb += [
            write.addr.eq(fill_address),
            write.data.eq(word),
            write.en.eq(word_valid & (fill_left != 0)),
        ]
        with m.If(looked.valid):
            m.d.sync += [
                fill_address.eq(
                    Cat((looked_size - looked.byte_count)[3 : exact_log2(self.slot_bytes)], looked_slot)
                ),
                fill_left.eq(0),
                fill_slot.eq(looked_slot),
                fill_final.eq(final),
            ]
            with m.If(expected & fits):
                m.d.sync += [
                    fill_left.eq((looked.payload + 1)[1:]),
                    remaining[looked_slot].eq(looked.byte_count - brought),
                ]
        with m.Elif(write.en):
            m.d.sync += [fill_address.eq(fill_address + 1), fill_left.eq(fill_left - 1)]
            with m.If((fill_left == 1) & fill_final):
                m.d.sync += [
                    waiting.bit_select(fill_slot, 1).eq(0),
                    filled.bit_select(fill_slot, 1).eq(1),
                ]

        self._quarantine(m, owed, waiting | (offered << tail), void)
        with m.If(looked.valid & looked_ours & (final | (looked.payload == 0))):
            m.d.sync += owed.bit_select(looked_slot, 1).eq(0)
        with m.If(chunk.valid & chunk.ready):
            m.d.sync += owed.bit_select(tail, 1).eq(1)

        self._timer(m, waiting.bit_select(head, 1), emptied | (used == 0) | stopped)
        self._empty(m, buffer, size, filled, passed, head, stopped, emptied)
        with m.If(self.cancel):
            m.d.sync += [
                stopped.eq(0),
                tail.eq(0),
                head.eq(0),
                used.eq(0),
                waiting.eq(0),
                filled.eq(0),
                passed.eq(0),
                fill_left.eq(0),
            ]
        return m

    def _quarantine(self, m: Module, owed: Signal, current: Value, void: Signal) -> None:
        """Block the tags of cancelled reads: after ``cancel``, a tag is released when
        no completion for a cancelled read can still arrive. Reads issued since then
        (``current``) are not affected."""
        left, over = Signal(32), Signal()
        # The timeout counts from the latest cycle in which a cancelled request was
        # still to be sent.
        with m.If(self.cancel | void):
            m.d.sync += left.eq(self.timeout_cycles)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += over.eq((left == 1) & ~self.cancel & ~void)
        with m.If(over):
            m.d.sync += owed.eq(owed & current)

    def _timer(self, m: Module, waits: Value, restart: Value) -> None:
        """Build the timer that reports when the oldest read waits too long."""
        waited = Signal(32)
        with m.If(restart | ~waits | self.cancel):
            m.d.sync += waited.eq(0)
        with m.Else():
            m.d.sync += waited.eq(waited + 1)
        late = waits & ~restart & ~self.cancel & (waited >= self.timeout_cycles)
        m.d.sync += self.events.timeout.eq(late & ~self.events.timeout)

    def _empty(
        self,
        m: Module,
        buffer: Memory,
        size: Array,
        filled: Signal,
        passed: Signal,
        head: Signal,
        stopped: Signal,
        emptied: Signal,
    ) -> None:
        """Send the data of the oldest read's slot word by word, once the slot is
        filled; for a skipped slot nothing is sent."""
        m.submodules.out = out = ResetInserter(self.cancel)(Queue(64, OUT_DEPTH))
        wiring.connect(m, out.o, wiring.flipped(self.words))
        read = buffer.read_port()
        slot_words = self.slot_bytes // 8
        index, words = Signal(range(slot_words)), Signal(range(slot_words + 1))
        going, step_taken, skips = Signal(), Signal(), Signal()
        step = going & (out.level < OUT_DEPTH - 2)
        m.d.sync += step_taken.eq(step & ~self.cancel)
        m.d.comb += [
            read.addr.eq(Cat(index, head)),
            out.i.valid.eq(step_taken),
            out.i.payload.eq(read.data),
            skips.eq(~going & passed.bit_select(head, 1) & ~stopped & ~self.cancel),
            emptied.eq(skips | (step & (index == (words - 1)[: len(index)]))),
        ]
        with m.If(~going):
            m.d.sync += [
                going.eq(filled.bit_select(head, 1) & ~stopped & ~self.cancel),
                index.eq(0),
                words.eq((size[head] + 7)[3:]),
            ]
        with m.Elif(step):
            m.d.sync += index.eq(index + 1)
        with m.If(emptied):
            m.d.sync += [head.eq(head + 1), filled.bit_select(head, 1).eq(0), going.eq(0)]
            m.d.sync += passed.bit_select(head, 1).eq(0)
        with m.If(self.cancel):
            m.d.sync += [going.eq(0), step_taken.eq(0)]
