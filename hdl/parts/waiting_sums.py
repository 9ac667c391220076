"""waiting_sums: where a lane group's sums wait, one pass behind the other, until they are read out."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import Value

from emulator.spec.geometry import Geometry


def waiting_sums(geometry: Geometry) -> int:
    """Passes whose sums may wait, in registers of their own, while those of one before them are read out.

    Passes differ in length where zeros are skipped; this is what lets short ones follow at once.
    """
    return 3 if geometry.overlap else 0


def move_enables(m: Module, places: int, ends: Signal, close: Value, name: str) -> list[Signal]:
    """When a pass's sums get to each place.

    Sums enter place 0 as the pass ``ends``, move up wherever the place before them is free or becomes so, and
    leave the last place, which is the column registers, on ``close``.
    """
    full = [Signal(name=f"full_{name}_{i}") for i in range(places)]
    moves = [ends, *(Signal(name=f"move_{name}_{i}") for i in range(1, places)), close]
    for i in range(places - 1):
        m.d.comb += moves[i + 1].eq(full[i] & (~full[i + 1] | moves[i + 2]))
    for i in range(places):
        m.d.sync += full[i].eq(moves[i] | (full[i] & ~moves[i + 1]))
    return moves[:-1]
