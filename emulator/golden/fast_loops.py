"""The compiled loops of ``emulator.golden.fast``: importing this needs numba.

Every intermediate is cast back to its 16 or 32 bits, so that the compiler keeps it that wide: the noise of 32
columns in one instruction of a current machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from emulator.spec import noise as spec

CHUNK = 128
"""Images worked on together: their sums stay in the second-level cache."""
KEY_ROUNDS, SAMPLE_ROUNDS = spec.KEY_ROUNDS, spec.SAMPLE_ROUNDS
U16 = np.uint16
U32 = np.uint32
RX, RXC, RY, RYC = U16(7), U16(9), U16(2), U16(14)
assert (spec.SAMPLE_ROTATE_X, spec.SAMPLE_ROTATE_Y, spec.SAMPLE_WORD_BITS) == (7, 2, 16)
assert (spec.KEY_ROTATE_X, spec.KEY_ROTATE_Y, spec.KEY_WORD_BITS) == (8, 3, 32)


@njit(cache=True, nogil=True)
def keys(counter: Any, first: Any, schedule: Any, out: Any) -> None:
    """Keys uint16 (n, 4) of inferences first .. first + n - 1 under ``counter``."""
    for b in range(out.shape[0]):
        x, y = U32(counter), U32(first + b)
        for i in range(KEY_ROUNDS):
            x = U32(U32(U32(x >> U32(8)) | U32(x << U32(24))) + y) ^ schedule[i]
            y = U32(U32(y << U32(3)) | U32(y >> U32(29))) ^ x
        out[b, 0], out[b, 1] = U16(y & U32(0xFFFF)), U16(y >> U32(16))
        out[b, 2], out[b, 3] = U16(x & U32(0xFFFF)), U16(x >> U32(16))


@njit(cache=True, nogil=True)
def rounds(x: Any, y: Any, key: Any) -> None:
    """The sample rounds on uint16 rows ``x`` (the columns) and ``y`` (key[3]), in place."""
    for i in range(SAMPLE_ROUNDS):
        k = U16(key[i & 3] ^ U16(i))
        for c in range(x.shape[0]):
            mixed = U16(U16(U16(U16(x[c] >> RX) | U16(x[c] << RXC)) + y[c]) ^ k)
            x[c] = mixed
            y[c] = U16(U16(U16(y[c] << RY) | U16(y[c] >> RYC)) ^ mixed)


@njit(cache=True, nogil=True)
def normals(x: Any, y: Any, table: Any, g: Any) -> None:
    """Samples int32 (c,) from the rounds' result; ``table`` int32 (1024,)."""
    for c in range(x.shape[0]):
        bits = U32(y[c]) | U32(U32(x[c]) << U32(16))
        g[c] = table[np.int32(bits & U32(1023))] + table[np.int32(U32(bits >> U32(10)) & U32(1023))]


@njit(cache=True, nogil=True)
def root(value: int) -> int:
    """Integer floor square root of a value below 2^52."""
    r = int(math.sqrt(float(value)))
    if r * r > value:
        r -= 1
    elif (r + 1) * (r + 1) <= value:
        r += 1
    return r


@njit(cache=True, nogil=True)
def add_pass(
    a: Any, noisy: Any, key: Any, sigma: Any, table: Any, columns: Any, cols: Any, layer: Any, j: int, p: Any
) -> None:
    """Noise and readout of one pass's sums float32 (n, M), added to p int64 (n, M)."""
    m = a.shape[1]
    x, y = np.empty(m, np.uint16), np.empty(m, np.uint16)
    g = np.zeros(m, np.int32)
    gain, offset = cols[0], cols[1]
    analog, shift = layer[3], layer[5]
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    top = np.int64((1 << (layer[4] - 1)) - 1)
    left = j * layer[2]
    for b in range(a.shape[0]):
        row, total = a[b], p[b]
        s = np.int32(0)
        if noisy:
            s = np.int32(sigma[b])
            x[:] = columns
            y[:] = key[b, 3]
            rounds(x, y, key[b])
            normals(x, y, table, g)
        if analog:
            for i in range(m):
                total[i] += (np.int64(row[i]) + ((np.int64(s) * g[i] + 128) >> 8)) << left
        else:
            for i in range(m):
                # |sigma * g| < 2^28 and |a| < 2^24: the noisy sum fits 32 bits.
                value = np.int32(
                    np.int32(row[i]) + np.int32(np.int32(s * g[i] + np.int32(128)) >> np.int32(8))
                )
                c = ((np.int64(value) * np.int64(gain[i]) + half) >> shift) + np.int64(offset[i])
                total[i] += min(max(c, -top - 1), top) << left


