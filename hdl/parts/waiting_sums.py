"""waiting_sums: where a lane group's sums wait, one pass behind the other, until they are read out."""

from dataclasses import dataclass

from amaranth import Module, Signal
from amaranth.hdl import Value

from ndrite.emulator.spec.geometry import Geometry

LINE_DEPTH = 8
"""Passes whose sums a lane's line holds: at most 16, what LUT memory has in any case."""


def waiting_sums(geometry: Geometry) -> int:
    """Passes whose sums may wait, in a memory of each lane's, while those of one before them are read out.

    Passes differ in length where zeros are skipped; this is what lets short ones follow at once.
    """
    return LINE_DEPTH - 1 if geometry.overlap else 0


@dataclass(frozen=True)
class Line:
    """A pass's sums are ``put`` in line at place ``to``; those at ``source`` are the next to leave it."""

    put: Signal
    to: Signal
    source: Signal


def in_line(m: Module, ends: Signal, close: Value, name: str) -> tuple[Signal, Line]:
    """When sums leave the line for the column registers, and the line.

    They get in line as a pass ``ends``, and leave it when the registers are free or, on ``close``, become so:
    one cycle after they got there, at the earliest.
    """
    to, source = (Signal(range(LINE_DEPTH), name=f"{n}_{name}") for n in ("to", "source"))
    waiting = Signal(range(LINE_DEPTH + 1), name=f"waiting_{name}")
    entry_full, entry_filled = Signal(name=f"held_{name}"), Signal(name=f"taken_{name}")
    m.d.comb += entry_filled.eq(waiting.any() & (~entry_full | close))
    m.d.sync += [
        to.eq(to + ends),
        source.eq(source + entry_filled),
        waiting.eq(waiting + ends - entry_filled),
        entry_full.eq(entry_filled | (entry_full & ~close)),
    ]
    return entry_filled, Line(ends, to, source)
