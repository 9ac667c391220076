"""gates: sums of one to four terms, element by element; each term is a map or the product of two maps."""

from amaranth import Array, Const, Module, Mux, Signal, signed
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.steps import GATE_TERMS_MAX
from ndrite.hdl.parts.layouts import Ports, Sized
from ndrite.hdl.parts.multiplier import FAR, MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.walk.map_memory import MAP_LATENCY, reader_ports
from ndrite.hdl.walk.places import Countdown
from ndrite.hdl.walk.records import GATE_LAYOUT

AHEAD = 4
"""Number of codes that may wait for the memory."""
WIDE = signed(49)
"""Shape of a signal that holds a sum and, at the largest shift, its rounding constant."""
GATES_LATENCY = MAP_LATENCY + 1 + 2 * (MULTIPLY_LATENCY + FAR) + 5
"""Cycles from the last code of an element to its result."""


class Gates(Sized):
    """Computes gate steps: sums of products of maps, rescaled to codes: y = clip(rshift_round(sum of (a -
    a_zero) * (b - b_zero) * gain, shift) + zero, 0, 255).

    ``begin`` starts with the elements of ``gate``, which must not change meanwhile. ``done``: the last code
    has been granted. Latency: GATES_LATENCY. Throughput: one code read in two cycles, and one or two codes a
    term. Resources: two multipliers, about 500 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "gate": In(GATE_LAYOUT),
            "shift": In(6),
            "begin": In(1),
            **reader_ports(g, 1),
            "valid": Out(1),
            "y": Out(8),
            "done": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        gate, bits = self.gate, len(self.address)
        read_layout = StructLayout({"valid": 1, "second": 1, "ends": 1, "first": 1, "last": 1, "term": 2})
        running, move = Signal(), Signal()
        element, term, second = Signal(bits), Signal(2), Signal()
        elements = Countdown(m, gate.elements, "element")
        m.submodules.queue = queue = Queue(StructLayout({"address": bits, "asked": read_layout}), AHEAD)
        waiting = queue.i.payload.asked
        bases = Array(
            Mux(second, gate[f"b_base_{t}"], gate[f"a_base_{t}"])[:bits] for t in range(GATE_TERMS_MAX)
        )
        alone = Array(gate[f"alone_{t}"] for t in range(GATE_TERMS_MAX))[term]
        # An operand's address is computed in one cycle and requested in the next.
        ends, last, settled, where = Signal(), Signal(), Signal(), Signal(bits)
        m.d.sync += [
            ends.eq(second | alone),
            last.eq(term + 1 == gate.terms),
            where.eq(bases[term] + element),
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
            self.request.eq(queue.o.valid),
            self.address.eq(queue.o.payload.address),
        ]
        m.d.sync += self.done.eq(~running & ~self.begin & (queue.level == 0))
        with m.If(move):
            m.d.sync += second.eq(~ends)
            with m.If(ends):
                m.d.sync += term.eq(Mux(last, 0, term + 1))
            with m.If(ends & last):
                m.d.sync += [element.eq(element + 1), *elements.down(), running.eq(~elements.last)]
        with m.If(self.begin):
            m.d.sync += [running.eq(1), element.eq(0), term.eq(0), second.eq(0), *elements.again()]
        now = Signal(read_layout)
        m.d.comb += now.eq(queue.o.payload.asked)
        m.d.comb += now.valid.eq(self.request & self.granted)
        soon, came = Signal(read_layout), Signal(read_layout)
        m.d.comb += soon.eq(delayed(m, now.as_value(), MAP_LATENCY - 1, "asked"))
        zeros = Array(
            Mux(soon.second, gate[f"b_zero_{t}"], gate[f"a_zero_{t}"]) for t in range(GATE_TERMS_MAX)
        )
        zero = Signal(8)
        m.d.sync += [came.eq(soon), zero.eq(zeros[soon.term])]
        self._sum(m, came, zero)
        return m

    def _sum(self, m: Module, came: Signal, zero: Signal) -> None:
        """Compute the result for one element of the map, from the codes of its operands as they arrive."""
        gate = self.gate
        a, b = Signal(signed(9)), Signal(signed(9))
        first_factor = Signal(signed(9))
        less = (self.data - zero).as_signed()
        with m.If(came.valid & ~came.second):
            m.d.sync += first_factor.eq(less)
        m.d.sync += [a.eq(Mux(came.second, first_factor, less)), b.eq(Mux(came.second, less, 1))]
        ready = delayed(m, came.valid & came.ends, 1, "ready")
        m.submodules.codes = codes = Multiplier(signed(9), signed(9))
        m.submodules.gains = gains = Multiplier(signed(18), signed(17))
        term = delayed(m, came.term, MULTIPLY_LATENCY, "term")
        gain = Signal(signed(17))
        m.d.sync += gain.eq(Array(gate[f"gain_{t}"].as_signed() for t in range(GATE_TERMS_MAX))[term])
        m.d.comb += [
            codes.a.eq(a),
            codes.b.eq(b),
            gains.a.eq(delayed(m, codes.product, FAR, "codes")),
            gains.b.eq(delayed(m, gain, FAR, "gain")),
        ]
        late = 2 * (MULTIPLY_LATENCY + FAR)
        valid = delayed(m, ready, late, "product")
        first, last = (
            delayed(m, signal, 1 + late, name)
            for name, signal in (("first", came.first), ("last", came.last))
        )
        total, half, rounded, coarse, fine = (
            Signal(WIDE, name=n) for n in ("total", "half", "rounded", "coarse", "fine")
        )
        product = delayed(m, gains.product, FAR, "term_product")
        with m.If(valid):
            m.d.sync += total.eq(Mux(first, 0, total) + product)
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
