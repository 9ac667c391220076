"""Readout: noise term, rounding, offset, clipping to the converter's range and the slice's weight."""

import dataclasses
import types
from typing import Any

from amaranth import Signal, signed

from emulator.spec import PRESETS
from emulator.spec.arithmetic import ADC_BITS, GAUSS_FRACTION, SHIFT_MAX
from hdl.readout.readout_pipe import SETTINGS_STAGES
from tests.proofs.cut import cut
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401
from tests.proofs.prover import Claim, Verdict, clip, power, prove, rshift_round

GEOMETRY = dataclasses.replace(PRESETS["tiny"])


SHAPES = {
    "adc_bits": 4,
    "shift": 6,
    "lshift": 3,
    "column": signed(GEOMETRY.accumulator_bits),
    "offset": signed(12),
    "gain": 16,
    "sample": signed(12),
    "sigma": 16,
}


def _pipe(module: types.ModuleType, c: Claim) -> tuple[Any, dict[str, Signal], list[Any]]:
    """A pipe of a converter, its free inputs, and its multipliers: the noise's, the gain's."""
    products, _ = cut(module, c.free)
    pipe = module.ReadoutPipe(GEOMETRY)
    c.module.submodules.pipe = pipe.elaborate(None)  # at once, and once only: its products are free inputs
    values = {name: c.free(shape, name) for name, shape in SHAPES.items()}
    for name in ("column", "offset", "gain", "sample", "sigma"):
        c.module.d.comb += getattr(pipe, name).eq(values[name])
    for stage in SETTINGS_STAGES:
        settings = getattr(pipe, f"settings_{stage}")
        c.module.d.comb += settings.analog.eq(0)
        for name in ("adc_bits", "shift", "lshift"):
            c.module.d.comb += getattr(settings, name).eq(values[name])
    c.given((values["adc_bits"] >= ADC_BITS[0]) & (values["adc_bits"] <= ADC_BITS[-1]))
    c.module.d.comb += pipe.half.eq(power(values["shift"], SHIFT_MAX) >> 1)
    c.module.d.comb += pipe.top.eq((power(values["adc_bits"], ADC_BITS[-1]) >> 1) - 1)
    return pipe, values, products


@proof("hdl.readout.readout_pipe", long=True)
def converter(module: types.ModuleType) -> Verdict:
    """adc: the increment for every product, offset, shift, adc_bits and slice."""
    c = Claim()
    pipe, x, (_, gain) = _pipe(module, c)
    product = gain.value
    c.given(x["shift"] <= SHIFT_MAX)
    # Nothing wider can come of gain * column (proved sufficient by the geometry).
    top = 1 << (GEOMETRY.noisy_bits + 15)
    c.given((product < top) & (product >= -top))
    rounded = rshift_round(c.module, product, x["shift"], SHIFT_MAX, "rounded")
    limit = power(x["adc_bits"], ADC_BITS[-1]) >> 1
    code = Signal(signed(ADC_BITS[-1] + 1))
    c.module.d.comb += code.eq(clip(rounded + x["offset"], -limit, limit - 1))
    expected = Signal(signed(32))
    c.module.d.comb += expected.eq(code << x["lshift"])
    c.always(pipe.increment == expected)
    return prove(c)


@proof("hdl.readout.readout_pipe")
def noise_term(module: types.ModuleType) -> Verdict:
    """a' = a + rshift_round(product, 8), seen at the gain multiplier, for every accumulator value."""
    c = Claim()
    _, x, (noise, gain) = _pipe(module, c)
    c.given((noise.value < 1 << 27) & (noise.value >= -(1 << 27)))
    expected = x["column"] + ((noise.value + (1 << (GAUSS_FRACTION - 1))) >> GAUSS_FRACTION)
    c.always(gain.a == expected)
    return prove(c)


BUGS = [
    (converter, "small_15 > top_15", "small_15 > top_15 + 1"),
    long(converter, "near = 12", "near = 11"),
    long(converter, "negative & ~rest.all()", "negative & ~rest.any()"),
    long(converter, "((11, 4), (12, 2), (13, 0))", "((11, 4), (12, 2), (13, 1))"),
    long(converter, "beyond_16[0] | (above_16 & ~beyond_16[1])", "beyond_16[0] | above_16"),
    long(converter, "unmerged(m, platform, self.half,", "unmerged(m, platform, self.half >> 1,"),
    long(converter, 'setting(17, "lshift", "lshift")', 'setting(17, "lshift", "lshift")[:2]'),
    (noise_term, "half = 1 << (GAUSS_FRACTION - 1)", "half = 1 << GAUSS_FRACTION"),
]
