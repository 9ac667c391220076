"""map_writer: codes into the map memory, through a max pool where the step has one."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.neuron.neuron import codes_kept
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.walk.map_memory import MAP_LATENCY
from ndrite.hdl.walk.places import FIELD_LAYOUT, PLACES_LATENCY, Places

WRITE_LATENCY = PLACES_LATENCY + MAP_LATENCY + 2
"""Cycles from a code to its write, where it is the first of its turns."""
BEHIND = MAP_LATENCY + 1
"""Cycles from a write until a read that is asked for finds it, and the read itself."""


def turns_most(g: Geometry) -> int:
    """Turns in which all codes that wait are written, at most."""
    return g.neurons + codes_kept(g)


class MapWriter(Sized):
    """Codes of columns in turn to their places; behind a window's first the largest so far.

    ``count`` codes of neighbouring columns come at once with ``valid``, and go ``turn`` at a time; the next
    ones come when no more than ``codes_kept`` are left. What stands there is read with ``request`` at
    ``address``, which is granted at once, MAP_LATENCY before it is written. A place may come again in the
    turn after the next one: what is on its way there, or was written when it was read, is used.
    Latency: WRITE_LATENCY. Throughput: a turn a cycle. Resources: ``Places``, six comparisons of an address,
    and about 80 LUTs a code.
    """

    def ports(self, g: Geometry) -> Ports:
        address, most = bits_for(g.map_codes - 1), g.neurons
        return {
            "field": In(FIELD_LAYOUT),
            "turn": In(range(most + 1)),
            "begin": In(1),
            "valid": In(1),
            "count": In(bits_for(most)),
            "y": In(8 * most),
            "request": Out(1),
            "address": Out(address),
            "data": In(8 * most),
            "write": Out(bits_for(most)),
            "write_address": Out(address),
            "write_data": Out(8 * most),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        most = self.geometry.neurons
        m.submodules.places = places = Places(self.geometry)
        # The first one's codes are the lowest; those that are no whole turn wait for the next ones.
        each, waits = Signal.like(self.turn), turns_most(self.geometry)
        codes, left, going = Signal(8 * waits), Signal(range(waits + 1)), Signal()
        rest, waiting = Signal.like(left), Signal.like(codes)
        m.d.comb += [
            rest.eq(Mux(going, left - each, left)),
            waiting.eq(Mux(going, codes >> (each << 3), codes)),
        ]
        m.d.sync += [left.eq(rest), codes.eq(waiting)]
        with m.If(self.begin):
            m.d.sync += each.eq(self.turn)
        with m.If(self.valid):
            m.d.sync += left.eq(rest + self.count)
            with m.Switch(rest):
                for i in range(waits - most + 1):
                    with m.Case(i):
                        m.d.sync += codes.eq(Cat(waiting[: 8 * i], self.y))
        m.d.comb += [
            going.eq((left != 0) & (left >= each)),
            places.field.eq(self.field),
            places.begin.eq(self.begin),
            places.next.eq(going),
        ]
        code = StructLayout({"valid": 1, "first": 1, "y": 8 * most, "address": len(self.address)})
        before = delayed(m, going, PLACES_LATENCY - 1, "before")
        valid = delayed(m, before, 1, "valid")
        y = delayed(m, codes[: 8 * most], PLACES_LATENCY, "y")
        now = Signal(code)
        m.d.comb += [
            now.valid.eq(valid & places.inside),
            now.first.eq(places.first),
            now.y.eq(y),
            now.address.eq(places.address),
            self.address.eq(places.address),
        ]
        # A cycle ahead, as the memory's address hangs on it.
        m.d.sync += self.request.eq(before & places.again)
        soon = Signal(code)
        late = Signal(code)
        m.d.comb += soon.eq(delayed(m, now.as_value(), MAP_LATENCY - 1, "now"))
        m.d.sync += late.eq(soon)
        # What was written since the read was asked for, the latest first.
        held = StructLayout({"valid": 1, "address": len(self.address), "y": 8 * most})
        last = Signal(held)
        m.d.comb += [
            last.valid.eq(self.write != 0),
            last.address.eq(self.write_address),
            last.y.eq(self.write_data),
        ]
        found: Value = self.data
        written: list[Any] = [last]
        for i in range(BEHIND - 2):
            one = Signal(held, name=f"written_{i}")
            m.d.sync += one.eq(written[-1])
            written.append(one)
        hits = []
        for i, one in enumerate(written):
            hit = Signal(name=f"hit_{i}")
            m.d.sync += hit.eq(one.valid & (one.address == soon.address))
            hits.append(hit)
        for hit, one in reversed(list(zip(hits, written, strict=True))):
            found = Mux(hit, delayed(m, one.y, 1, f"{hit.name}_y"), found)
        largest = Cat(
            Mux(late.first | (mine > there), mine, there)
            for mine, there in ((late.y.word_select(i, 8), found[8 * i : 8 * i + 8]) for i in range(most))
        )
        m.d.sync += [
            self.write.eq(Mux(late.valid, each, 0)),
            self.write_address.eq(late.address),
            self.write_data.eq(largest),
        ]
        return m
