"""map_memory: codes of feature maps, eight neighbours read at once from any place."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import WORD_ROWS, Geometry
from hdl.parts.delay import delayed
from hdl.parts.memory import READ_LATENCY, RegisteredMemory

MAP_LATENCY = READ_LATENCY + 4
"""Cycles from ``address`` to ``data``."""


class MapMemory(wiring.Component):
    """``map_codes`` codes in eight banks: ``data`` is those from ``address`` up, first one low.

    One code a cycle is written. What is written shows to a read asked for a cycle later. Addresses wrap.
    Codes 7 and 8 are written to places 3 and 4, and read from 0, 3 and 4 on::

        { "signal": [
          {"name": "write",         "wave": "01.0........"},
          {"name": "write_address", "wave": "x==xxxxxxxxx", "data": "3 4"},
          {"name": "write_data",    "wave": "x==xxxxxxxxx", "data": "7 8"},
          {"name": "address",       "wave": "xx===xxxxxxx", "data": "0 3 4"},
          {"name": "data",          "wave": "xxxxxxxx===x", "data": "7000000 807 8"}
        ] }

    Latency: MAP_LATENCY. Resources: 8 * map_codes bits of block RAM and about 250 LUTs of rotation.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.codes = geometry.map_codes
        address = bits_for(self.codes - 1)
        super().__init__(
            {
                "address": In(address),
                "data": Out(8 * WORD_ROWS),
                "write": In(1),
                "write_address": In(address),
                "write_data": In(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low = exact_log2(WORD_ROWS)
        # Those who ask stand on all sides of it: a register before every bank's own.
        address, write, write_address, write_data = (
            delayed(m, getattr(self, name), 1, name)
            for name in ("address", "write", "write_address", "write_data")
        )
        word, first = address[low:], address[:low]
        data = []
        for i in range(WORD_ROWS):
            m.submodules[f"bank_{i}"] = bank = RegisteredMemory(unsigned(8), self.codes // WORD_ROWS)
            m.d.sync += [
                # Banks below the first code's hold the next word's.
                bank.address.eq(word + (first > i)),
                bank.write.eq(write & (write_address[:low] == i)),
                bank.write_address.eq(write_address[low:]),
                bank.write_data.eq(write_data),
            ]
            data.append(bank.data)
        turn = delayed(m, first, 1 + READ_LATENCY, "turn")
        # By halves of a word first, then by the rest.
        half, rest = Signal(8 * WORD_ROWS), delayed(m, turn[: low - 1], 1, "rest")
        m.d.sync += [
            half.eq(Mux(turn[-1], Cat(*data[WORD_ROWS // 2 :], *data[: WORD_ROWS // 2]), Cat(*data))),
            self.data.eq((Cat(half, half) >> (rest << 3))[: 8 * WORD_ROWS]),
        ]
        return m
