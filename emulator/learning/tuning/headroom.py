"""Converter ranges wider than today's weights need, so that sums may grow while weights are trained."""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.errors import CompileError
from emulator.spec import Layer, Program
from emulator.spec.arithmetic import SHIFT_MAX, SIGMA_MAX, slices


def with_headroom(program: Program, bits: int) -> Program:
    """The program with every converter's range ``2**bits`` times as wide.

    A converter keeps its number of steps, so each step is coarser. The outputs of a layer stay what they were
    up to that rounding. Logits are divided by ``2**bits``.

    Raises
    ------
    CompileError
        When a layer has no converters, or a shift or the noise leaves the arithmetic's range.
    """
    layers = [_wider(layer, i, bits, layer.tiles(program.rows)) for i, layer in enumerate(program.layers)]
    return program.with_layers(tuple(layers))


def _wider(layer: Layer, index: int, bits: int, tiles: int) -> Layer:
    if layer.readout != "adc":
        raise CompileError(f"readout of layer {index} is {layer.readout!r}; accepted: adc")
    final = layer.vshift == 0 and not layer.scale.any()
    shift, vshift = layer.shift + bits, layer.vshift if final else layer.vshift - bits
    sigma = layer.sigma_out << bits
    if shift > SHIFT_MAX or vshift < 0 or sigma > SIGMA_MAX:
        raise CompileError(f"headroom is {bits} bits; accepted: fewer, layer {index} has no room for them")
    offset = np.rint(layer.offset / 2.0**bits)
    # What rounding the offsets adds to a column in every conversion is taken back by its bias.
    places = sum(1 << (j * layer.dac_bits) for j in range(slices(layer.dac_bits)))
    bias = layer.bias / 2.0**bits - tiles * places * (offset - layer.offset / 2.0**bits)
    return dataclasses.replace(
        layer,
        shift=shift,
        vshift=vshift,
        sigma_out=sigma,
        offset=offset.astype(np.int16),
        bias=np.rint(bias).astype(np.int32),
    )
