"""emitter: selects one row per cycle, or two, from the scanned words and broadcasts
them to the array."""

import functools
import operator

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.layouts import ends, row_layout, waiting_sums, word_layout
from ndrite.hdl.parts.set_bits import at_most_set, inner_two, second_set


class Emitter(wiring.Component):
    """Emits the rows that the scanned words mark with ``visit``, in ascending order and
    without an idle cycle between words or passes.

    With two ``lane_rows``, a cycle takes the lowest and the highest remaining row of a
    word. A word's last row is emitted together with the highest row of the next word,
    if that word has a second row. The input of a missing second row is 0.

    A pass's last row waits until readout has freed the column registers (``release``),
    or a place in the queue in front of them (``waiting_sums``). ``idle``: all rows of
    the words taken have been emitted, and every place is free. Latency: 3 cycles from
    ``words`` to ``row``. Resources: about 150 LUTs (a choice of 8 bits out of 64), less
    for words of fewer ``rows``.
    """

    def __init__(self, geometry: Geometry, rows: int = WORD_ROWS) -> None:
        self.geometry, self.rows = geometry, rows
        super().__init__(
            {
                "words": In(stream.Signature(word_layout(geometry, rows))),
                "row": Out(row_layout(geometry)),
                "release": In(1),
                "emit": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, rows, lane_rows = self.geometry, self.rows, self.geometry.lane_rows
        word = Signal(word_layout(g, rows), reset_less=True)
        # Both signals have eight bits even if a word has fewer rows; their
        # upper bits are then 0.
        left, pick = Signal(WORD_ROWS, reset_less=True), Signal(WORD_ROWS, reset_less=True)
        picks = [pick] if lane_rows == 1 else [pick, Signal.like(pick, name="pick_other")]
        starting = Signal(init=1)
        free = Signal(init=1)
        # ``some``: the word has rows left to emit; ``only``: one cycle emits all rows
        # that are left. Both are computed a cycle ahead.
        some, only = Signal(), Signal(init=1)
        closing = word.last & only
        next_word, ready = self.words.payload, self.words.ready
        # The rows that one cycle emits: rows of the present word and, if the present
        # word has only one row left, a row of the next word.
        sources = [[(word, pick)] for pick in picks]
        if lane_rows > 1:
            lone, joins = Signal(), Signal()
            m.d.comb += joins.eq(some & lone & ~word.last & self.words.valid & next_word.more)
            sources[1].append((next_word, next_word.pick_other & joins.replicate(rows)))
        m.d.comb += [
            self.emit.eq(some & (~word.last | ~only | free)),
            ready.eq(only & (~some | ~word.last | free)),
        ]
        with m.If(ready):
            m.d.sync += [
                word.eq(next_word),
                left.eq(next_word.visit),
                *(pick.eq(next_word[f"pick{end}"]) for end, pick in zip(ends(g), picks, strict=True)),
                some.eq(self.words.valid),
                only.eq(next_word.single | ~self.words.valid),
            ]
        with m.Elif(self.emit):
            following = inner_two(left) if lane_rows > 1 else (second_set(left),)
            m.d.sync += [
                left.eq(left & ~functools.reduce(operator.or_, picks)),
                *(pick.eq(next_one) for pick, next_one in zip(picks, following, strict=True)),
                only.eq(at_most_set(left, 2 * lane_rows)),
            ]
        if lane_rows > 1:
            with m.If(ready):
                m.d.sync += lone.eq(self.words.valid & Mux(joins, next_word.single, ~next_word.more))
            with m.Elif(self.emit):
                m.d.sync += lone.eq(at_most_set(left, 3))
            with m.If(joins):
                m.d.sync += [
                    left.eq(next_word.visit & ~next_word.pick_other),
                    picks[1].eq(next_word.pick_before),
                    only.eq(next_word.few),
                ]

        # Two pipeline stages: select the row, then add the row's number to the
        # word's weight address.
        chosen = Signal(row_layout(g), reset_less=True)
        row = Signal(row_layout(g), reset_less=True)
        m.d.sync += [
            chosen.valid.eq(self.emit),
            chosen.first.eq(starting),
            chosen.last.eq(closing),
            chosen.address.eq(word.address),
        ]
        numbers = [Signal(exact_log2(WORD_ROWS), name=f"number{end}", reset_less=True) for end in ends(g)]
        for end, of_row, number in zip(ends(g), sources, numbers, strict=True):
            picked = [one.x[i] & mark[i].replicate(8) for one, mark in of_row for i in range(rows)]
            pick = functools.reduce(operator.or_, (mark for _, mark in of_row))
            bits = (Cat(pick[i] for i in range(WORD_ROWS) if i >> bit & 1).any() for bit in range(3))
            m.d.sync += [chosen[f"x{end}"].eq(functools.reduce(operator.or_, picked)), number.eq(Cat(bits))]
        if lane_rows > 1:
            m.d.sync += chosen.address_other.eq(Mux(joins, next_word.address, word.address))
        m.d.sync += row.eq(chosen)
        for end, number in zip(ends(g), numbers, strict=True):
            m.d.sync += row[f"address{end}"].eq(chosen[f"address{end}"] + number)
        m.d.comb += self.row.eq(row)
        with m.If(self.emit):
            m.d.sync += starting.eq(closing)
        places = waiting_sums(self.geometry)
        if places:
            # ``free`` and ``more`` together count, in unary, how many more passes may
            # emit their last row.
            more = Signal(places, init=-1)
            with m.If(self.emit & closing & ~self.release):
                m.d.sync += Cat(free, more).eq(more)
            with m.Elif(self.release & ~(self.emit & closing)):
                m.d.sync += Cat(free, more).eq(Cat(1, free, more))
            m.d.sync += self.idle.eq(~some & ~self.words.valid & free & more.all())
            return m
        m.d.sync += self.idle.eq(~some & ~self.words.valid & free)
        with m.If(self.emit & closing):
            m.d.sync += free.eq(0)
        with m.Elif(self.release):
            m.d.sync += free.eq(1)
        return m
