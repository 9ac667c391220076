"""live: the rows of every layer whose input is not 0, in order; the others are skipped, both ways."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.learn.layouts import INDEX_BITS, live_layout
from hdl.parts.memory import RegisteredMemory

TILES = 16
"""Tiles of a layer, at most."""


class Live(wiring.Component):
    """Inputs of a layer come one by one (``push``), from ``begin`` on, which names the layer and where its
    list lies; ``last`` with the last one. ``entry`` is the row at ``address`` two cycles later; ``end`` how
    many of a layer's rows lie before the end of ``tile``, likewise. Resources: 24 bits a row, 16 a tile.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.depth = geometry.weight_depth
        layer = range(geometry.layers)
        super().__init__(
            {
                "begin": In(1),
                "begin_layer": In(layer),
                "begin_at": In(INDEX_BITS),
                "push": In(1),
                "last": In(1),
                "x": In(8),
                "address": In(INDEX_BITS),
                "entry": Out(live_layout()),
                "layer": In(layer),
                "tile": In(range(TILES)),
                "end": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.rows = rows = RegisteredMemory(live_layout().size, self.depth)
        m.submodules.ends = ends = RegisteredMemory(INDEX_BITS, g.layers * TILES)
        at, row, count = (Signal(INDEX_BITS, name=n) for n in ("at", "row", "count"))
        layer, tile, inside = Signal(range(g.layers)), Signal(range(TILES)), Signal(range(g.rows))
        alive = Signal()
        after = Signal(INDEX_BITS)
        m.d.comb += [alive.eq(self.x != 0), after.eq(count + alive)]
        full = inside == g.rows - 1
        with m.If(self.begin):
            m.d.sync += [at.eq(self.begin_at), row.eq(0), count.eq(0), tile.eq(0), inside.eq(0)]
            m.d.sync += layer.eq(self.begin_layer)
        with m.Elif(self.push):
            m.d.sync += [row.eq(row + 1), count.eq(after), inside.eq(Mux(full, 0, inside + 1))]
            with m.If(full):
                m.d.sync += tile.eq(tile + 1)
        m.d.comb += [
            rows.write.eq(self.push & alive),
            rows.write_address.eq((at + count)[: bits_for(self.depth - 1)]),
            rows.write_data.eq(Cat(row, self.x)),
            ends.write.eq(self.push & (full | self.last)),
            ends.write_address.eq(Cat(tile, layer)),
            ends.write_data.eq(after),
            rows.address.eq(self.address[: bits_for(self.depth - 1)]),
            self.entry.eq(rows.data),
            ends.address.eq(Cat(self.tile, self.layer)),
            self.end.eq(ends.data),
        ]
        return m
