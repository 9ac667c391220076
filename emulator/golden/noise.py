"""noise: the read-noise generator of ``ndrite.emulator.spec.noise`` and the scale of
the noise, vectorised."""

import dataclasses
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import noise as spec
from ndrite.emulator.spec.arithmetic import GAUSS_FRACTION, SIGMA_MAX, IntArray, clip, isqrt, rshift_round
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.variation import CODE_FRACTION, DOMAIN_CELL, Variation

_TABLE = np.array(spec.gaussian_table(), np.int16)
SIGNED_TABLE = np.concatenate([_TABLE, -_TABLE])
"""Gaussian table with sign, at index | sign << 9: the low and the high ten bits of a
sample's cipher text each select an entry."""

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]


def rotated(x: Any, by: int, bits: int) -> Any:
    """Return the ``bits``-bit number ``x`` rotated right by ``by`` bits."""
    return (x >> by) | (x << (bits - by))


def pass_key(
    seed: int, inference: IntArray, layer: int, tile: int, dac_slice: int, *, stream: int = 0
) -> npt.NDArray[np.uint16]:
    """Return the keys of one pass, uint16 (n, 4), one for each inference: Speck64/128
    encryption of (inference, layer | tile | slice) under the seed.

    ``inference`` is an integer array (samples,), taken mod 2^32; ``seed`` 64 bit;
    ``stream`` 0, or the virtual chip + 1. Returns uint16 (samples, 4), least
    significant word of the cipher text first.
    """
    return stream_key(seed, spec.DOMAIN_READ, stream, spec.counter_word(layer, tile, dac_slice), inference)


def stream_key(seed: int, domain: int, stream: int, counter: int, index: IntArray) -> npt.NDArray[np.uint16]:
    """Return the Speck64/128 encryption of (counter, index) under the key (seed,
    domain, stream): uint16 (n, 4) for index (n,)."""
    y = (np.asarray(index) & 0xFFFFFFFF).astype(np.uint32)
    x = np.full_like(y, counter)
    x, y = speck_key_rounds(x, y, key_schedule(seed, domain, stream))
    return np.stack([y & 0xFFFF, y >> 16, x & 0xFFFF, x >> 16], axis=-1).astype(np.uint16)


@lru_cache(maxsize=8)
def key_schedule(seed: int, domain: int, stream: int) -> U32:
    """Return the round keys uint32 (27,) of Speck64/128 for the key words (seed low,
    seed high, domain, stream)."""
    bits, rx, ry = spec.KEY_WORD_BITS, spec.KEY_ROTATE_X, spec.KEY_ROTATE_Y
    mask = (1 << bits) - 1
    key, left = seed & mask, [seed >> 32 & mask, domain, stream]
    schedule = []
    for i in range(spec.KEY_ROUNDS):
        schedule.append(key)
        fresh = ((key + rotated(left[0], rx, bits)) & mask) ^ i
        key = rotated(key, bits - ry, bits) & mask ^ fresh
        left = [*left[1:], fresh]
    return np.array(schedule, np.uint32)


def speck_key_rounds(x: U32, y: U32, schedule: U32) -> tuple[U32, U32]:
    """Return the Speck64/128 encryption of the block (x, y), all uint32, with the round
    keys ``schedule``."""
    rx, ry, bits = spec.KEY_ROTATE_X, spec.KEY_ROTATE_Y, spec.KEY_WORD_BITS
    with np.errstate(over="ignore"):
        for key in schedule:
            x = (rotated(x, rx, bits) + y) ^ key
            y = rotated(y, bits - ry, bits) ^ x
    return x, y


def gaussian(key: npt.NDArray[np.uint16], columns: IntArray) -> npt.NDArray[np.int16]:
    """Return normal samples g (Q4.8) for columns ``columns`` (c,) under keys (samples,
    4): int16 (samples, c)."""
    return normal(*words(key[:, None], 0, columns))


def words(key: U16, row: npt.ArrayLike, column: npt.ArrayLike) -> tuple[U16, U16]:
    """Return both halves x, y, uint16, of the block (column, row ^ key[3])
    encrypted under ``key``. ``row`` and ``column`` broadcast with the leading
    axes of key (..., 4)."""
    rx, ry, bits = spec.SAMPLE_ROTATE_X, spec.SAMPLE_ROTATE_Y, spec.SAMPLE_WORD_BITS
    x, y = np.broadcast_arrays(np.asarray(column, np.uint16), np.asarray(row, np.uint16) ^ key[..., 3])
    with np.errstate(over="ignore"):
        for i in range(spec.SAMPLE_ROUNDS):
            x = (rotated(x, rx, bits) + y) ^ (key[..., i % 4] ^ np.uint16(i))
            y = rotated(y, bits - ry, bits) ^ x
    return x, y


def normal(x: npt.NDArray[np.uint16], y: npt.NDArray[np.uint16]) -> npt.NDArray[np.int16]:
    """Return the normal sample that the low 20 bits of the 32-bit word with halves x, y
    select from the Gaussian table."""
    low = y & np.uint16(1023)
    high = (y >> 10) | ((x & np.uint16(15)) << np.uint16(6))
    samples: npt.NDArray[np.int16] = SIGNED_TABLE[low] + SIGNED_TABLE[high]
    return samples


def sigma(energy: IntArray, sigma_out: int, var_cell: int) -> npt.NDArray[np.int64]:
    """Return the noise scale of a pass in accumulator LSB: min(65535,
    isqrt(sigma_out^2 + (var_cell * energy >> 8))), where ``energy`` is the sum of
    squared input slices."""
    radicand = sigma_out * sigma_out + ((var_cell * energy.astype(np.int64)) >> 8)
    return np.minimum(isqrt(radicand), SIGMA_MAX)


def noise(
    a: npt.NDArray[np.int64], sigma: npt.NDArray[np.int64], g: npt.NDArray[np.int16]
) -> npt.NDArray[np.int64]:
    """Return noisy column sums a' = a + rshift_round(sigma * g, 8); ``sigma``
    broadcasts over columns."""
    return a + rshift_round(sigma * g.astype(np.int64), GAUSS_FRACTION)


def redraw(
    targets: IntArray, variation: Variation, *, seed: int, chip: int, layer: int
) -> npt.NDArray[np.int16]:
    """Sample the weights int16 (K, M) of layer number ``layer`` on a virtual chip, from
    the nominal weights ``targets`` (K, M)."""
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
    """Return the conductance codes of cells with target codes ``a``, from the normal
    samples ``g`` and the uniform samples ``u`` of the cells."""
    mean, sigma = variation.mean.astype(np.int64)[a], variation.sigma.astype(np.int64)[a]
    shift = 2 * CODE_FRACTION
    value = ((mean << CODE_FRACTION) + sigma * g + (1 << (shift - 1))) >> shift
    code = clip(value, 0, variation.code_max)
    code = np.where(u + variation.stuck_high >= 1 << 16, variation.stuck_code_high, code)
    return np.where(u < variation.stuck_low, variation.stuck_code_low, code)


def virtual_chip(program: Program, *, seed: int, chip: int) -> Program:
    """Return ``program``, which has ``variation``, with the weights of virtual chip
    number ``chip`` of ``seed`` sampled in place of its nominal weights."""
    assert program.variation is not None
    layers = tuple(
        dataclasses.replace(
            layer, weights=redraw(layer.weights, program.variation, seed=seed, chip=chip, layer=i)
        )
        for i, layer in enumerate(program.layers)
    )
    return program.with_layers(layers, variation=None)
