"""map_memory: codes of feature maps, eight neighbours read at once from any place."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.ports import Ports, Sized

MAP_LATENCY = READ_LATENCY + 4
"""Cycles from ``address`` to ``data``."""


def reader_ports(geometry: Geometry, codes: int) -> dict[str, wiring.Member]:
    """Ports of a reader of the shared memory: ``request`` and ``address`` stay until ``granted``; ``codes``
    codes are on ``data`` MAP_LATENCY later."""
    address = Out(bits_for(geometry.map_codes - 1))
    return {"request": Out(1), "address": address, "granted": In(1), "data": In(8 * codes)}


class MapMemory(Sized):
    """``map_codes`` codes in eight banks: ``data`` is those from ``address`` up, first one low.

    ``write`` codes a cycle, at most one per neuron, go to consecutive places from ``write_address`` on; a
    ``copy`` writes the eight places of a word. A read that is requested a cycle later sees the new codes.
    Addresses wrap. Codes 7 and 8 are written to places 3 and 4, and read from 0, 3 and 4 on::

        { "signal": [
          {"name": "write",         "wave": "01.0........"},
          {"name": "write_address", "wave": "x==xxxxxxxxx", "data": "3 4"},
          {"name": "write_data",    "wave": "x==xxxxxxxxx", "data": "7 8"},
          {"name": "address",       "wave": "xx===xxxxxxx", "data": "0 3 4"},
          {"name": "data",          "wave": "xxxxxxxx===x", "data": "7000000 807 8"}
        ] }

    Latency: MAP_LATENCY. Resources: 8 * map_codes bits of block RAM and about 250 LUTs of rotation, for
    several codes at once 150 more.
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
        # Requesters lie on all sides of the memory: one register more before the bank's own.
        address, write, write_address, write_data, copy, copy_data = (
            delayed(m, getattr(self, name), 1, name)
            for name in ("address", "write", "write_address", "write_data", "copy", "copy_data")
        )
        word, first = address[low:], address[:low]
        to_word, to_first = write_address[low:], write_address[:low]
        data = []
        for i in range(WORD_ROWS):
            m.submodules[f"bank_{i}"] = bank = RegisteredMemory(unsigned(8), codes // WORD_ROWS)
            # Index of the written code that belongs to this bank.
            number = (i - to_first)[:low]
            written = (
                write_data.word_select(number[: exact_log2(codes_per_write)], 8)
                if codes_per_write > 1
                else write_data
            )
            m.d.sync += [
                # Banks below the first code's hold the next word's.
                bank.address.eq(word + (first > i)),
                bank.write.eq(copy | (number < write)),
                bank.write_address.eq(to_word + (to_first > i)),
                bank.write_data.eq(Mux(copy, copy_data.word_select(i, 8), written)),
            ]
            data.append(bank.data)
        turn = delayed(m, first, 1 + READ_LATENCY, "turn")
        # By halves of a word first, then by the rest.
        half, low_turn = Signal(8 * WORD_ROWS), delayed(m, turn[: low - 1], 1, "rest")
        m.d.sync += [
            half.eq(Mux(turn[-1], Cat(*data[WORD_ROWS // 2 :], *data[: WORD_ROWS // 2]), Cat(*data))),
            self.data.eq((Cat(half, half) >> (low_turn << 3))[: 8 * WORD_ROWS]),
        ]
        return m
