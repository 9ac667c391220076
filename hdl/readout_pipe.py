"""readout_pipe: one column a cycle from accumulator to partial-sum increment."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from emulator.spec.arithmetic import GAUSS_FRACTION, SHIFT_MAX
from emulator.spec.geometry import Geometry
from hdl.delay import delayed
from hdl.layouts import column_shape
from hdl.multiplier import Multiplier
from hdl.wide_multiplier import WideMultiplier

GAIN_STAGE = 4
"""Cycles after a step at which ``gain`` and ``offset`` are taken."""
HALF_STAGE = 9
"""Cycles after a step at which ``half`` is taken."""
TOP_STAGE = 13
"""Cycles after a step at which ``top`` is taken."""
PIPE_LATENCY = 16
"""Cycles from a step to ``increment``."""
SETTINGS_STAGES = (4, 10, 11, 13, 15)


def settings_layout() -> StructLayout:
    """Per-layer settings, delayed by the owner so that each stage sees those of its own column."""
    return StructLayout({"analog": 1, "adc_bits": 4, "shift": 6, "lshift": 3})


class ReadoutPipe(wiring.Component):
    """a' = a + rshift_round(sigma * g, 8); adc: clip(rshift_round(a' * gain, shift) + offset) << lshift.

    ``analog`` columns take the same path with gain 1, shift 0, offset 0 and no clipping: the owner gives
    shift 0 and ``half`` 0 for them. ``sigma`` and ``sample`` are taken in the cycle of the step,
    ``column`` one later, ``gain`` and ``offset`` GAIN_STAGE later; ``settings_n`` belong to the column of
    n cycles ago, ``half`` is the rounding constant (1 << shift) >> 1 of HALF_STAGE, ``top`` the
    largest ADC code 2^(B-1) - 1 of TOP_STAGE. Latency:
    PIPE_LATENCY cycles, one column a cycle. Resources: three multipliers (one for noise, two for gain), a
    shifter of about 48 bits in two steps.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        members = {
            "column": In(column_shape(geometry)),
            "sigma": In(16),
            "sample": In(signed(12)),
            "gain": In(16),
            "offset": In(signed(12)),
            "half": In(SHIFT_MAX + 1),
            "top": In(12),
            "increment": Out(signed(32)),
        }
        members |= {f"settings_{n}": In(settings_layout()) for n in SETTINGS_STAGES}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        column = delayed(m, self.column, 3, "column")
        noisy_5 = Signal(signed(g.noisy_bits))
        if g.noise:
            m.submodules.noise = noise = Multiplier(signed(12), signed(17))
            m.d.comb += [noise.a.eq(self.sample), noise.b.eq(self.sigma)]
            term_4 = Signal(signed(21))
            half = 1 << (GAUSS_FRACTION - 1)
            m.d.sync += term_4.eq((noise.product + half) >> GAUSS_FRACTION)
            m.d.sync += noisy_5.eq(column + term_4)
        else:
            m.d.sync += noisy_5.eq(column)

        gain_5 = Signal(16)
        offset = Signal(signed(12), name="offset_5")
        analog_4 = self.settings_4.analog
        m.d.sync += [gain_5.eq(Mux(analog_4, 1, self.gain)), offset.eq(Mux(analog_4, 0, self.offset))]
        offset = delayed(m, offset, 7, "offset")
        m.submodules.gain = multiplier = WideMultiplier(g.noisy_bits, 16)
        m.d.comb += [multiplier.a.eq(noisy_5), multiplier.b.eq(gain_5)]

        wide = signed(max(g.noisy_bits + 18, SHIFT_MAX + 2))
        rounded_10, coarse_11, fine_12 = (
            Signal(wide, name=n) for n in ("rounded_10", "coarse_11", "fine_12")
        )
        m.d.sync += rounded_10.eq(multiplier.product + self.half)
        with m.Switch(self.settings_10.shift[3:]):
            for i in range(8):
                with m.Case(i):
                    m.d.sync += coarse_11.eq(rounded_10 >> 8 * i)
        m.d.sync += fine_12.eq(coarse_11 >> self.settings_11.shift[:3])

        # Compare in one step, choose in the next: together they were the slowest path of the chip. What lies
        # beyond 13 bits is beyond every range, whatever the offset: only the rest needs a real comparison.
        near = 12
        sum_13, value_14 = (Signal(signed(g.noisy_bits), name=n) for n in ("sum_13", "value_14"))
        small_13 = Signal(signed(near + 2))
        beyond_13 = Signal(2)
        top_14 = Signal(12)
        over_14, under_14 = Signal(), Signal()
        clipped_15 = Signal(signed(g.noisy_bits))
        negative, rest = fine_12[-1], fine_12[near:-1]
        adc = ~self.settings_13.analog
        m.d.sync += [
            sum_13.eq(fine_12 + offset),
            small_13.eq(fine_12[: near + 1].as_signed() + offset),
            beyond_13.eq(Cat(~negative & rest.any(), negative & ~rest.all())),
            value_14.eq(sum_13),
            top_14.eq(self.top),
            over_14.eq((beyond_13[0] | ((small_13 > self.top) & ~beyond_13[1])) & adc),
            under_14.eq((beyond_13[1] | ((small_13 < (~self.top).as_signed()) & ~beyond_13[0])) & adc),
        ]
        with m.If(over_14):
            m.d.sync += clipped_15.eq(top_14)
        with m.Elif(under_14):
            m.d.sync += clipped_15.eq((~top_14).as_signed())
        with m.Else():
            m.d.sync += clipped_15.eq(value_14)
        m.d.sync += self.increment.eq(clipped_15 << self.settings_15.lshift)
        return m
