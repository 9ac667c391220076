"""neuron: scale and the piecewise-linear NDR curve, from sums to output codes."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, IntArray, clip, rshift_round
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.program import Program


def preneuron(z: npt.NDArray[np.int64], layer: Layer) -> npt.NDArray[np.int64]:
    """Return the neuron's input voltage code v = clip(rshift_round(z * scale,
    vshift), -2048, 2047)."""
    return clip(rshift_round(z * layer.scale.astype(np.int64), layer.vshift), V_MIN, V_MAX)


def neuron(
    v: npt.NDArray[np.int64], layer: Layer, curve_base: IntArray, curve_slope: IntArray
) -> npt.NDArray[np.uint8]:
    """Return the neurons' output codes y, uint8 (samples, columns), at voltage codes
    ``v``, by the curve of each column."""
    curve = layer.curve.astype(np.int64)
    return look_up(v, curve, curve_base, curve_slope, layer.segment_bits, layer.table_bits)


def table_of(program: Program, layer: Layer, m: int) -> npt.NDArray[np.uint8]:
    """Return the output of neuron ``m`` of a layer at every voltage code, uint8 (4096,)."""
    every = np.repeat(np.arange(V_MIN, V_MAX + 1, dtype=np.int64)[:, None], layer.outputs, axis=1)
    return neuron(every, layer, program.curve_base, program.curve_slope)[:, m]


def look_up(
    v: npt.NDArray[np.int64],
    curve: npt.NDArray[np.int64],
    curve_base: IntArray,
    curve_slope: IntArray,
    segment_bits: int,
    table_bits: int,
) -> npt.NDArray[np.uint8]:
    """Evaluate piecewise-linear curves at voltage codes v: return y =
    clip(rshift_round((base << f) + slope * r, f + h), 0, 255), with the base and slope
    of the segment that contains v, and r the offset of v in it. ``curve``, the curve
    numbers, broadcasts with ``v``."""
    f, h = segment_bits, table_bits
    segment = (v - V_MIN) >> f
    r = (v - V_MIN) & ((1 << f) - 1)
    base = curve_base.astype(np.int64)[curve, segment]
    slope = curve_slope.astype(np.int64)[curve, segment]
    y = clip(rshift_round((base << f) + slope * r, f + h), 0, INPUT_MAX)
    codes: npt.NDArray[np.uint8] = y.astype(np.uint8)
    return codes
