"""readout_pipe: one column a cycle from accumulator to partial-sum increment."""

from __future__ import annotations

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from emulator.spec.arithmetic import GAUSS_FRACTION, SHIFT_MAX
from emulator.spec.geometry import Geometry
from hdl.layouts import column_shape

SETTINGS_STAGE = 3
"""Cycles after ``column`` at which ``gain`` and ``offset`` are taken."""
PIPE_LATENCY = 12
"""Cycles from ``column`` to ``increment``."""


def settings_layout() -> StructLayout:
    """Per-layer settings, delayed by the owner so that each stage sees those of its own column."""
    return StructLayout({"analog": 1, "adc_bits": 4, "shift": 6, "lshift": 3})


class ReadoutPipe(wiring.Component):
    """a' = a + rshift_round(sigma * g, 8); adc: clip(rshift_round(a' * gain, shift) + offset) << lshift.

    ``analog`` columns take the same path with gain 1, shift 0, offset 0 and no clipping. ``settings_n``
    belong to the column that entered n cycles ago. Latency: PIPE_LATENCY cycles, one column a cycle.
    Resources: two multipliers (16 x 12 with noise, noisy_bits x 17), a 46-bit shifter in two steps.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        members = {
            "column": In(column_shape(geometry)),
            "sigma_1": In(16),
            "sample": In(signed(12)),
            "gain": In(16),
            "offset": In(signed(12)),
            "increment": Out(signed(32)),
        }
        members |= {f"settings_{n}": In(settings_layout()) for n in (3, 6, 7, 8, 9, 10, 11)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        noisy_3 = Signal(signed(g.noisy_bits))
        column_1, column_2 = Signal(column_shape(g)), Signal(column_shape(g))
        m.d.sync += [column_1.eq(self.column), column_2.eq(column_1)]
        if g.noise:
            sample_1 = Signal(signed(12))
            noise_2 = Signal(signed(28))
            m.d.sync += [sample_1.eq(self.sample), noise_2.eq(sample_1 * self.sigma_1)]
            half = 1 << (GAUSS_FRACTION - 1)
            m.d.sync += noisy_3.eq(column_2 + ((noise_2 + half) >> GAUSS_FRACTION))
        else:
            m.d.sync += noisy_3.eq(column_2)

        noisy_4 = Signal(signed(g.noisy_bits))
        gain_4 = Signal(16)
        offset = Signal(signed(12), name="offset_4")
        m.d.sync += [
            noisy_4.eq(noisy_3),
            gain_4.eq(Mux(self.settings_3.analog, 1, self.gain)),
            offset.eq(Mux(self.settings_3.analog, 0, self.offset)),
        ]
        product_5 = Signal(signed(g.noisy_bits + 17))
        product_6 = Signal.like(product_5)
        m.d.sync += [product_5.eq(noisy_4 * gain_4), product_6.eq(product_5)]
        for stage in range(5, 10):
            late = Signal(signed(12), name=f"offset_{stage}")
            m.d.sync += late.eq(offset)
            offset = late

        wide = signed(max(g.noisy_bits + 18, SHIFT_MAX + 2))
        rounded_7, coarse_8, fine_9 = (Signal(wide, name=n) for n in ("rounded_7", "coarse_8", "fine_9"))
        shift_6 = Mux(self.settings_6.analog, 0, self.settings_6.shift)
        half_6 = (Const(1, 1) << shift_6) >> 1
        m.d.sync += rounded_7.eq(product_6 + half_6)
        shift_7 = Mux(self.settings_7.analog, 0, self.settings_7.shift)
        with m.Switch(shift_7[3:]):
            for i in range(8):
                with m.Case(i):
                    m.d.sync += coarse_8.eq(rounded_7 >> 8 * i)
        shift_8 = Mux(self.settings_8.analog, 0, self.settings_8.shift)
        m.d.sync += fine_9.eq(coarse_8 >> shift_8[:3])

        offset_10 = Signal(signed(wide.width + 1))
        clipped_11 = Signal(signed(g.noisy_bits))
        m.d.sync += offset_10.eq(fine_9 + offset)
        top = Signal(12)
        m.d.comb += top.eq((1 << (self.settings_10.adc_bits - 1)[:4]) - 1)
        low = ~top
        with m.If(self.settings_10.analog):
            m.d.sync += clipped_11.eq(offset_10)
        with m.Elif(offset_10 > top):
            m.d.sync += clipped_11.eq(top)
        with m.Elif(offset_10 < low.as_signed()):
            m.d.sync += clipped_11.eq(low.as_signed())
        with m.Else():
            m.d.sync += clipped_11.eq(offset_10)
        m.d.sync += self.increment.eq(clipped_11 << self.settings_11.lshift)
        return m
