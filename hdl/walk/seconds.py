"""seconds: the second operands of a product's columns, read ahead of its sums."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.parts.delay import delayed
from hdl.parts.layouts import SECOND_BITS
from hdl.parts.queue import Queue
from hdl.walk.map_memory import MAP_LATENCY
from hdl.walk.places import PLACES_LATENCY, Places, field_layout
from hdl.walk.scaler import OPERAND_BITS

AHEAD = 32
"""Operands that may wait for their sums, those on their way among them."""
ADDRESSES = 8
"""Addresses that may wait for the memory."""


class Seconds(wiring.Component):
    """Each column's code goes to the scaler as ``a`` with its ``index``; scaled it waits on ``operands``.

    ``begin`` starts with the columns of ``field``, their factors from ``base`` on. ``request`` stays with its
    ``address`` until ``granted``; the code is on ``data`` MAP_LATENCY later.
    Resources: ``Places``, two queues.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        index = bits_for(geometry.columns - 1)
        super().__init__(
            {
                "field": In(field_layout()),
                "base": In(index),
                "begin": In(1),
                "request": Out(1),
                "address": Out(bits_for(geometry.map_codes - 1)),
                "granted": In(1),
                "data": In(8),
                "valid": Out(1),
                "a": Out(OPERAND_BITS),
                "index": Out(index),
                "value_valid": In(1),
                "value": In(SECOND_BITS),
                "operands": Out(stream.Signature(SECOND_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        asked = StructLayout({"address": len(self.address), "index": len(self.index)})
        m.submodules.places = places = Places(self.geometry)
        m.submodules.addresses = addresses = Queue(asked, ADDRESSES)
        m.submodules.values = values = Queue(SECOND_BITS, AHEAD)
        wiring.connect(m, values.o, wiring.flipped(self.operands))
        active, index = Signal(), Signal.like(self.index)
        # Operands asked for that no sum has taken; addresses among them still on their way to their queue.
        out, given = Signal(range(AHEAD + 1)), Signal()
        some = Signal()
        m.d.comb += [
            given.eq(values.o.valid & values.o.ready),
            places.field.eq(self.field),
            places.begin.eq(self.begin),
            places.next.eq(active & ~places.over & some),
        ]
        m.d.sync += [
            out.eq(out + places.next - given),
            some.eq((out < AHEAD - 2) & (addresses.level < ADDRESSES - PLACES_LATENCY - 2)),
            active.eq(active | self.begin),
        ]
        with m.If(places.next):
            m.d.sync += index.eq(Mux(places.turn, self.base, index + 1))
        with m.If(self.begin):
            m.d.sync += index.eq(self.base)
        m.d.comb += [
            addresses.i.valid.eq(delayed(m, places.next, PLACES_LATENCY, "next")),
            addresses.i.payload.address.eq(places.address),
            addresses.i.payload.index.eq(delayed(m, index, PLACES_LATENCY, "index")),
            self.request.eq(addresses.o.valid),
            self.address.eq(addresses.o.payload.address),
            addresses.o.ready.eq(self.granted),
            self.valid.eq(delayed(m, addresses.o.valid & self.granted, MAP_LATENCY, "valid")),
            self.index.eq(delayed(m, addresses.o.payload.index, MAP_LATENCY, "asked_index")),
            self.a.eq(self.data),
            values.i.valid.eq(self.value_valid),
            values.i.payload.eq(self.value),
        ]
        return m
