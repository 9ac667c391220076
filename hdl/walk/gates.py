"""gates: codes of one to four terms, each of one map or the product of two, element by element."""

from __future__ import annotations

from amaranth import Array, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.geometry import Geometry
from emulator.spec.steps import GATE_TERMS_MAX
from hdl.parts.delay import delayed
from hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier
from hdl.walk.countdown import Countdown
from hdl.walk.layouts import gate_layout
from hdl.walk.map_memory import MAP_LATENCY

WIDE = signed(49)
"""Holds a sum and what rounds it at the largest shift."""
GATES_LATENCY = MAP_LATENCY + 1 + 2 * MULTIPLY_LATENCY + 5
"""Cycles from the last code of an element to its result."""


class Gates(wiring.Component):
    """y = clip(rshift_round(sum of (a - a_zero) * (b - b_zero) * gain, shift) + zero, 0, 255).

    ``begin`` starts with the elements of ``gate``, ``elements`` of them, which then hold still. ``request``
    stays with its ``address`` until ``granted``. ``done`` when the last code has been granted.
    Latency: GATES_LATENCY. Throughput: a code read a cycle, one or two a term. Resources: two multipliers,
    about 500 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.address_bits = bits_for(geometry.map_codes - 1)
        super().__init__(
            {
                "gate": In(gate_layout()),
                "shift": In(6),
                "elements": In(16),
                "begin": In(1),
                "request": Out(1),
                "address": Out(self.address_bits),
                "granted": In(1),
                "data": In(8),
                "valid": Out(1),
                "y": Out(8),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        gate, bits = self.gate, self.address_bits
        asked = StructLayout({"valid": 1, "second": 1, "ends": 1, "first": 1, "last": 1, "term": 2})
        running, held, move = Signal(), Signal(), Signal()
        element, term, second = Signal(bits), Signal(2), Signal()
        elements = Countdown(m, self.elements, "element")
        waiting = Signal(asked)
        bases = Array(
            Mux(second, gate[f"b_base_{t}"], gate[f"a_base_{t}"])[:bits] for t in range(GATE_TERMS_MAX)
        )
        alone = Array(gate[f"alone_{t}"] for t in range(GATE_TERMS_MAX))[term]
        ends, last = second | alone, Signal()
        # With ``term``, for the one that is next.
        lasts = [Signal(name=f"last_{t}") for t in range(GATE_TERMS_MAX)]
        m.d.sync += [lasts[t].eq(gate.terms == t + 1) for t in range(GATE_TERMS_MAX)]
        m.d.comb += last.eq(Array(lasts)[term])
        m.d.comb += [
            move.eq(running & (~held | self.granted)),
            self.request.eq(held),
            self.done.eq(~running & ~held),
        ]
        with m.If(self.granted):
            m.d.sync += held.eq(0)
        with m.If(move):
            m.d.sync += [
                held.eq(1),
                self.address.eq(bases[term] + element),
                waiting.second.eq(second),
                waiting.ends.eq(ends),
                waiting.first.eq(term == 0),
                waiting.last.eq(last),
                waiting.term.eq(term),
                second.eq(~ends),
            ]
            with m.If(ends):
                m.d.sync += term.eq(Mux(last, 0, term + 1))
            with m.If(ends & last):
                m.d.sync += [element.eq(element + 1), *elements.down(), running.eq(~elements.last)]
        with m.If(self.begin):
            m.d.sync += [running.eq(1), element.eq(0), term.eq(0), second.eq(0), *elements.again()]
        now = Signal(asked)
        m.d.comb += now.eq(waiting)
        m.d.comb += now.valid.eq(self.request & self.granted)
        came = Signal(asked)
        m.d.comb += came.eq(delayed(m, now.as_value(), MAP_LATENCY, "asked"))
        self._sum(m, came)
        return m

    def _sum(self, m: Module, came: Signal) -> None:
        """From the codes as they come to the element's result."""
        gate = self.gate
        of_term = {
            name: Array(gate[f"{name}_{t}"] for t in range(GATE_TERMS_MAX))[came.term]
            for name in ("a_zero", "b_zero")
        }
        a, b = Signal(signed(9)), Signal(signed(9))
        kept = Signal(signed(9))
        less = (self.data - Mux(came.second, of_term["b_zero"], of_term["a_zero"])).as_signed()
        with m.If(came.valid & ~came.second):
            m.d.sync += kept.eq(less)
        m.d.sync += [a.eq(Mux(came.second, kept, less)), b.eq(Mux(came.second, less, 1))]
        ready = delayed(m, came.valid & came.ends, 1, "ready")
        m.submodules.codes = codes = Multiplier(signed(9), signed(9))
        m.submodules.gains = gains = Multiplier(signed(18), signed(17))
        term = delayed(m, came.term, 1 + MULTIPLY_LATENCY, "term")
        m.d.comb += [
            codes.a.eq(a),
            codes.b.eq(b),
            gains.a.eq(codes.product),
            gains.b.eq(Array(gate[f"gain_{t}"].as_signed() for t in range(GATE_TERMS_MAX))[term]),
        ]
        late = 2 * MULTIPLY_LATENCY
        valid = delayed(m, ready, late, "product")
        first, last = (
            delayed(m, signal, 1 + late, name)
            for name, signal in (("first", came.first), ("last", came.last))
        )
        total, half, rounded, coarse, fine = (
            Signal(WIDE, name=n) for n in ("total", "half", "rounded", "coarse", "fine")
        )
        with m.If(valid):
            m.d.sync += total.eq(Mux(first, 0, total) + gains.product)
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
