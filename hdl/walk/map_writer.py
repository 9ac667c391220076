"""map_writer: codes into the map memory, through a max pool where the step has one."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.parts.delay import delayed
from hdl.walk.map_memory import MAP_LATENCY
from hdl.walk.places import PLACES_LATENCY, Places, field_layout

WRITE_LATENCY = PLACES_LATENCY + MAP_LATENCY + 1
"""Cycles from a code to its write."""


class MapWriter(wiring.Component):
    """``y`` of each column in turn to its place; behind a window's first the largest so far.

    What stands there is read with ``request`` at ``address``, which is granted at once, MAP_LATENCY before it
    is written. A place may come again after MAP_LATENCY cycles: of the two whose reads would be too early for
    what is on its way there, that is used.
    Latency: WRITE_LATENCY. Throughput: a code a cycle. Resources: ``Places`` and about 90 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        address = bits_for(geometry.map_codes - 1)
        super().__init__(
            {
                "field": In(field_layout()),
                "begin": In(1),
                "valid": In(1),
                "y": In(8),
                "request": Out(1),
                "address": Out(address),
                "data": In(8),
                "write": Out(1),
                "write_address": Out(address),
                "write_data": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.places = places = Places(self.geometry)
        m.d.comb += [
            places.field.eq(self.field),
            places.begin.eq(self.begin),
            places.next.eq(self.valid),
        ]
        code = StructLayout({"valid": 1, "first": 1, "y": 8, "address": len(self.address)})
        before = delayed(m, self.valid, PLACES_LATENCY - 1, "before")
        valid = delayed(m, before, 1, "valid")
        y = delayed(m, self.y, PLACES_LATENCY, "y")
        now = Signal(code)
        m.d.comb += [
            now.valid.eq(valid & places.inside),
            now.first.eq(places.first),
            now.y.eq(y),
            now.address.eq(places.address),
            self.address.eq(places.address),
        ]
        # The memory's address hangs on it.
        m.d.sync += self.request.eq(before & places.again)
        late = Signal(code)
        m.d.comb += late.eq(delayed(m, now.as_value(), MAP_LATENCY, "now"))
        # The place of now MAP_LATENCY cycles ago, and one more: their codes are written while it is read.
        again = Cat(
            late.valid & (late.address == now.address), self.write & (self.write_address == now.address)
        )
        pending = delayed(m, again, MAP_LATENCY - 1, "pending")
        written = delayed(m, self.write_data, MAP_LATENCY - 2, "written")
        found, use = Signal(8), Signal()
        m.d.sync += [
            found.eq(Mux(pending[0], written, delayed(m, written, 1, "written_before"))),
            use.eq(pending.any()),
        ]
        largest = Mux(use, found, self.data)
        m.d.sync += [
            self.write.eq(late.valid),
            self.write_address.eq(late.address),
            self.write_data.eq(Mux(late.first | (late.y > largest), late.y, largest)),
        ]
        return m
