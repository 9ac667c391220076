"""answers: sums of columns with their biases through the neurons' curves, and how fast those change."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.arithmetic import V_BITS
from emulator.spec.geometry import Geometry
from hdl.learn.clipped import clipped
from hdl.learn.layouts import CHANGE_SHAPE, CODE_SHAPE, column_layout, layer_layout
from hdl.parts.bus import WindowSignature
from hdl.parts.delay import delayed
from hdl.parts.memory import RegisteredMemory, share
from hdl.parts.multiplier import Multiplier
from hdl.parts.wide_multiplier import WideMultiplier

COLUMN_STAGE = 2
SUM_STAGE = 3
"""Cycles after ``w`` at which ``column`` and ``p`` are taken."""
Z_STAGE = 6
ANSWER_LATENCY = 25
"""Cycles from ``w`` to ``y`` and ``change``."""
TABLE_SHAPE = signed(18)


class Answers(wiring.Component):
    """z = p + bias + rshift_round(w * bias_gain, bias_shift), y the neuron's code of it, and ``change`` the
    slope of its curve there times its scale, as ``emulator.golden.learn.errors.derivative``.

    ``layer`` holds still. Latency: Z_STAGE and ANSWER_LATENCY cycles, one column a cycle. Resources: five
    multipliers, and 36 bits a table entry.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "layer": In(layer_layout()),
                "w": In(CODE_SHAPE),
                "p": In(signed(32)),
                "column": In(column_layout()),
                "curve_base": In(WindowSignature()),
                "curve_slope": In(WindowSignature()),
                "z": Out(signed(32)),
                "y": Out(8),
                "change": Out(CHANGE_SHAPE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, layer = self.geometry, self.layer

        def register(shape: Any, name: str) -> Signal:
            return Signal(shape, name=name, reset_less=True)

        def half(shift: Any, bits: int, name: str) -> Signal:
            held = register(bits, name)
            m.d.sync += held.eq((Const(1, bits) << shift) >> 1)
            return held

        m.submodules.row = row = Multiplier(CODE_SHAPE, unsigned(17))
        m.d.comb += [row.a.eq(self.w), row.b.eq(layer.bias_gain)]
        raised_4, bias_5 = register(signed(49), "raised_4"), register(signed(32), "bias_5")
        m.d.sync += [
            raised_4.eq(row.product + half(layer.bias_shift, 48, "half_bias")),
            bias_5.eq(raised_4 >> layer.bias_shift),
        ]
        rest_4, z_6 = register(signed(32), "rest_4"), register(signed(32), "z_6")
        m.d.sync += [
            rest_4.eq(self.p + delayed(m, self.column.bias, 1, "bias")),
            z_6.eq(delayed(m, rest_4, 1, "rest") + bias_5),
        ]
        m.d.comb += self.z.eq(z_6)

        scale_6 = delayed(m, self.column.scale, 4, "scale")
        m.submodules.scaler = scaler = WideMultiplier(32, 16)
        m.d.comb += [scaler.a.eq(z_6), scaler.b.eq(scale_6)]
        raised_12, fine_13 = register(signed(50), "raised_12"), register(signed(50), "fine_13")
        v_14 = register(V_BITS, "v_14")
        m.d.sync += [
            raised_12.eq(scaler.product + half(layer.vshift, 48, "half_v")),
            fine_13.eq(raised_12 >> layer.vshift),
            v_14.eq(clipped(fine_13, V_BITS) ^ (1 << (V_BITS - 1))),
        ]

        segments = exact_log2(g.segments)
        curve_14 = delayed(m, self.column.curve, 12, "curve")
        address_15 = register(bits_for(g.curves * g.segments - 1), "address_15")
        rest_15 = register(V_BITS - 1, "rest_15")
        mask = (Const(1, V_BITS) << layer.segment_bits) - 1
        m.d.sync += [
            address_15.eq(Cat((v_14 >> layer.segment_bits)[:segments], curve_14)),
            rest_15.eq(v_14 & mask),
        ]
        tables = []
        for name in ("base", "slope"):
            m.submodules[name] = memory = RegisteredMemory(TABLE_SHAPE, g.curves * g.segments)
            window = getattr(self, f"curve_{name}")
            share(m, memory, window, address_15)
            m.d.sync += window.read_data.eq(memory.data)
            tables.append(memory.data)
        base_17, slope_17 = tables
        m.submodules.line = line = Multiplier(TABLE_SHAPE, unsigned(V_BITS - 1))
        m.d.comb += [line.a.eq(slope_17), line.b.eq(delayed(m, rest_15, 2, "rest_v"))]
        places = Signal(5)
        m.d.sync += places.eq(layer.segment_bits + layer.table_bits)
        wide = signed(34)
        base_18, base_19 = register(wide, "base_18"), register(wide, "base_19")
        line_21, line_22 = register(wide, "line_21"), register(wide, "line_22")
        m.d.sync += [
            base_18.eq(base_17 << layer.segment_bits),
            base_19.eq(base_18 + half(places, 24, "half_line")),
            line_21.eq(delayed(m, base_19, 1, "base") + line.product),
            line_22.eq(line_21 >> places),
        ]
        y_23, flat_23 = register(8, "y_23"), register(1, "flat_23")
        v_22 = delayed(m, v_14, 8, "v")
        ends = (v_22 == 0) | v_22.all()
        negative, above = line_22[-1], line_22[len(y_23) : -1].any()
        m.d.sync += [
            y_23.eq(Mux(negative, 0, line_22[: len(y_23)] | above.replicate(len(y_23)))),
            flat_23.eq(ends | negative | above),
        ]

        m.submodules.steep = steep = WideMultiplier(18, 16)
        m.d.comb += [steep.a.eq(slope_17), steep.b.eq(delayed(m, scale_6, 11, "scale_late"))]
        raised_23, fine_24 = register(signed(50), "raised_23"), register(signed(50), "fine_24")
        change_25 = register(CHANGE_SHAPE, "change_25")
        m.d.sync += [
            raised_23.eq(steep.product + half(layer.slope_shift, 48, "half_slope")),
            fine_24.eq(raised_23 >> layer.slope_shift),
            change_25.eq(Mux(delayed(m, flat_23, 1, "flat"), 0, clipped(fine_24, CHANGE_SHAPE.width))),
        ]
        m.d.comb += [self.change.eq(change_25), self.y.eq(delayed(m, y_23, 2, "y"))]
        return m
