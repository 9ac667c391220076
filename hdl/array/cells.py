"""cells: the bus's way to the lanes' memories, shared with whoever draws virtual chips."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.array import PEEK_LATENCY
from ndrite.hdl.parts.bus import STREAM_LATENCY, WindowSignature
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.layouts import cell_layout, cells_at_once, peek_layout, poke_layout


class Cells(wiring.Component):
    """Window offset lane * weight_depth + row address -> the weight of that lane.

    A write through the window sets the cell's target too; ``draw`` hands the memories to ``draw_peek`` and
    ``draw_poke``. Latency: a window read STREAM_LATENCY cycles, one in every cycle. Resources: two
    multiplexers of an address and a word.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "window": In(WindowSignature()),
                "draw": In(1),
                "draw_peek": In(peek_layout(geometry)),
                "draw_poke": In(poke_layout(geometry)),
                "peek": Out(peek_layout(geometry)),
                "poke": Out(poke_layout(geometry)),
                "peeked": In(ArrayLayout(cell_layout(geometry), cells_at_once(geometry))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        assert PEEK_LATENCY + 1 == STREAM_LATENCY
        m = Module()
        g, window = self.geometry, self.window
        row_bits = bits_for(g.weight_depth - 1)
        place_bits = exact_log2(cells_at_once(g))
        row, lane = window.address[:row_bits], window.address[row_bits:]
        place = Signal(place_bits)
        m.d.comb += place.eq(lane[:place_bits])
        with m.If(self.draw):
            m.d.comb += [self.peek.eq(self.draw_peek), self.poke.eq(self.draw_poke)]
        with m.Else():
            m.d.comb += [
                self.peek.select.eq(window.select),
                self.peek.slot.eq(lane[place_bits:]),
                self.peek.address.eq(row),
                self.poke.lanes.eq(Cat(window.write, Const(0, cells_at_once(g) - 1)) << place),
                self.poke.target.eq(1),
                self.poke.slot.eq(lane[place_bits:]),
                self.poke.address.eq(row),
            ]
            m.d.comb += [weight.eq(window.write_data) for weight in self.poke.weights]
        m.d.sync += window.read_data.eq(self.peeked[delayed(m, place, PEEK_LATENCY, "place")].weight)
        return m
