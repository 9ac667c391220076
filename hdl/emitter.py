"""emitter: picks one row a cycle out of the scanned words and broadcasts it to the array."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from emulator.spec.geometry import WORD_ROWS, Geometry
from hdl.layouts import row_layout, word_layout


class Emitter(wiring.Component):
    """Rows in ascending order, those marked ``visit`` only; no bubble between words or passes.

    A pass's last row waits until readout has given the column registers free (``release``). Latency: 3
    cycles from ``words`` to ``row``. Resources: about 150 LUTs (an 8:1 multiplexer of 8 bits).
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "words": In(stream.Signature(word_layout(geometry))),
                "row": Out(row_layout(geometry)),
                "release": In(1),
                "emit": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(word_layout(self.geometry))
        left = Signal(WORD_ROWS)
        starting = Signal(init=1)
        free = Signal(init=1)
        # Known a cycle ahead: whether any row is left, and whether at most one is.
        some, only = Signal(), Signal(init=1)
        rest = left & (left - 1)
        closing = word.last & only
        m.d.comb += self.emit.eq(some & (~closing | free))
        m.d.comb += self.words.ready.eq(only & (self.emit | ~some))
        following = Signal(WORD_ROWS)
        m.d.comb += following.eq(left)
        with m.If(self.words.ready):
            m.d.comb += following.eq(Mux(self.words.valid, self.words.payload.visit, 0))
            m.d.sync += word.eq(self.words.payload)
        with m.Elif(self.emit):
            m.d.comb += following.eq(rest)
        m.d.sync += [
            left.eq(following),
            some.eq(following.any()),
            only.eq((following & (following - 1)) == 0),
        ]

        # Two steps: choose the row, then add its number to the word's weight address.
        chosen = Signal(row_layout(self.geometry))
        number = Signal(exact_log2(WORD_ROWS))
        m.d.sync += [
            chosen.valid.eq(self.emit),
            chosen.first.eq(starting),
            chosen.last.eq(closing),
            chosen.address.eq(word.address),
        ]
        for i in reversed(range(WORD_ROWS)):
            with m.If(left[i]):
                m.d.sync += [chosen.x.eq(word.x[i]), number.eq(i)]
        m.d.sync += [self.row.eq(chosen), self.row.address.eq(chosen.address + number)]
        with m.If(self.emit):
            m.d.sync += starting.eq(closing)
        with m.If(self.emit & closing):
            m.d.sync += free.eq(0)
        with m.Elif(self.release):
            m.d.sync += free.eq(1)
        return m
