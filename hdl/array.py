"""array: every lane works on the row broadcast in this cycle; finished columns shift out to readout."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.bus import WindowSignature
from hdl.lane import Lane
from hdl.layouts import column_shape, row_layout

CAPTURE_LATENCY = 4
"""Cycles from a pass's last row on ``row`` to ``capture``."""
READ_GROUP = 8


class Array(wiring.Component):
    """a[m] = sum over the pass's rows of x[k] * w[k, m], for all lanes m at once.

    One row a cycle. ``capture`` is up in the cycle in which the accumulators hold a finished pass; from
    the next cycle ``columns`` shows columns 0..P-1, and each cycle with ``shift`` up brings the next P.
    The next pass may begin at once; its last row must not be issued before all but CAPTURE_LATENCY
    shifts are done. Latency: CAPTURE_LATENCY + 1 cycles from last row to ``columns``. Resources: N lanes
    (one multiplier and weight memory each) and N * accumulator_bits more flip-flops with a 2:1
    multiplexer, plus an N:1 read-back multiplexer of weight_bits.
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
        x1, x2 = Signal(8), Signal(8)
        m.d.sync += [x1.eq(self.row.x), x2.eq(x1)]
        flags = Cat(self.row.valid, self.row.first, self.row.last)
        for stage in range(3):
            late = Signal(3, name=f"flags_{stage + 1}")
            m.d.sync += late.eq(flags)
            flags = late
        valid, first, last = flags
        m.d.sync += self.capture.eq(valid & last)

        row_bits = bits_for(g.weight_depth - 1)
        window = self.window
        address = Mux(window.select, window.address[:row_bits], self.row.address)
        write = Signal()
        lane_number = Signal(bits_for(g.lanes - 1))
        m.d.sync += [write.eq(window.write), lane_number.eq(window.address[row_bits:])]

        lanes = []
        for i in range(g.lanes):
            m.submodules[f"lane_{i}"] = lane = Lane(g)
            lanes.append(lane)
            m.d.comb += [
                lane.address.eq(address),
                lane.x.eq(x2),
                lane.load.eq(first),
                lane.enable.eq(valid),
                lane.write.eq(write & (lane_number == i)),
                lane.write_address.eq(window.address[:row_bits]),
                lane.write_data.eq(window.write_data),
            ]
        self._columns(m, lanes)
        self._read_back(m, lanes, lane_number)
        return m

    def _columns(self, m: Module, lanes: list[Lane]) -> None:
        g = self.geometry
        held = [Signal(column_shape(g), name=f"held_{i}") for i in range(g.lanes)]
        for i, lane in enumerate(lanes):
            with m.If(self.capture):
                m.d.sync += held[i].eq(lane.accumulator)
            with m.Elif(self.shift):
                if i + g.readouts < g.lanes:
                    m.d.sync += held[i].eq(held[i + g.readouts])
        for i in range(g.readouts):
            m.d.comb += self.columns[i].eq(held[i])

    def _read_back(self, m: Module, lanes: list[Lane], lane_number: Signal) -> None:
        """N:1 multiplexer in two registered steps, off the datapath's critical paths."""
        near = []
        for start in range(0, len(lanes), READ_GROUP):
            chosen = Signal.like(lanes[0].weight, name=f"read_{start}")
            with m.Switch(lane_number[: bits_for(READ_GROUP - 1)]):
                for offset, lane in enumerate(lanes[start : start + READ_GROUP]):
                    with m.Case(offset):
                        m.d.sync += chosen.eq(lane.weight)
            near.append(chosen)
        if len(near) == 1:
            m.d.sync += self.window.read_data.eq(near[0])
            return
        with m.Switch(lane_number[bits_for(READ_GROUP - 1) :]):
            for i, chosen in enumerate(near):
                with m.Case(i):
                    m.d.sync += self.window.read_data.eq(chosen)
