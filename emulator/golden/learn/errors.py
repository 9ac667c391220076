"""errors: the outputs' error against the label, and the errors of hidden neurons
by backpropagation."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.neuron import look_up
from ndrite.emulator.golden.noise import U16, gaussian, noise, sigma
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, IntArray, Ints, clip, rshift_round
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.learning import (
    DERIVATIVE_MAX,
    DERIVATIVE_MIN,
    ERROR_BITS,
    ERROR_MAX,
    LearningLayer,
    Tuned,
)


def output_error(y: npt.NDArray[np.uint8], label: int) -> Ints:
    """Return the error of the output codes ``y``, int64 (M,), -255..255: target minus
    ``y``. The target is 255 at the label's output and 0 elsewhere."""
    target = np.where(np.arange(len(y)) == label, INPUT_MAX, 0)
    return target - y.astype(np.int64)


def derivative(v: Ints, layer: Layer, curve_base: IntArray, curve_slope: IntArray, shift: int) -> Ints:
    """Return the derivative of a neuron's output code y with respect to its
    sum z, at voltage codes v (M,): the curve's slope times ``scale``; 0 where
    v or y is clipped."""
    f, h = layer.segment_bits, layer.table_bits
    curve, segment, r = layer.curve.astype(np.int64), (v - V_MIN) >> f, (v - V_MIN) & ((1 << f) - 1)
    slope = curve_slope.astype(np.int64)[curve, segment]
    line = rshift_round((curve_base.astype(np.int64)[curve, segment] << f) + slope * r, f + h)
    outside = (v == V_MIN) | (v == V_MAX) | (line < 0) | (line > INPUT_MAX)
    change = clip(rshift_round(slope * layer.scale.astype(np.int64), shift), DERIVATIVE_MIN, DERIVATIVE_MAX)
    return np.where(outside, 0, change)


def state_change(v: Ints, layer: Layer, tuned: Tuned, curve_base: IntArray, curve_slope: IntArray) -> Ints:
    """Return by how much a neuron's output code y changes per step of its ECRAM's
    state, at voltage codes v (M,): the next curve's output minus this curve's; for the
    last state, this curve's minus the previous curve's."""
    last = tuned.first.astype(np.int64) + (1 << tuned.bits) - 1
    above = np.minimum(layer.curve.astype(np.int64) + 1, last)
    y = [
        look_up(v, curve, curve_base, curve_slope, layer.segment_bits, layer.table_bits).astype(np.int64)
        for curve in (above - 1, above)
    ]
    return y[1] - y[0]


def hidden_error(c: Ints, change: Ints) -> tuple[Ints, int]:
    """Compute the errors (K,) of hidden neurons: the ADC codes ``c`` of the backward
    sums, multiplied by the neurons' derivatives ``change``. Return the errors as 8-bit
    magnitudes with a sign, and the exponent of two that all of them share.

    The largest |c * change| decides: it has 8 bits. All 0: exponent 0.
    """
    t = c * change
    top = int(np.abs(t).max())
    if top == 0:
        return t, 0
    exponent = top.bit_length() - ERROR_BITS
    scaled = rshift_round(t, exponent) if exponent > 0 else t << -exponent
    return clip(scaled, -ERROR_MAX, ERROR_MAX), exponent


def row_sums(weights: IntArray, error: Ints) -> Ints:
    """Return the errors propagated back to the input rows, int64 (K,): b[k] = sum_m
    w[k, m] * error[m]. The bias row is not among them."""
    sums: Ints = weights.astype(np.int64) @ error
    return sums


def converted(b: Ints, error: Ints, layer: LearningLayer, key: U16 | None) -> Ints:
    """Return the ADC codes c (K,) of the backward sums b: add read noise (none if
    ``key`` is None), apply the gain, clip to the converter's bits."""
    if key is not None and (layer.back_sigma or layer.back_var):
        s = sigma(np.array([np.square(error).sum()]), layer.back_sigma, layer.back_var)
        b = noise(b, s, gaussian(key[None], np.arange(len(b)))[0])
    half = 1 << (layer.back_bits - 1)
    return clip(rshift_round(b * layer.back_gain, layer.back_shift), -half, half - 1)
