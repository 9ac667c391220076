"""map_memory: the memory of feature maps, read eight codes at a time, and the
writer of new codes."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.neuron.neuron import codes_kept
from ndrite.hdl.parts.layouts import Ports, Sized, members
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.walk.places import FIELD_LAYOUT, PLACES_LATENCY, Places

MAP_LATENCY = READ_LATENCY + 4
"""Cycles from ``address`` to ``data``."""


def reader_ports(geometry: Geometry, codes: int) -> dict[str, wiring.Member]:
    """Ports of a reader of the shared map memory: the reader holds ``request``
    and ``address`` until ``granted``; ``codes`` codes are on ``data``
    MAP_LATENCY cycles later."""
    address = Out(bits_for(geometry.map_codes - 1))
    return {"request": Out(1), "address": address, "granted": In(1), "data": In(8 * codes)}


class MapMemory(Sized):
    """Memory for maps of ``map_codes`` codes in eight banks. ``data`` is the eight
    codes from ``address`` up, the first of them in the lowest bits.

    ``write`` codes a cycle, at most one per neuron, go to consecutive places from
    ``write_address`` on; a ``copy`` writes the eight places of a word. A read that is
    requested a cycle later sees the new codes. Addresses wrap. Codes 7 and 8 are
    written to places 3 and 4, and read from 0, 3 and 4 on::

        { "signal": [
          {"name": "write",         "wave": "01.0........"},
          {"name": "write_address", "wave": "x==xxxxxxxxx", "data": "3 4"},
          {"name": "write_data",    "wave": "x==xxxxxxxxx", "data": "7 8"},
          {"name": "address",       "wave": "xx===xxxxxxx", "data": "0 3 4"},
          {"name": "data",          "wave": "xxxxxxxx===x", "data": "7000000 807 8"}
        ] }

    Latency: MAP_LATENCY. Resources: 8 * map_codes bits of block RAM and about 250 LUTs
    of rotation, for several codes at once 150 more.
    """

    def ports(self, g: Geometry) -> Ports:
        address, codes_per_write = bits_for(g.map_codes - 1), g.neurons
        return {
            "address": In(address),
            "data": Out(8 * WORD_ROWS),
            "write": In(bits_for(codes_per_write)),
            "write_address": In(address),
            "write_data": In(8 * codes_per_write),
            "copy": In(1),
            "copy_data": In(8 * WORD_ROWS),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low, codes, codes_per_write = exact_log2(WORD_ROWS), self.geometry.map_codes, self.geometry.neurons
        # The requesting blocks surround the memory on the die: one more register in
        # front of the bank's own.
        ports = "address", "write", "write_address", "write_data", "copy", "copy_data"
        address, write, write_address, write_data, copy, copy_data = (
            delayed(m, port, 1, name) for name, port in members(self, ports).items()
        )
        word, first = address[low:], address[:low]
        to_word, to_first = write_address[low:], write_address[:low]
        data = []
        for i in range(WORD_ROWS):
            m.submodules[f"bank_{i}"] = bank = RegisteredMemory(unsigned(8), codes // WORD_ROWS)
            # Index of the code, among those written at once, that belongs to this bank.
            number = (i - to_first)[:low]
            written = (
                write_data.word_select(number[: exact_log2(codes_per_write)], 8)
                if codes_per_write > 1
                else write_data
            )
            m.d.sync += [
                # Banks numbered below the first code's bank hold codes of the next word.
                bank.address.eq(word + (first > i)),
                bank.write.eq(copy | (number < write)),
                bank.write_address.eq(to_word + (to_first > i)),
                bank.write_data.eq(Mux(copy, copy_data.word_select(i, 8), written)),
            ]
            data.append(bank.data)
        turn = delayed(m, first, 1 + READ_LATENCY, "turn")
        # Two pipeline stages: first choose the half of the word in which the codes
        # begin, then shift by the remaining distance.
        half, low_turn = Signal(8 * WORD_ROWS), delayed(m, turn[: low - 1], 1, "rest")
        m.d.sync += [
            half.eq(Mux(turn[-1], Cat(*data[WORD_ROWS // 2 :], *data[: WORD_ROWS // 2]), Cat(*data))),
            self.data.eq((Cat(half, half) >> (low_turn << 3))[: 8 * WORD_ROWS]),
        ]
        return m


WRITE_LATENCY = PLACES_LATENCY + MAP_LATENCY + 2
"""Cycles from the arrival of a code until it is written, if it is in the first
write of its step."""
BEHIND = MAP_LATENCY + 1
"""Cycles from a write until a read request returns the written code,
including the read itself."""


def turns_most(g: Geometry) -> int:
    """Return the largest number of write cycles that it takes to write all waiting codes."""
    return g.neurons + codes_kept(g)


class MapWriter(Sized):
    """Writes the output codes of columns one after another to their addresses in the
    map. In a pooling window, every code after the first is replaced by the maximum of
    the codes so far.

    ``count`` codes of neighbouring columns arrive at once with ``valid``, and are
    written ``turn`` at a time; the next codes may arrive when no more than
    ``codes_kept`` are left. For pooling, the code stored at an address is read with
    ``request`` at ``address``, which is granted at once, MAP_LATENCY cycles before the
    write. The same address may come again two writes later: codes that are not written
    yet are forwarded. Latency: WRITE_LATENCY. Throughput: ``turn`` codes a cycle.
    Resources: ``Places``, six comparisons of an address, and about 80 LUTs a code.
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
        # The code of the first column is in the lowest bits. A write takes ``turn``
        # codes; if fewer are left, they wait for the next codes.
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
        # The request is decided a cycle ahead and registered, since the memory's
        # address depends on it.
        m.d.sync += self.request.eq(before & places.again)
        soon = Signal(code)
        late = Signal(code)
        m.d.comb += soon.eq(delayed(m, now.as_value(), MAP_LATENCY - 1, "now"))
        m.d.sync += late.eq(soon)
        # Forwarding: codes that were written after the read was requested replace the
        # word read, the latest codes first.
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
