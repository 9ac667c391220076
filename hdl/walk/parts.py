"""parts: which channels of a group are read at each place of a kernel, tile of rows by tile of rows."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value

from emulator.spec.geometry import WORD_ROWS

SETTLED = 7
"""Cycles from the beginning of a part until all is known of the next one."""


class Known:
    """What is known of a part in advance: where it ends, and its first run."""

    def __init__(self, name: str, bits: int) -> None:
        self.until, self.extra, self.size, self.first_size = (
            Signal(bits, name=f"{name}_{what}") for what in ("until", "extra", "size", "first_size")
        )
        self.last, self.first_short = Signal(name=f"{name}_last"), Signal(name=f"{name}_first_short")
        self.short = Signal(3, name=f"{name}_short")


class Part:
    """The run of channels at the present place of a kernel, and at the one to come.

    Part n of a group ends where n + 1 times ``codes`` * ``area`` + ``rest`` of its rows do, counted channel
    by channel: at place p after some channels, and one more where p is below some ``extra``.

    ``next_``: of the next place, how many channels (``size``), whether that is one chunk (``short``), and how
    far from the part's first channel they begin. ``after_at`` and ``after_begins``: where the next part
    begins. ``on``, ``following`` and ``first`` are what changes at the next place, part and group. A part
    must not end before the one behind it is known (``settled``). What is given holds still meanwhile.
    Resources: about 300 LUTs, 250 flip-flops.
    """

    def __init__(
        self, m: Module, *, share: Value, codes: Value, rest: Value, area: Value, group_at: Signal
    ) -> None:
        bits = len(share)
        # Where the part ends; of how many places to come, this one among them, runs begin and end one later.
        self._until, self._extra, self._size = (Signal(bits, name=n) for n in ("until", "extra", "part_size"))
        self._begin_left, self._end_left = Signal(bits, name="begin_left"), Signal(bits, name="end_left")
        self._short, self.last = Signal(3, name="part_short"), Signal(name="last_part")
        begins, ends = self._begin_left[1:].any(), self._end_left[1:].any()
        self.next_begins = begins
        self.next_size = (self._size + ends - begins)[:bits]
        longer, shorter = ends & ~begins, begins & ~ends
        self.next_short = Mux(longer, self._short[0], Mux(shorter, self._short[2], self._short[1]))
        self.head = _known(m, "head", share, codes, rest, 0, 0)
        # One step after the other, as there is time.
        extra, over = Signal(bits + 1, name="after_extra_all"), Signal(name="after_over")
        until, left = Signal(bits + 1, name="after_until_all"), Signal(bits, name="after_left")
        m.d.sync += [
            extra.eq(self._extra + rest),
            over.eq(extra >= area),
            until.eq(self._until + codes + over),
            left.eq(Mux(over, extra - area, extra)),
        ]
        self.after = _known(m, "after", share, until, left, self._until, self._extra != 0)
        self.after_at = Signal.like(group_at, name="after_at")
        self.after_begins = self._extra != 0
        m.d.sync += self.after_at.eq(group_at + self._until)
        self.settled, self._changed = Signal(name="part_settled"), Signal(SETTLED - 1, name="part_changed")
        m.d.sync += [self._changed.eq(self._changed << 1), self.settled.eq(~self._changed.any())]

    def on(self) -> list[Any]:
        """The next place."""
        return [count.eq(Mux(count == 0, 0, count - 1)) for count in (self._begin_left, self._end_left)]

    def following(self) -> list[Any]:
        """The next part of the group."""
        return [self._begin_left.eq(self._extra), *self._taken(self.after)]

    def first(self) -> list[Any]:
        """The first part of a group."""
        return [self._begin_left.eq(0), *self._taken(self.head)]

    def _taken(self, known: Known) -> list[Any]:
        return [
            self._until.eq(known.until),
            self._extra.eq(known.extra),
            self._end_left.eq(known.extra),
            self.last.eq(known.last),
            self._size.eq(known.size),
            self._short.eq(known.short),
            self._changed.eq(1),
            self.settled.eq(0),
        ]


def _known(m: Module, name: str, share: Value, until: Any, extra: Any, since: Any, begins: Any) -> Known:
    """Of a part from ``since`` until ``until``, but not beyond the group's ``share``; five steps."""
    to = Known(name, len(share))
    m.d.sync += [
        to.last.eq(until >= share),
        to.until.eq(Mux(to.last, share, until)),
        to.extra.eq(Mux(to.last, 0, extra)),
        to.size.eq(to.until - since),
        to.first_size.eq(to.size + (to.extra != 0) - begins),
        to.first_short.eq(to.first_size <= WORD_ROWS),
        to.short.eq(Cat(to.size < WORD_ROWS, to.size <= WORD_ROWS, to.size <= WORD_ROWS + 1)),
    ]
    return to
