"""completions: takes completion TLPs apart into what they answer and the words they bring."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from hdl.pcie.signature import BEAT_LAYOUT, STATUS_SUCCESS, swapped

ARRIVAL_LAYOUT = StructLayout(
    {"valid": 1, "requester": 16, "tag": 8, "byte_count": 13, "payload": 11} | {"good": 1, "locked": 1}
)
"""A completion's header: whose read it answers, bytes still to come with this one (1..4096), its own
double words.

``good``: successful, with data, and not poisoned. ``locked``: of a locked request.
"""


class Completions(wiring.Component):
    """A beat a cycle, never refused. ``word`` holds payload bytes as they lie in memory, byte 0 lowest.

    ``arrival`` comes 2 cycles after the second beat; the words follow in order, the first at least a cycle
    later, the last (its upper half void where the payload is odd) before the next ``arrival``. Resources:
    about 200 LUTs and 250 flip-flops.
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
        position = Signal(2)  # of the beat that comes: 0, 1, then 2
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
