"""neuron: bias, scale and the piecewise-linear NDR curve, one column a cycle."""

from __future__ import annotations

import itertools
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MAX, V_MIN
from emulator.spec.geometry import Geometry
from hdl.parts.bus import WindowSignature
from hdl.parts.delay import delayed
from hdl.parts.layouts import SECOND_BITS, activation_layout, group_layout
from hdl.parts.memory import RegisteredMemory, share
from hdl.parts.multiplier import Multiplier
from hdl.parts.unmerged import unmerged
from hdl.parts.wide_multiplier import WideMultiplier

NEURON_LATENCY = 24
"""Cycles from a column's partial sum to its activation."""
OUTPUT_STAGE = 3
"""Cycles from a column's partial sum to its logit."""
VOLTAGE_STAGE = 12
TABLE_BITS = 18


def logit_layout(g: Geometry) -> StructLayout:
    """An output in passing: ``final`` with the network's last."""
    return StructLayout({"valid": 1, "final": 1, "column": bits_for(g.columns - 1), "z": signed(32)})


class Neuron(wiring.Component):
    """z = p + bias + second; v = clip(rshift_round(z * scale, vshift)); y from v's PWL segment.

    y = clip(rshift_round((base << f) + slope * r, f + h), 0, 255) with segment s = v >> f, rest r. Output
    layers stop at z (``logit``, in column order, ``final`` with the network's last). Hidden layers give y
    (``activation``). A group of another layer waits until the pipeline is empty, so the settings hold still.
    ``second`` has a group's second operands where it says so, one a column. Latency: OUTPUT_STAGE or
    NEURON_LATENCY cycles. Resources: three multipliers (two for the scale, one for the slope), 64 bits a
    column and 36 bits a table entry of memory.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "groups": In(stream.Signature(group_layout(geometry))),
                "partials": In(stream.Signature(ArrayLayout(signed(32), geometry.readouts))),
                "logit": Out(logit_layout(geometry)),
                "activation": Out(activation_layout(geometry)),
                "bias_window": In(WindowSignature()),
                "neuron_window": In(WindowSignature()),
                "base_window": In(WindowSignature()),
                "slope_window": In(WindowSignature()),
            }
            | ({"second": In(stream.Signature(SECOND_BITS))} if geometry.map_codes else {})
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
        stages = [Signal(layout, name=f"stage_{n}", reset_less=True) for n in range(NEURON_LATENCY + 1)]
        busy = Signal()
        m.d.sync += busy.eq(Cat(stage.valid for stage in stages).any())

        take, there = running & self.partials.valid, Const(1)
        if g.map_codes:
            there = ~layer.second | self.second.valid
            take &= there
            m.d.comb += self.second.ready.eq(running & self.partials.valid & layer.second)
        # Known a cycle ahead: the queue of partial sums waits for it.
        only, lane_last = Signal(), Signal()
        closing = take & only
        same: Value = ~layer.layer_end
        if g.map_codes:
            # A walk goes on to other settings only when everything has run empty.
            same |= group.walked
        with m.If(self.groups.valid & ~running & (same | ~busy)):
            m.d.comb += self.groups.ready.eq(1)
            m.d.sync += [
                running.eq(1),
                layer.eq(group),
                left.eq(group.columns),
                only.eq(group.columns == 1),
                column.eq(group.first_column),
                address.eq(group.column),
                lane.eq(0),
                lane_last.eq(g.readouts == 1),
            ]
        with m.If(take):
            m.d.sync += [only.eq(left == 2), lane_last.eq((lane == g.readouts - 2) | (g.readouts == 1))]
            m.d.sync += [left.eq(left - 1), column.eq(column + 1), address.eq(address + 1), lane.eq(lane + 1)]
            if g.readouts == 1:
                m.d.sync += lane.eq(0)
        with m.If(closing):
            m.d.sync += running.eq(0)
        m.d.comb += self.partials.ready.eq(running & (only | lane_last) & there)
        m.d.comb += [
            stages[0].valid.eq(take),
            stages[0].end.eq(only & layer.layer_end),
            stages[0].column.eq(column),
        ]
        for early, late in itertools.pairwise(stages):
            m.d.sync += late.eq(early)

        bias = self._column_memory(m, "bias", self.bias_window, address)
        settings = self._column_memory(m, "settings", self.neuron_window, address)
        p_1, p_2 = Signal(signed(32), reset_less=True), Signal(signed(32), reset_less=True)
        z_3 = Signal(signed(32), reset_less=True)
        scale, curve = (Signal(16, name=n, reset_less=True) for n in ("scale_3", "curve_3"))
        m.d.sync += p_1.eq(self.partials.payload[lane])
        if g.map_codes:
            second_1 = Signal(SECOND_BITS, reset_less=True)
            m.d.sync += second_1.eq(Mux(layer.second, self.second.payload, 0))
            m.d.sync += p_2.eq(p_1 + second_1)
        else:
            m.d.sync += p_2.eq(p_1)
        m.d.sync += [
            z_3.eq(p_2 + bias.as_signed()),
            scale.eq(settings[:16]),
            curve.eq(settings[16:]),
        ]
        out = stages[OUTPUT_STAGE]
        # The layer's settings hold still: what they decide is decided a cycle before.
        m.d.sync += [
            self.logit.valid.eq(stages[OUTPUT_STAGE - 1].valid & layer.output),
            self.logit.final.eq(stages[OUTPUT_STAGE - 1].end & layer.output),
        ]
        m.d.comb += [
            self.logit.column.eq(out.column),
            self.logit.z.eq(z_3),
        ]
        v = self._voltage(m, platform, z_3, scale, layer)
        curve = delayed(m, curve, VOLTAGE_STAGE - 3, "curve")
        y = self._curve(m, platform, v, curve, layer)
        end = stages[NEURON_LATENCY]
        m.d.sync += self.activation.valid.eq(stages[NEURON_LATENCY - 1].valid & ~layer.output)
        m.d.comb += [
            self.activation.last.eq(end.end),
            self.activation.sink.eq(layer.sink),
            self.activation.column.eq(end.column),
            self.activation.y.eq(y),
        ]
        return m

    def _voltage(self, m: Module, platform: object, z_3: Signal, scale_3: Signal, layer: Signal) -> Signal:
        """v + 2048, unsigned 12 bit, at VOLTAGE_STAGE; the product stands at stage 8."""
        m.submodules.scaler = scaler = WideMultiplier(32, 16)
        m.d.comb += [scaler.a.eq(z_3), scaler.b.eq(scale_3)]
        rounded_9, coarse_10, fine_11 = (
            Signal(signed(50), name=n, reset_less=True) for n in ("rounded_9", "coarse_10", "fine_11")
        )
        half = Signal(48, reset_less=True)
        # Each reader has a copy of its own: one register would have several hundred of them.
        vshift = [unmerged(m, platform, layer.vshift, f"vshift_{i}") for i in range(4)]
        m.d.sync += half.eq((Const(1, 1) << vshift[0]) >> 1)
        m.d.sync += rounded_9.eq(scaler.product + half)
        m.d.sync += fine_11.eq(coarse_10 >> vshift[1][:3])
        for number, part in enumerate((slice(0, 25), slice(25, 50))):
            with m.Switch(vshift[2 + number][3:]):
                for i in range(8):
                    with m.Case(i):
                        m.d.sync += coarse_10[part].eq((rounded_9 >> 8 * i)[part])
        v_12 = Signal(V_BITS, reset_less=True)
        # A comparison with a power of two is one of the bits above it; no carry chain of 50.
        negative, rest = fine_11[-1], fine_11[V_BITS - 1 : -1]
        with m.If(~negative & rest.any()):
            m.d.sync += v_12.eq(V_MAX - V_MIN)
        with m.Elif(negative & ~rest.all()):
            m.d.sync += v_12.eq(0)
        with m.Else():
            m.d.sync += v_12.eq(fine_11 - V_MIN)
        return v_12

    def _curve(self, m: Module, platform: object, v_12: Signal, curve_12: Signal, layer: Signal) -> Signal:
        """y at stage 24: table address 13, its words 15, line 18."""
        g = self.geometry
        index_bits = exact_log2(g.segments)
        f = [unmerged(m, platform, layer.segment_bits, f"segment_bits_{i}") for i in range(4)]
        address_13 = Signal(index_bits + exact_log2(g.curves), reset_less=True)
        rest, below = (Signal(V_BITS - 1, name=n, reset_less=True) for n in ("rest_13", "below"))
        m.d.sync += [
            address_13.eq(Cat((v_12 >> f[0])[:index_bits], curve_12[: exact_log2(g.curves)])),
            below.eq(~(Const(-1, signed(V_BITS)) << f[1])[: V_BITS - 1]),
            rest.eq(v_12 & below),
        ]
        base_15 = self._table(m, "base", self.base_window, address_13)
        slope_15 = self._table(m, "slope", self.slope_window, address_13)
        rest = delayed(m, rest, 2, "rest")
        m.submodules.line = line = Multiplier(signed(TABLE_BITS), unsigned(V_BITS - 1))
        m.d.comb += [line.a.eq(slope_15), line.b.eq(rest)]
        base = delayed(m, base_15, 1, "base")
        wide = signed(TABLE_BITS + V_BITS + 2)
        shifted_17, base_18, rounded_20, coarse_21, y_22 = (
            Signal(wide, name=n, reset_less=True)
            for n in ("shifted_17", "base_18", "rounded_20", "coarse_21", "y_22")
        )
        # A multiplier's output register is slow: another one before the adder.
        product_19 = delayed(m, line.product, 1, "product_19")
        base_19 = delayed(m, base_18, 1, "base_19")
        shift = Signal(5, reset_less=True)
        half = Signal(24, reset_less=True)
        high, low, y_24 = (Signal(n, reset_less=True) for n in (1, 1, 8))
        y_23 = Signal(8, reset_less=True)
        # The layer's settings hold still.
        m.d.sync += [shift.eq(f[2] + layer.table_bits), half.eq((Const(1, 1) << shift) >> 1)]
        m.d.sync += shifted_17.eq(base << f[3])
        m.d.sync += base_18.eq(shifted_17 + half)
        m.d.sync += rounded_20.eq(product_19 + base_19)
        m.d.sync += y_22.eq(coarse_21 >> shift[:3])
        m.d.sync += [low.eq(y_22 < 0), high.eq(y_22 > INPUT_MAX), y_23.eq(y_22)]
        m.d.sync += y_24.eq(Mux(low, 0, Mux(high, INPUT_MAX, y_23)))
        with m.Switch(shift[3:]):
            for i in range(4):
                with m.Case(i):
                    m.d.sync += coarse_21.eq(rounded_20 >> 8 * i)
        return y_24

    def _column_memory(self, m: Module, name: str, window: Any, address: Signal) -> Signal:
        return _memory(m, name, window, address, shape=32, depth=self.geometry.columns)

    def _table(self, m: Module, name: str, window: Any, address: Signal) -> Signal:
        depth = self.geometry.curves * self.geometry.segments
        return _memory(m, name, window, address, shape=signed(TABLE_BITS), depth=depth)


def _memory(m: Module, name: str, window: Any, address: Signal, *, shape: ShapeLike, depth: int) -> Signal:
    """A memory the bus writes, read READ_LATENCY after ``address``, and by the bus when idle."""
    memory = RegisteredMemory(shape, depth, early=True)
    m.submodules[name] = memory
    share(m, memory, window, address)
    m.d.sync += window.read_data.eq(memory.data)
    return memory.data
