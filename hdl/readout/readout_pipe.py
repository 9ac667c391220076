"""readout_pipe: converts one column per cycle from the accumulator's sum to an
increment of the partial sum."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import ShapeLike, Value
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.arithmetic import GAUSS_FRACTION, SHIFT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.layouts import Ports, Sized, column_shape, numbered
from ndrite.hdl.parts.multiplier import Multiplier, WideMultiplier
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import unmerged

GAIN_STAGE = 4
"""Cycles after a step at which ``gain`` and ``offset`` are taken."""
HALF_STAGE = 9
"""Cycles after a step at which ``half`` is taken."""
TOP_STAGE = 14
"""Cycles after a step at which ``top`` is taken."""
PIPE_LATENCY = 19
"""Cycles from a step to ``increment``."""
SETTINGS_STAGES = (3, 10, 11, 12, 15, 17)
"""Stages at which the pipeline takes settings; each setting acts a cycle later, from a
register of the pipeline."""
SETTINGS_LAYOUT = StructLayout({"analog": 1, "adc_bits": 4, "shift": 6, "lshift": 3})
"""Settings of a layer. The owner of the pipeline delays them, so that each stage sees
the settings of its own column."""


class ReadoutPipe(Sized):
    """Pipeline that adds noise to a column sum, a' = a + rshift_round(sigma * g,
    8), and converts it as an ADC does: clip(rshift_round(a' * gain, shift) +
    offset) << lshift.

    ``analog`` columns take the same path with gain 1, shift 0, offset 0 and no
    clipping: the owner gives shift 0 and ``half`` 0 for them. ``sigma`` and ``sample``
    are taken in the cycle of the step, ``column`` one later, ``gain`` and ``offset``
    GAIN_STAGE later. ``settings_n`` belong to the column of n cycles ago. ``half`` is
    the rounding constant (1 << shift) >> 1 of HALF_STAGE, ``top`` the largest ADC code
    2^(B-1) - 1 of TOP_STAGE. Latency: PIPE_LATENCY cycles, one column a cycle.
    Resources: three multipliers (one for noise, two for gain), a shifter of about 48
    bits in three steps.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "column": In(column_shape(g)),
            "sigma": In(16),
            "sample": In(signed(12)),
            "gain": In(16),
            "offset": In(signed(12)),
            "half": In(SHIFT_MAX + 1),
            "top": In(12),
            "increment": Out(signed(32)),
        } | {f"settings_{n}": In(SETTINGS_LAYOUT) for n in SETTINGS_STAGES}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry

        def register(shape: ShapeLike, name: str) -> Signal:
            return Signal(shape, name=name, reset_less=True)

        settings = dict(zip(SETTINGS_STAGES, numbered(self, "settings", SETTINGS_STAGES), strict=True))

        def setting(stage: int, field: str, name: str) -> Value:
            """Return a field of the layer's settings, for use in pipeline
            stage ``stage`` + 1."""
            return unmerged(m, platform, settings[stage][field], f"{name}_{stage + 1}")

        column = delayed(m, self.column, 3, "column")
        noisy_5 = register(signed(g.noisy_bits), "noisy_5")
        if g.noise:
            m.submodules.noise = noise = Multiplier(signed(12), signed(17))
            m.d.comb += [noise.a.eq(self.sample), noise.b.eq(self.sigma)]
            term_4 = delayed(m, noise.product, 1, "term")
            # The rounding constant goes into the low bits of the shifted column
            # sum, which are 0.
            half = 1 << (GAUSS_FRACTION - 1)
            raised = Cat(Const(half, GAUSS_FRACTION), column).as_signed()
            m.d.sync += noisy_5.eq((raised + term_4) >> GAUSS_FRACTION)
        else:
            m.d.sync += noisy_5.eq(column)

        gain_5, offset_5 = register(16, "gain_5"), register(signed(12), "offset_5")
        analog_4 = setting(3, "analog", "analog")
        m.d.sync += [
            gain_5.eq(Mux(analog_4, 1, self.gain)),
            offset_5.eq(Mux(analog_4, 0, self.offset)),
        ]
        offset = delayed(m, offset_5, 9, "offset")
        m.submodules.gain = multiplier = WideMultiplier(g.noisy_bits, 16)
        m.d.comb += [multiplier.a.eq(noisy_5), multiplier.b.eq(gain_5)]

        wide = signed(max(g.noisy_bits + 18, SHIFT_MAX + 2))
        shifted = register(wide, "rounded_11")
        m.d.sync += shifted.eq(multiplier.product + unmerged(m, platform, self.half, "half_10"))
        for stage, low in ((11, 4), (12, 2), (13, 0)):
            # Each pipeline stage decodes two bits of the shift distance; the bits are
            # registered twice, once for each half of the value.
            step = register(wide, f"shifted_{stage + 1}")
            halves = (slice(0, wide.width // 2), slice(wide.width // 2, wide.width))
            for n, part in enumerate(halves):
                distance = setting(stage - 1, "shift", f"shift_{n}")[low : low + 2]
                with m.Switch(distance):
                    for i in range(4):
                        with m.Case(i):
                            m.d.sync += step[part].eq((shifted >> (i << low))[part])
            shifted = step
        fine_14 = shifted

        # A value of more than 13 bits is outside every output range, whatever the
        # offset, so a comparator of the low bits is enough. Comparison, decision and
        # selection take one pipeline stage each.
        near = 12
        sum_15, value_16, value_17 = (
            register(signed(g.noisy_bits), n) for n in ("sum_15", "value_16", "value_17")
        )
        small_15 = register(signed(near + 2), "small_15")
        beyond_15, beyond_16 = register(2, "beyond_15"), register(2, "beyond_16")
        above_16, below_16, clip_17 = (register(1, n) for n in ("above_16", "below_16", "clip_17"))
        limit_17 = register(signed(13), "limit_17")
        clipped_18 = register(signed(g.noisy_bits), "clipped_18")
        increment_19 = register(signed(32), "increment_19")
        negative, low_bits = fine_14[-1], fine_14[near:-1]
        top_15 = unmerged(m, platform, self.top, "top_15")
        top_16 = delayed(m, top_15, 1, "top_15")
        adc_16 = ~setting(15, "analog", "analog")
        over = beyond_16[0] | (above_16 & ~beyond_16[1])
        m.d.sync += [
            sum_15.eq(fine_14 + offset),
            small_15.eq(fine_14[: near + 1].as_signed() + offset),
            beyond_15.eq(Cat(~negative & low_bits.any(), negative & ~low_bits.all())),
        ]
        m.d.sync += [
            value_16.eq(sum_15),
            beyond_16.eq(beyond_15),
            above_16.eq(small_15 > top_15),
            below_16.eq(small_15 < (~top_15).as_signed()),
        ]
        m.d.sync += [
            value_17.eq(value_16),
            clip_17.eq((beyond_16.any() | above_16 | below_16) & adc_16),
            limit_17.eq(Mux(over, top_16, (~top_16).as_signed())),
        ]
        m.d.sync += clipped_18.eq(Mux(clip_17, limit_17, value_17))
        m.d.sync += increment_19.eq(clipped_18 << setting(17, "lshift", "lshift"))
        m.d.comb += self.increment.eq(increment_19)
        return m
