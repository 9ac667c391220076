"""neuron: bias, scale and the piecewise-linear NDR curve, one column a cycle."""

from __future__ import annotations

import itertools
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MAX, V_MIN
from emulator.spec.geometry import Geometry
from hdl.bus import WindowSignature
from hdl.layouts import group_layout

NEURON_LATENCY = 16
"""Cycles from a column's partial sum to its activation."""
OUTPUT_STAGE = 2
"""Cycles from a column's partial sum to its logit."""
TABLE_BITS = 18


class Neuron(wiring.Component):
    """z = p + bias; v = clip(rshift_round(z * scale, vshift)); y from v's PWL segment.

    y = clip(rshift_round((base << f) + slope * r, f + h), 0, 255) with segment s = v >> f, rest r.
    Output layers stop at z (``logit``, in column order, ``final`` with the network's last). Hidden layers
    give y (``activation``). A group of another layer waits until the pipeline is empty, so the settings
    hold still. Latency: OUTPUT_STAGE or NEURON_LATENCY cycles. Resources: two multipliers (33 x 17 and
    18 x 11 bits), 64 bits a column and 36 bits a table entry of memory.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        column = bits_for(geometry.columns - 1)
        super().__init__(
            {
                "groups": In(stream.Signature(group_layout(geometry))),
                "partials": In(stream.Signature(ArrayLayout(signed(32), geometry.readouts))),
                "logit": Out(StructLayout({"valid": 1, "final": 1, "column": column, "z": signed(32)})),
                "activation": Out(StructLayout({"valid": 1, "last": 1, "sink": 1, "column": column, "y": 8})),
                "bias_window": In(WindowSignature()),
                "neuron_window": In(WindowSignature()),
                "base_window": In(WindowSignature()),
                "slope_window": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        group = self.groups.payload
        left = Signal.like(group.columns)
        running = Signal()
        layer = Signal(group_layout(g))
        column, address = Signal.like(group.column), Signal.like(group.column)
        lane = Signal(exact_log2(g.readouts) or 1)
        layout = StructLayout({"valid": 1, "end": 1, "column": column.shape()})
        stages = [Signal(layout, name=f"stage_{n}") for n in range(NEURON_LATENCY + 1)]
        busy = Cat(stage.valid for stage in stages[1:]).any()

        take = running & self.partials.valid
        closing = take & (left == 1)
        same = ~layer.layer_end
        with m.If(self.groups.valid & ~running & (same | ~busy)):
            m.d.comb += self.groups.ready.eq(1)
            m.d.sync += [
                running.eq(1),
                layer.eq(group),
                left.eq(group.columns),
                column.eq(group.first_column),
                address.eq(group.column),
                lane.eq(0),
            ]
        with m.If(take):
            m.d.sync += [left.eq(left - 1), column.eq(column + 1), address.eq(address + 1), lane.eq(lane + 1)]
            if g.readouts == 1:
                m.d.sync += lane.eq(0)
        with m.If(closing):
            m.d.sync += running.eq(0)
        m.d.comb += self.partials.ready.eq(take & (closing | (lane == g.readouts - 1)))
        m.d.comb += [
            stages[0].valid.eq(take),
            stages[0].end.eq((left == 1) & layer.layer_end),
            stages[0].column.eq(column),
        ]
        for early, late in itertools.pairwise(stages):
            m.d.sync += late.eq(early)

        bias = self._column_memory(m, "bias", self.bias_window, address)
        settings = self._column_memory(m, "settings", self.neuron_window, address)
        p_1 = Signal(signed(32))
        z_2 = Signal(signed(32))
        scale, curve = Signal(16, name="scale_2"), Signal(16, name="curve_2")
        m.d.sync += [
            p_1.eq(self.partials.payload[lane]),
            z_2.eq(p_1 + bias.as_signed()),
            scale.eq(settings[:16]),
            curve.eq(settings[16:]),
        ]
        out = stages[OUTPUT_STAGE]
        m.d.comb += [
            self.logit.valid.eq(out.valid & layer.output),
            self.logit.final.eq(out.end & layer.output),
            self.logit.column.eq(out.column),
            self.logit.z.eq(z_2),
        ]
        v = self._voltage(m, z_2, scale, layer)
        for n in range(3, 10):
            late = Signal(16, name=f"curve_{n}")
            m.d.sync += late.eq(curve)
            curve = late
        y = self._curve(m, v, curve, layer)
        end = stages[NEURON_LATENCY]
        m.d.comb += [
            self.activation.valid.eq(end.valid & ~layer.output),
            self.activation.last.eq(end.end),
            self.activation.sink.eq(layer.sink),
            self.activation.column.eq(end.column),
            self.activation.y.eq(y),
        ]
        return m

    def _voltage(self, m: Module, z_2: Signal, scale_2: Signal, layer: Signal) -> Signal:
        """v + 2048, unsigned 12 bit, at stage 9."""
        product_3, product_4, product_5 = (Signal(signed(49), name=f"product_{n}") for n in (3, 4, 5))
        rounded_6, coarse_7, fine_8 = (
            Signal(signed(50), name=n) for n in ("rounded_6", "coarse_7", "fine_8")
        )
        half = Signal(48)
        m.d.sync += half.eq((Const(1, 1) << layer.vshift) >> 1)
        m.d.sync += [
            product_3.eq(z_2 * scale_2),
            product_4.eq(product_3),
            product_5.eq(product_4),
            rounded_6.eq(product_5 + half),
            fine_8.eq(coarse_7 >> layer.vshift[:3]),
        ]
        with m.Switch(layer.vshift[3:]):
            for i in range(8):
                with m.Case(i):
                    m.d.sync += coarse_7.eq(rounded_6 >> 8 * i)
        v_9 = Signal(V_BITS)
        with m.If(fine_8 > V_MAX):
            m.d.sync += v_9.eq(V_MAX - V_MIN)
        with m.Elif(fine_8 < V_MIN):
            m.d.sync += v_9.eq(0)
        with m.Else():
            m.d.sync += v_9.eq(fine_8 - V_MIN)
        return v_9

    def _curve(self, m: Module, v_9: Signal, curve_9: Signal, layer: Signal) -> Signal:
        """y at stage 16."""
        g = self.geometry
        index_bits = exact_log2(g.segments)
        address = Cat((v_9 >> layer.segment_bits)[:index_bits], curve_9[: exact_log2(g.curves)])
        base_10 = self._table(m, "base", self.base_window, address)
        slope_10 = self._table(m, "slope", self.slope_window, address)
        rest_10, rest_11 = Signal(V_BITS - 1), Signal(V_BITS - 1)
        m.d.sync += [rest_10.eq(v_9 & ~(Const(-1, signed(V_BITS)) << layer.segment_bits)[: V_BITS - 1])]
        m.d.sync += rest_11.eq(rest_10)
        base_11, slope_11 = Signal(signed(TABLE_BITS)), Signal(signed(TABLE_BITS))
        m.d.sync += [base_11.eq(base_10), slope_11.eq(slope_10)]
        line_12 = Signal(signed(TABLE_BITS + V_BITS))
        base_12 = Signal(signed(TABLE_BITS + V_BITS))
        m.d.sync += [line_12.eq(slope_11 * rest_11), base_12.eq(base_11 << layer.segment_bits)]
        shift = Signal(5)
        half = Signal(24)
        m.d.sync += [
            shift.eq(layer.segment_bits + layer.table_bits),
            half.eq((Const(1, 1) << shift) >> 1),
        ]
        sum_13, rounded_14, y_15 = (
            Signal(signed(TABLE_BITS + V_BITS + 2), name=n) for n in ("sum_13", "rounded_14", "y_15")
        )
        y_16 = Signal(8)
        m.d.sync += [
            sum_13.eq(line_12 + base_12),
            rounded_14.eq(sum_13 + half),
            y_15.eq(rounded_14 >> shift),
            y_16.eq(Mux(y_15 < 0, 0, Mux(y_15 > INPUT_MAX, INPUT_MAX, y_15))),
        ]
        return y_16

    def _column_memory(self, m: Module, name: str, window: Any, address: Signal) -> Signal:
        return _memory(m, name, window, address, shape=32, depth=self.geometry.columns)

    def _table(self, m: Module, name: str, window: Any, address: Signal) -> Signal:
        depth = self.geometry.curves * self.geometry.segments
        return _memory(m, name, window, address, shape=signed(TABLE_BITS), depth=depth)


def _memory(m: Module, name: str, window: Any, address: Signal, *, shape: object, depth: int) -> Signal:
    """A memory the bus writes, read by the pipeline one cycle behind ``address`` and by the bus when idle."""
    m.submodules[name] = memory = Memory(shape=shape, depth=depth, init=[])
    write, read = memory.write_port(), memory.read_port()
    m.d.comb += [
        write.addr.eq(window.address),
        write.data.eq(window.write_data),
        write.en.eq(window.write),
        read.addr.eq(Mux(window.select, window.address, address)),
    ]
    m.d.sync += window.read_data.eq(read.data)
    return read.data
