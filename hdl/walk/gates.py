"""gates: sums of one to four terms, element by element; each term is a map or the
product of two maps."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.steps import GATE_TERMS_MAX
from ndrite.emulator.spec.walk_record import HEADER
from ndrite.hdl.parts.layouts import Ports, Sized
from ndrite.hdl.parts.multiplier import FAR, MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.walk.map_memory import MAP_LATENCY, reader_ports
from ndrite.hdl.walk.places import Countdown
from ndrite.hdl.walk.records import GATE_LAYOUT

AHEAD = 4
"""Number of words that may wait for the memory."""
WIDE = signed(49)
"""Shape of a signal that holds a sum and, at the largest shift, its rounding constant."""
SPACING_MIN = 2
"""Fewest cycles between two terms: the sum of an element is read a cycle
before it is written."""
MULTIPLIED = 2 * (MULTIPLY_LATENCY + FAR)
"""Cycles from two factors to their product times a gain."""
GATES_LATENCY = MAP_LATENCY + WORD_ROWS + 1 + MULTIPLIED + 5
"""Cycles from the last word that is read to its last result."""


class Gates(Sized):
    """Computes gate steps: sums of products of maps, rescaled to codes: y =
    clip(rshift_round(sum of (a - a_zero) * (b - b_zero) * gain, shift) + zero, 0, 255).

    Eight elements at a time, term by term: a word of each of the term's maps is read,
    and their codes are multiplied one after the other, while the next words are read.
    ``begin`` starts with the elements of ``gate``, which must not change meanwhile;
    those of the next of ``samples`` samples lie ``span`` codes behind. ``done``: the
    last word has been granted. Latency: GATES_LATENCY. Throughput: an element of a term
    per cycle, a word of a map in two cycles. Resources: two multipliers, about 700
    LUTs, a memory of eight sums.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "gate": In(GATE_LAYOUT),
            "shift": In(6),
            "samples": In(HEADER["samples"][2]),
            "span": In(HEADER["span"][2]),
            "begin": In(1),
            **reader_ports(g, WORD_ROWS),
            "valid": Out(1),
            "y": Out(8),
            "done": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        gate, bits = self.gate, len(self.address)
        read_layout = StructLayout(
            {"valid": 1, "second": 1, "ends": 1, "first": 1, "last": 1, "term": 2, "count": 4}
        )
        running, move = Signal(), Signal()
        # ``place`` of the present word in its map, and of the first word of the present
        # sample; ``elements_left``: elements of the sample from that word on.
        place, first_place, elements_left = Signal(bits), Signal(bits), Signal.like(gate.elements)
        term, second = Signal(2), Signal()
        samples = Countdown(m, self.samples, "sample")
        m.submodules.queue = queue = Queue(StructLayout({"address": bits, "asked": read_layout}), AHEAD)
        waiting = queue.i.payload.asked
        bases = Array(
            Mux(second, gate[f"b_base_{t}"], gate[f"a_base_{t}"])[:bits] for t in range(GATE_TERMS_MAX)
        )
        alone = Array(gate[f"alone_{t}"] for t in range(GATE_TERMS_MAX))[term]
        # A word's address is computed in one cycle and requested in the next.
        ends, last, settled, where = Signal(), Signal(), Signal(), Signal(bits)
        count, is_last_word = Signal(4), Signal()
        few = elements_left <= WORD_ROWS
        m.d.sync += [
            ends.eq(second | alone),
            last.eq(term + 1 == gate.terms),
            where.eq(bases[term] + place),
            count.eq(Mux(few, elements_left, WORD_ROWS)),
            is_last_word.eq(few),
            settled.eq(~move & ~self.begin),
        ]
        m.d.comb += [
            move.eq(running & settled & queue.i.ready),
            queue.i.valid.eq(move),
            queue.o.ready.eq(self.granted),
            queue.i.payload.address.eq(where),
            waiting.second.eq(second),
            waiting.ends.eq(ends),
            waiting.first.eq(term == 0),
            waiting.last.eq(last),
            waiting.term.eq(term),
            waiting.count.eq(count),
            self.address.eq(queue.o.payload.address),
        ]
        m.d.sync += self.done.eq(~running & ~self.begin & (queue.level == 0))
        with m.If(move):
            m.d.sync += second.eq(~ends)
            with m.If(ends):
                m.d.sync += term.eq(Mux(last, 0, term + 1))
            with m.If(ends & last):
                m.d.sync += [place.eq(place + WORD_ROWS), elements_left.eq(elements_left - WORD_ROWS)]
            with m.If(ends & last & is_last_word):
                next_place = first_place + self.span
                m.d.sync += [place.eq(next_place), first_place.eq(next_place)]
                m.d.sync += [elements_left.eq(gate.elements), *samples.down(), running.eq(~samples.last)]
        with m.If(self.begin):
            m.d.sync += [running.eq(1), place.eq(0), first_place.eq(0), term.eq(0), second.eq(0)]
            m.d.sync += [elements_left.eq(gate.elements), *samples.again()]
        now = Signal(read_layout)
        m.d.comb += now.eq(queue.o.payload.asked)
        m.d.comb += now.valid.eq(self.granted)
        # The last word of a term is not read before the elements of the term before
        # have been multiplied.
        pause, pausing = Signal(range(WORD_ROWS)), Signal()
        m.d.comb += self.request.eq(queue.o.valid & ~(now.ends & pausing))
        with m.If(self.granted & now.ends):
            m.d.sync += [pause.eq(Mux(now.count > SPACING_MIN, now.count, SPACING_MIN) - 1), pausing.eq(1)]
        with m.Elif(pausing):
            m.d.sync += [pause.eq(pause - 1), pausing.eq(pause != 1)]
        came = Signal(read_layout)
        m.d.comb += came.eq(delayed(m, now.as_value(), MAP_LATENCY, "asked"))
        self._sum(m, came)
        return m

    def _sum(self, m: Module, came: Signal) -> None:
        """Compute the results of eight elements, from the words of their
        operands as they arrive."""
        gate = self.gate
        # The word of a term's first map waits for that of the second one.
        first_word, first, second = (Signal(8 * WORD_ROWS, name=n) for n in ("first_word", "first", "second"))
        first_zero, second_zero = Signal(8), Signal(8)
        now, left, element = Signal.like(came), Signal(4), Signal(range(WORD_ROWS))
        with m.If(came.valid & ~came.ends):
            m.d.sync += first_word.eq(self.data)
        with m.If(came.valid & came.ends):
            m.d.sync += [
                first.eq(Mux(came.second, first_word, self.data)),
                second.eq(self.data),
                first_zero.eq(Array(gate[f"a_zero_{t}"] for t in range(GATE_TERMS_MAX))[came.term]),
                second_zero.eq(Array(gate[f"b_zero_{t}"] for t in range(GATE_TERMS_MAX))[came.term]),
                now.eq(came),
                left.eq(came.count),
                element.eq(0),
            ]
        with m.Elif(left != 0):
            m.d.sync += [first.eq(first >> 8), second.eq(second >> 8), left.eq(left - 1)]
            m.d.sync += element.eq(element + 1)
        a, b = Signal(signed(9)), Signal(signed(9))
        m.d.sync += [a.eq(first[:8] - first_zero), b.eq(Mux(now.second, second[:8] - second_zero, 1))]
        m.submodules.codes = codes = Multiplier(signed(9), signed(9))
        m.submodules.gains = gains = Multiplier(signed(18), signed(17))
        term = delayed(m, now.term, MULTIPLY_LATENCY, "term")
        gain = Signal(signed(17))
        m.d.sync += gain.eq(Array(gate[f"gain_{t}"].as_signed() for t in range(GATE_TERMS_MAX))[term])
        m.d.comb += [
            codes.a.eq(a),
            codes.b.eq(b),
            gains.a.eq(delayed(m, codes.product, FAR, "codes")),
            gains.b.eq(delayed(m, gain, FAR, "gain")),
        ]
        # The sums of the eight elements, each read in the cycle before its
        # next product arrives.
        m.submodules.sums = sums = Memory(shape=WIDE, depth=WORD_ROWS, init=[])
        stored, store = sums.read_port(domain="comb"), sums.write_port()
        soon = delayed(m, Cat(left != 0, now.first, now.last, element), MULTIPLIED, "soon")
        valid, last, before = Signal(), Signal(), Signal(WIDE)
        total, half, rounded, coarse, fine = (
            Signal(WIDE, name=n) for n in ("total", "half", "rounded", "coarse", "fine")
        )
        m.d.comb += [
            stored.addr.eq(soon[3:]),
            store.en.eq(valid),
            store.data.eq(before + delayed(m, gains.product, FAR, "term_product")),
        ]
        m.d.sync += [
            valid.eq(soon[0]),
            before.eq(Mux(soon[1], 0, stored.data)),
            last.eq(soon[2]),
            store.addr.eq(soon[3:]),
            total.eq(store.data),
        ]
        shifted = Signal(WIDE)
        m.d.sync += [
            half.eq((Const(1, 1) << self.shift) >> 1),
            rounded.eq(total + half),
            fine.eq(coarse >> self.shift[:3]),
            shifted.eq(fine + gate.zero),
            self.y.eq(Mux(shifted < 0, 0, Mux(shifted > INPUT_MAX, INPUT_MAX, shifted))),
            self.valid.eq(delayed(m, valid & last, 5, "result")),
        ]
        with m.Switch(self.shift[3:]):
            for i in range(6):
                with m.Case(i):
                    m.d.sync += coarse.eq(rounded >> 8 * i)
