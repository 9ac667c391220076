"""The arithmetic of the design, section 3, once more: scalar Python, written from the text alone.

Shares no code with the golden model except the noise generator's samples, which have a test of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

Sample = Callable[[int, int, int, int], int]
"""g of (layer, tile, slice, column)."""


def rshift_round(v: int, s: int) -> int:
    return math.floor(Fraction(v, 2**s) + Fraction(1, 2)) if s else v


def clip(v: int, low: int, high: int) -> int:
    return low if v < low else high if v > high else v


def infer(program: Any, x: list[int], sample: Sample | None) -> list[int]:
    """Logits of one sample; ``sample`` None turns noise off."""
    for i, layer in enumerate(program.layers):
        z = []
        for m in range(layer.outputs):
            p = sum(_pass(program, layer, i, x, m, t, j, sample) for t, j in _visits(program, layer))
            z.append(p + int(layer.bias[m]))
        if i == len(program.layers) - 1:
            return z
        x = [_neuron(program, layer, m, z[m]) for m in range(layer.outputs)]
    raise AssertionError("a network has at least one layer")


def _visits(program: Any, layer: Any) -> list[tuple[int, int]]:
    tiles = 1 if layer.readout == "analog" else math.ceil(layer.inputs / program.rows)
    return [(t, j) for t in range(tiles) for j in range(8 // layer.dac_bits)]


def _pass(
    program: Any, layer: Any, i: int, x: list[int], m: int, t: int, j: int, sample: Sample | None
) -> int:
    d = layer.dac_bits
    height = layer.inputs if layer.readout == "analog" else program.rows
    rows = range(t * height, min(layer.inputs, (t + 1) * height))
    xj = {k: (x[k] // 2 ** (j * d)) % 2**d for k in rows}
    a = sum(xj[k] * int(layer.weights[k, m]) for k in rows)
    if sample and (layer.sigma_out or layer.var_cell):
        energy = sum(v * v for v in xj.values())
        sigma = min(65535, math.isqrt(layer.sigma_out**2 + layer.var_cell * energy // 256))
        a += rshift_round(sigma * sample(i, t, j, m), 8)
    if layer.readout == "analog":
        return a * 2 ** (j * d)
    half = 2 ** (layer.adc_bits - 1)
    c = rshift_round(a * int(layer.gain[m]), layer.shift) + int(layer.offset[m])
    return clip(c, -half, half - 1) * 2 ** (j * d)


def _neuron(program: Any, layer: Any, m: int, z: int) -> int:
    v = clip(rshift_round(z * int(layer.scale[m]), layer.vshift), -2048, 2047) + 2048
    width = 2**layer.segment_bits
    q, s, r = int(layer.curve[m]), v // width, v % width
    total = int(program.curve_base[q, s]) * width + int(program.curve_slope[q, s]) * r
    return clip(rshift_round(total, layer.segment_bits + layer.table_bits), 0, 255)
