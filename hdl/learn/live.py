"""live: the rows of a layer whose input is not 0, in order; the others are skipped, both ways."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.layouts import INDEX_BITS, live_layout
from ndrite.hdl.parts.memory import RegisteredMemory

TILES = 16
"""Tiles of a layer, at most."""


class Live(wiring.Component):
    """Inputs of a layer come one by one (``push``), from ``begin`` on; ``last`` with the last one.

    ``entry`` is the ``address``-th row that lives, two cycles later; ``end`` how many live before the end of
    ``tile``, likewise. ``count`` of them have come so far, all of them once it is ``whole``. Resources: 24
    bits for each of ``depth`` rows, 16 a tile.
    """

    def __init__(self, geometry: Geometry, depth: int) -> None:
        self.geometry = geometry
        self.depth = depth
        super().__init__(
            {
                "begin": In(1),
                "push": In(1),
                "last": In(1),
                "x": In(8),
                "count": Out(INDEX_BITS),
                "whole": Out(1),
                "address": In(INDEX_BITS),
                "entry": Out(live_layout()),
                "tile": In(range(TILES)),
                "end": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.rows = rows = RegisteredMemory(live_layout().size, self.depth)
        m.submodules.ends = ends = RegisteredMemory(INDEX_BITS, TILES)
        row, tile, inside = Signal(INDEX_BITS), Signal(range(TILES)), Signal(range(g.rows))
        alive, full = Signal(), Signal()
        after = Signal(INDEX_BITS)
        m.d.comb += [
            alive.eq(self.x != 0),
            after.eq(self.count + alive),
            full.eq(inside == g.rows - 1),
        ]
        with m.If(self.begin):
            m.d.sync += [row.eq(0), self.count.eq(0), tile.eq(0), inside.eq(0), self.whole.eq(0)]
        with m.Elif(self.push):
            m.d.sync += [row.eq(row + 1), self.count.eq(after), inside.eq(Mux(full, 0, inside + 1))]
            m.d.sync += [tile.eq(tile + full), self.whole.eq(self.last)]
        place = bits_for(self.depth - 1)
        m.d.comb += [
            rows.write.eq(self.push & alive),
            rows.write_address.eq(self.count[:place]),
            rows.write_data.eq(Cat(row, self.x)),
            ends.write.eq(self.push & (full | self.last)),
            ends.write_address.eq(tile),
            ends.write_data.eq(after),
            rows.address.eq(self.address[:place]),
            self.entry.eq(rows.data),
            ends.address.eq(self.tile),
            self.end.eq(ends.data),
        ]
        return m
