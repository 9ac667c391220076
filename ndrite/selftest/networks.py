"""Random networks that fit a geometry and exercise its arithmetic: values spread over every clip's range."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from emulator.spec import ChipImage, Geometry, Layer
from emulator.spec.arithmetic import V_BITS, slices

SCALE_BITS = 15
"""log2 of a typical gain or scale factor (u16)."""


def random_image(
    geometry: Geometry,
    rng: np.random.Generator,
    *,
    widths: tuple[int, ...],
    readout: str = "adc",
    dac_bits: int = 8,
    noise: bool = True,
) -> ChipImage:
    """A network of the given widths (inputs first) with every parameter drawn at random.

    Shifts are chosen so that conversions and neuron voltages use their range and now and then saturate.
    """
    curves = int(rng.integers(1, geometry.curves + 1))
    layers = tuple(
        _layer(geometry, rng, k, m, readout=readout, dac_bits=dac_bits, noise=noise, curves=curves)
        for k, m in pairwise(widths)
    )
    shape = (curves, geometry.segments)
    return ChipImage(
        name=f"random {'-'.join(map(str, widths))} {readout} dac {dac_bits}",
        rows=geometry.rows,
        layers=layers,
        # 64 units are one output step (table_bits 6): outputs 0..255 and beyond both ends
        curve_base=rng.integers(-2048, 256 * 64 + 2048, shape).astype(np.int32),
        curve_slope=rng.integers(-8192, 8193, shape).astype(np.int32),
    )


def _layer(
    geometry: Geometry,
    rng: np.random.Generator,
    k: int,
    m: int,
    *,
    readout: str,
    dac_bits: int,
    noise: bool,
    curves: int,
) -> Layer:
    w = geometry.weight_max
    weights = rng.integers(-w, w + 1, (k, m)).astype(np.int16)
    adc_bits = int(rng.integers(4, 13))
    rows = min(k, geometry.rows) if readout == "adc" else k
    slice_max = (1 << dac_bits) - 1
    column = math.sqrt(rows) * 0.6 * slice_max * 0.6 * w  # a column sum's typical size
    shift = max(0, round(math.log2(column) + SCALE_BITS - (adc_bits - 2)))
    weight_of_slices = sum(1 << (j * dac_bits) for j in range(slices(dac_bits)))
    one = 2.0 ** (adc_bits - 2) if readout == "adc" else column
    partial = one * weight_of_slices * math.sqrt(-(-k // rows))
    vshift = max(0, round(math.log2(partial) + SCALE_BITS - (V_BITS - 2)))
    return Layer(
        weights=weights,
        bias=rng.integers(-int(partial) - 1, int(partial) + 2, m).astype(np.int32),
        gain=rng.integers(1 << SCALE_BITS - 1, 1 << 16, m).astype(np.uint16),
        offset=rng.integers(-(1 << adc_bits - 2), 1 << adc_bits - 2, m).astype(np.int16),
        scale=rng.integers(1 << SCALE_BITS - 1, 1 << 16, m).astype(np.uint16),
        curve=rng.integers(0, curves, m).astype(np.uint16),
        readout=readout,
        dac_bits=dac_bits,
        adc_bits=adc_bits,
        shift=shift,
        vshift=vshift,
        segment_bits=geometry.most_segment_bits,
        table_bits=6,
        sigma_out=int(rng.integers(1, max(2, min(65535, int(column) // 4)))) if noise else 0,
        var_cell=int(rng.integers(0, 4096)) if noise else 0,
    )
