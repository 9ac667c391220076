"""redraw: the effective weights of a virtual chip (``ndrite.emulator.spec.variation``)."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.noise import normal, stream_key, words
from ndrite.emulator.spec.arithmetic import clip
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.variation import CODE_FRACTION, DOMAIN_CELL, Variation


def redraw(
    targets: npt.NDArray[Any], variation: Variation, *, seed: int, chip: int, layer: int
) -> npt.NDArray[np.int16]:
    """Weights int16 (K, M) of a virtual chip, from nominal weights ``targets`` (K, M) of layer ``layer``."""
    rows, columns = targets.shape
    key = stream_key(seed, DOMAIN_CELL, chip + 1, layer << 24, np.arange(columns))
    d = targets.T.astype(np.int64)
    x, y = words(key[:, None], 0, np.arange(2 * rows))
    g = normal(x, y).reshape(columns, rows, 2)
    uniform = (((x >> 4) << 4) | (y & 15)).astype(np.int64).reshape(columns, rows, 2)
    plus = _code(np.maximum(d, 0), g[..., 0], uniform[..., 0], variation)
    minus = _code(np.maximum(-d, 0), g[..., 1], uniform[..., 1], variation)
    return np.ascontiguousarray((plus - minus).T.astype(np.int16))


def _code(
    a: npt.NDArray[np.int64], g: npt.NDArray[np.int16], u: npt.NDArray[np.int64], variation: Variation
) -> npt.NDArray[np.int64]:
    """Codes of cells with targets ``a``, from their normal and uniform samples."""
    mean, sigma = variation.mean.astype(np.int64)[a], variation.sigma.astype(np.int64)[a]
    shift = 2 * CODE_FRACTION
    value = ((mean << CODE_FRACTION) + sigma * g + (1 << (shift - 1))) >> shift
    code = clip(value, 0, variation.code_max)
    code = np.where(u + variation.stuck_high >= 1 << 16, variation.stuck_code_high, code)
    return np.where(u < variation.stuck_low, variation.stuck_code_low, code)


def virtual_chip(program: Program, *, seed: int, chip: int) -> Program:
    """The program, which has ``variation``, with the weights of virtual chip ``chip`` of ``seed``."""
    assert program.variation is not None
    layers = tuple(
        dataclasses.replace(
            layer, weights=redraw(layer.weights, program.variation, seed=seed, chip=chip, layer=i)
        )
        for i, layer in enumerate(program.layers)
    )
    return program.with_layers(layers, variation=None)