@njit(cache=True, nogil=True)
def fire(z: Any, scale: Any, curve: Any, layer: Any, base: Any, slope: Any, y: Any) -> None:
    """Activations uint8 (n, M) of z int64 (n, M)."""
    vshift, f, h = layer[6], layer[7], layer[8]
    vhalf = np.int64(0) if vshift == 0 else np.int64(1) << (vshift - 1)
    down = f + h
    half = np.int64(1) << (down - 1)
    mask = (np.int64(1) << f) - 1
    for b in range(z.shape[0]):
        for i in range(z.shape[1]):
            v = (z[b, i] * scale[i] + vhalf) >> vshift
            u = min(max(v, -2048), 2047) + 2048
            s, r = u >> f, u & mask
            q = curve[i]
            value = ((np.int64(base[q, s]) << f) + np.int64(slope[q, s]) * r + half) >> down
            y[b, i] = np.uint8(min(max(value, 0), 255))


@njit(cache=True, nogil=True)
def infer(
    x: Any,
    layers: Any,
    weights: Any,
    columns: Any,
    base: Any,
    slope: Any,
    table: Any,
    schedule: Any,
    first: int,
    with_noise: bool,
    rows: int,
    out: Any,
) -> None:
    """Logits of images x uint8 (n, inputs) into ``out`` int32 (n, outputs)."""
    for start in range(0, x.shape[0], CHUNK):
        now = x[start : start + CHUNK]
        n = now.shape[0]
        w_at = m_at = 0
        for i in range(layers.shape[0]):
            layer = layers[i]
            k, m, d = layer[0], layer[1], layer[2]
            w = weights[w_at : w_at + k * m].reshape((k, m))
            cols = columns[:, m_at : m_at + m]
            w_at, m_at = w_at + k * m, m_at + m
            noisy = with_noise and (layer[9] != 0 or layer[10] != 0)
            p = np.zeros((n, m), np.int64)
            key = np.empty((n, 4), np.uint16)
            sigma = np.zeros(n, np.int32)
            numbers = np.arange(m).astype(np.uint16)
            # int32 copies: twice as many a register in the readout's inner loop.
            narrow = np.empty((2, m), np.int32)
            narrow[0], narrow[1] = cols[1], cols[2]
            per_tile = k if layer[3] else rows
            for t in range((k + per_tile - 1) // per_tile):
                low, high = t * per_tile, min(k, (t + 1) * per_tile)
                xj = np.empty((n, high - low), np.float32)
                for j in range(8 // d):
                    mask, down = np.uint8((1 << d) - 1), np.uint8(j * d)
                    for b in range(n):
                        for r in range(high - low):
                            xj[b, r] = np.float32(np.uint8(np.uint8(now[b, low + r] >> down) & mask))
                        if noisy:
                            energy = np.int32(0)
                            for r in range(high - low):
                                value = np.int32(np.uint8(np.uint8(now[b, low + r] >> down) & mask))
                                energy = np.int32(energy + np.int32(value * value))
                            radicand = layer[9] * layer[9] + ((layer[10] * np.int64(energy)) >> 8)
                            sigma[b] = min(root(radicand), 65535)
                    if noisy:
                        keys((i << 24) | (t << 8) | j, first + start, schedule, key)
                    a = np.dot(xj, w[low:high])
                    add_pass(a, noisy, key, sigma, table, numbers, narrow, layer, j, p)
            p += cols[0]
            if i == layers.shape[0] - 1:
                out[start : start + n] = p
            else:
                y = np.empty((n, m), np.uint8)
                fire(p, cols[3], cols[4], layer, base, slope, y)
                now = y


@njit(cache=True, nogil=True)
def redraw(
    targets: Any,
    mean: Any,
    sigma: Any,
    law: Any,
    schedule: Any,
    layer: int,
    table: Any,
    key: Any,
    out: Any,
) -> None:
    """Weights float32 (K, M) of a virtual chip from targets int16 (M, K).

    ``mean`` int32 with 16 fractional bits and the rounding half added, ``sigma`` int32 with 8; ``law`` int32:
    u below which cells stick low, from which on high, codes stuck low and high, code_max.
    """
    columns, rows = targets.shape
    stuck_low, stuck_high, code_low, code_high, top = law[0], law[1], law[2], law[3], law[4]
    keys(layer << 24, 0, schedule, key)
    numbers = np.arange(2 * rows).astype(np.uint16)
    x, y = np.empty(2 * rows, np.uint16), np.empty(2 * rows, np.uint16)
    g = np.empty(2 * rows, np.int32)
    code = np.empty(2 * rows, np.int32)
    for m in range(columns):
        x[:] = numbers
        y[:] = key[m, 3]
        rounds(x, y, key[m])
        normals(x, y, table, g)
        for k in range(rows):
            code[2 * k] = max(np.int32(targets[m, k]), 0)
            code[2 * k + 1] = max(-np.int32(targets[m, k]), 0)
        for i in range(2 * rows):
            a = code[i]
            value = np.int32(np.int32(mean[a] + np.int32(sigma[a] * g[i])) >> np.int32(16))
            c = min(max(value, np.int32(0)), top)
            u = np.int32(x[i] & U16(0xFFF0)) | np.int32(y[i] & U16(15))
            c = code_high if u >= stuck_high else c
            code[i] = code_low if u < stuck_low else c
        for k in range(rows):
            out[k, m] = code[2 * k] - code[2 * k + 1]
