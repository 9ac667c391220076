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
    """Codes of columns in turn to their places; after a window's first code the largest so far.

    ``count`` codes of neighbouring columns come at once with ``valid``, and go ``turn`` at a time; the next
    ones come when no more than ``codes_kept`` are left. The stored code of a place is read with
    ``request`` at ``address``, which is granted at once, MAP_LATENCY before the write. A place may come again
    in the turn after the next one: codes still on their way to it are forwarded.
    Latency: WRITE_LATENCY. Throughput: a turn a cycle. Resources: ``Places``, six comparisons of an address,
    and about 80 LUTs a code.
    """

    def ports(self, g: Geometry) -> Ports:
        address, codes_per_turn = bits_for(g.map_codes - 1), g.neurons
        return {
            "field": In(FIELD_LAYOUT),
            "turn": In(range(codes_per_turn + 1)),
            "begin": In(1),
            "valid": In(1),
            "count": In(bits_for(codes_per_turn)),
            "y": In(8 * codes_per_turn),
            "request": Out(1),
            "address": Out(address),
            "data": In(8 * codes_per_turn),
            "write": Out(bits_for(codes_per_turn)),
            "write_address": Out(address),
            "write_data": Out(8 * codes_per_turn),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        codes_per_turn = self.geometry.neurons
        m.submodules.places = places = Places(self.geometry)
        # The first one's codes are the lowest; those that are no whole turn wait for the next ones.
        turn_codes, waits = Signal.like(self.turn), turns_most(self.geometry)
        codes, left, going = Signal(8 * waits), Signal(range(waits + 1)), Signal()
        left_after, waiting = Signal.like(left), Signal.like(codes)
        m.d.comb += [
            left_after.eq(Mux(going, left - turn_codes, left)),
            waiting.eq(Mux(going, codes >> (turn_codes << 3), codes)),
        ]
        m.d.sync += [left.eq(left_after), codes.eq(waiting)]
        with m.If(self.begin):
            m.d.sync += turn_codes.eq(self.turn)
        with m.If(self.valid):
            m.d.sync += left.eq(left_after + self.count)
            with m.Switch(left_after):
                for i in range(waits - codes_per_turn + 1):
                    with m.Case(i):
                        m.d.sync += codes.eq(Cat(waiting[: 8 * i], self.y))
        m.d.comb += [
            going.eq((left != 0) & (left >= turn_codes)),
            places.field.eq(self.field),
            places.begin.eq(self.begin),
            places.next.eq(going),
        ]
        code = StructLayout({"valid": 1, "first": 1, "y": 8 * codes_per_turn, "address": len(self.address)})
        before = delayed(m, going, PLACES_LATENCY - 1, "before")
        valid = delayed(m, before, 1, "valid")
        y = delayed(m, codes[: 8 * codes_per_turn], PLACES_LATENCY, "y")
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
        # Forwarding: codes written since the read was requested, the latest first.
        write_layout = StructLayout({"valid": 1, "address": len(self.address), "y": 8 * codes_per_turn})
        last = Signal(write_layout)
        m.d.comb += [
            last.valid.eq(self.write != 0),
            last.address.eq(self.write_address),
            last.y.eq(self.write_data),
        ]
        stored_codes: Value = self.data
        written: list[Any] = [last]
        for i in range(BEHIND - 2):
            written_entry = Signal(write_layout, name=f"written_{i}")
            m.d.sync += written_entry.eq(written[-1])
            written.append(written_entry)
        hits = []
        for i, written_entry in enumerate(written):
            hit = Signal(name=f"hit_{i}")
            m.d.sync += hit.eq(written_entry.valid & (written_entry.address == soon.address))
            hits.append(hit)
        for hit, written_entry in reversed(list(zip(hits, written, strict=True))):
            stored_codes = Mux(hit, delayed(m, written_entry.y, 1, f"{hit.name}_y"), stored_codes)
        largest = Cat(
            Mux(late.first | (mine > stored_code), mine, stored_code)
            for mine, stored_code in (
                (late.y.word_select(i, 8), stored_codes[8 * i : 8 * i + 8]) for i in range(codes_per_turn)
            )
        )
        m.d.sync += [
            self.write.eq(Mux(late.valid, turn_codes, 0)),
            self.write_address.eq(late.address),
            self.write_data.eq(largest),
        ]
        return m
