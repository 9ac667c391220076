"""array: every lane works on the row broadcast to it; finished columns shift out to readout."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.bus import WindowSignature
from hdl.lane import FLAG_STAGE, X_STAGE, Lane
from hdl.layouts import column_shape, row_layout

GROUP_LANES = 8
"""Lanes that share one copy of the row registers; rows hop from group to group, one a cycle."""
CAPTURE_LATENCY = FLAG_STAGE + 3
"""Cycles from a pass's last row on ``row`` until the first group's column registers take the sums."""


def skew(geometry: Geometry) -> int:
    """Cycles the last lane group works behind the first."""
    return -(-geometry.lanes // GROUP_LANES) - 1


@dataclass
class _Group:
    """One lane group's own copies of what is broadcast."""

    lanes: list[Lane]
    capture: Signal
    shift: Signal


class Array(wiring.Component):
    """a[m] = sum over the pass's rows of x[k] * w[k, m], for all lanes m at once.

    One row a cycle, handed on from lane group to lane group, so that no wire spans the chip. ``capture``
    is up when the last group's column registers take their sums. Each cycle with ``shift`` up consumes P
    columns, which stand on ``columns`` one cycle later, first columns first. The next pass may begin at
    once; its last row must come no earlier than CAPTURE_LATENCY cycles before the last ``shift``.
    Latency: CAPTURE_LATENCY + skew(geometry) cycles from the last row to ``capture``. Resources: N lanes
    (one multiplier and weight memory each), N * accumulator_bits flip-flops with a 2:1 multiplexer, about
    80 flip-flops a lane group, an N:1 read-back multiplexer of weight_bits.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "row": In(row_layout(geometry)),
                "capture": Out(1),
                "shift": In(1),
                "columns": Out(ArrayLayout(column_shape(geometry), geometry.readouts)),
                "window": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        row = self.row
        lanes: list[Lane] = []
        groups = []
        for first in range(0, g.lanes, GROUP_LANES):
            hop = Signal(row_layout(g), name=f"row_{first}")
            m.d.sync += hop.eq(row)
            row = hop
            group = self._group(m, hop, first)
            groups.append(group)
            lanes += group.lanes
        m.d.comb += self.capture.eq(groups[-1].capture)
        self._columns(m, groups, lanes)
        self._read_back(m, groups)
        return m

    def _group(self, m: Module, row: Signal, first: int) -> _Group:
        """Lanes ``first`` up, with local registers for the row, its flags and the bus."""
        g = self.geometry
        window = self.window
        row_bits = bits_for(g.weight_depth - 1)
        bus_address = Signal(row_bits, name=f"bus_address_{first}")
        bus_data = Signal(g.weight_bits, name=f"bus_data_{first}")
        bus_select = Signal(name=f"bus_select_{first}")
        m.d.sync += [
            bus_address.eq(window.address),
            bus_data.eq(window.write_data),
            bus_select.eq(window.select),
        ]
        address = Signal(row_bits, name=f"address_{first}")
        m.d.sync += address.eq(Mux(bus_select, bus_address, row.address))
        x = _delayed(m, row.x, X_STAGE + 1, f"x_{first}")
        valid, load, last = _delayed(m, Cat(row.valid, row.first, row.last), FLAG_STAGE + 1, f"flags_{first}")
        capture = Signal(name=f"capture_{first}")
        shift = Signal(name=f"shift_{first}")
        m.d.sync += [capture.eq(valid & last), shift.eq(self.shift)]
        lane_number = window.address[row_bits:]
        lanes = []
        for i in range(first, min(first + GROUP_LANES, g.lanes)):
            m.submodules[f"lane_{i}"] = lane = Lane(g)
            write = Signal(name=f"write_{i}")
            m.d.sync += write.eq(window.write & (lane_number == i))
            m.d.comb += [
                lane.address.eq(address),
                lane.x.eq(x),
                lane.load.eq(load),
                lane.enable.eq(valid),
                lane.write.eq(write),
                lane.write_address.eq(bus_address),
                lane.write_data.eq(bus_data),
            ]
            lanes.append(lane)
        return _Group(lanes, capture, shift)

    def _columns(self, m: Module, groups: list[_Group], lanes: list[Lane]) -> None:
        """The column registers: P shift chains, lane i in chain i mod P."""
        g = self.geometry
        held = [Signal(column_shape(g), name=f"held_{i}") for i in range(g.lanes)]
        for i, lane in enumerate(lanes):
            group = groups[i // GROUP_LANES]
            with m.If(group.capture):
                m.d.sync += held[i].eq(lane.accumulator)
            with m.Elif(group.shift):
                if i + g.readouts < g.lanes:
                    m.d.sync += held[i].eq(held[i + g.readouts])
        for i in range(g.readouts):
            m.d.comb += self.columns[i].eq(held[i])

    def _read_back(self, m: Module, groups: list[_Group]) -> None:
        """N:1 multiplexer in two registered steps, off the datapath's critical paths."""
        row_bits = bits_for(self.geometry.weight_depth - 1)
        number = self.window.address[row_bits:]
        inner = bits_for(GROUP_LANES - 1)
        near = []
        for i, group in enumerate(groups):
            chosen = Signal.like(group.lanes[0].weight, name=f"read_{i}")
            with m.Switch(number[:inner]):
                for offset, lane in enumerate(group.lanes):
                    with m.Case(offset):
                        m.d.sync += chosen.eq(lane.weight)
            near.append(chosen)
        with m.Switch(number[inner:]):
            for i, chosen in enumerate(near):
                with m.Case(i):
                    m.d.sync += self.window.read_data.eq(chosen)


def _delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """``value`` that many cycles later."""
    for i in range(cycles):
        late = Signal(len(value), name=f"{name}_{i + 1}")
        m.d.sync += late.eq(value)
        value = late
    return value
