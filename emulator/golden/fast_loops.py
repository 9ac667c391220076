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

CHUNK = 336
"""Patches worked on together: their sums stay in the second-level cache."""
BLOCK = 16
"""Columns drawn before their weights are put into rows."""
KEY_ROUNDS, SAMPLE_ROUNDS = spec.KEY_ROUNDS, spec.SAMPLE_ROUNDS
U16 = np.uint16
U32 = np.uint32
RX, RXC, RY, RYC = U16(7), U16(9), U16(2), U16(14)
assert (spec.SAMPLE_ROTATE_X, spec.SAMPLE_ROTATE_Y, spec.SAMPLE_WORD_BITS) == (7, 2, 16)
assert (spec.KEY_ROTATE_X, spec.KEY_ROTATE_Y, spec.KEY_WORD_BITS) == (8, 3, 32)


@njit(cache=True, nogil=True)
def keys(counter: Any, schedule: Any, x: Any, y: Any, out: Any) -> None:
    """Keys uint16 (n, 4) of inferences y uint32 (n,) under ``counter``; x, y are overwritten."""
    n = out.shape[0]
    for b in range(n):
        x[b] = U32(counter)
    for i in range(KEY_ROUNDS):
        k = schedule[i]
        for b in range(n):
            mixed = U32(U32(U32(U32(x[b] >> U32(8)) | U32(x[b] << U32(24))) + y[b]) ^ k)
            x[b] = mixed
            y[b] = U32(U32(U32(y[b] << U32(3)) | U32(y[b] >> U32(29))) ^ mixed)
    for b in range(n):
        out[b, 0], out[b, 1] = U16(y[b] & U32(0xFFFF)), U16(y[b] >> U32(16))
        out[b, 2], out[b, 3] = U16(x[b] & U32(0xFFFF)), U16(x[b] >> U32(16))


@njit(cache=True, nogil=True, inline="always")
def codes(row: Any, down: Any, mask: Any, out: Any) -> None:
    """One image's slice codes, float32, of its input codes uint8: both of one tile's rows."""
    for r in range(row.shape[0]):
        out[r] = np.float32(np.int32(np.int32(np.int32(row[r]) >> down) & mask))


@njit(cache=True, nogil=True, inline="always")
def energy(row: Any) -> Any:
    """Sum of squares of slice codes (float32, exact)."""
    total = np.int32(0)
    for r in range(row.shape[0]):
        code = np.int32(row[r])
        total = np.int32(total + np.int32(code * code))
    return np.int64(total)


@njit(cache=True, nogil=True, inline="always")
def rounds(x: Any, y: Any, key: Any) -> None:
    """The sample rounds on uint16 rows ``x`` (the columns) and ``y`` (key[3]), in place."""
    for i in range(SAMPLE_ROUNDS):
        k = U16(key[i & 3] ^ U16(i))
        for c in range(x.shape[0]):
            mixed = U16(U16(U16(U16(x[c] >> RX) | U16(x[c] << RXC)) + y[c]) ^ k)
            x[c] = mixed
            y[c] = U16(U16(U16(y[c] << RY) | U16(y[c] >> RYC)) ^ mixed)


@njit(cache=True, nogil=True, inline="always")
def normals(x: Any, y: Any, table: Any, low: Any, high: Any, g: Any) -> None:
    """Samples int32 (c,) from the rounds' result; ``table`` int32 (1024,); low, high: uint16 (c,)."""
    for c in range(x.shape[0]):
        low[c] = U16(y[c] & U16(1023))
        high[c] = U16(U16(U16(y[c] >> U16(10)) | U16(x[c] << U16(6))) & U16(1023))
    # Apart from the loop above: gathering is quicker from indices that lie in memory.
    for c in range(x.shape[0]):
        g[c] = table[low[c]] + table[high[c]]


@njit(cache=True, nogil=True)
def root(value: int) -> int:
    """Integer floor square root of a value below 2^52."""
    r = int(math.sqrt(float(value)))
    if r * r > value:
        r -= 1
    elif (r + 1) * (r + 1) <= value:
        r += 1
    return r


@njit(cache=True, nogil=True, inline="always")
def add_noise(a: Any, sigma: Any, g: Any) -> None:
    """Samples int32 (M,) become noisy sums; |sigma * g| < 2^28 and |a| < 2^24, so 32 bits hold them."""
    for i in range(g.shape[0]):
        g[i] = np.int32(np.int32(a[i]) + np.int32(np.int32(sigma * g[i] + np.int32(128)) >> np.int32(8)))


@njit(cache=True, nogil=True, inline="always")
def convert(a: Any, gain: Any, offset: Any, half: Any, shift: Any, top: Any, left: Any, p: Any) -> None:
    """The ADC's codes of sums a (M,), float32 or int32, added to p int64 (M,)."""
    for i in range(p.shape[0]):
        c = ((np.int64(np.int32(a[i])) * np.int64(gain[i]) + half) >> shift) + np.int64(offset[i])
        p[i] += min(max(c, -top - 1), top) << left


@njit(cache=True, nogil=True)
def add_pass(
    a: Any, noisy: Any, key: Any, sigma: Any, table: Any, columns: Any, cols: Any, layer: Any, j: int, p: Any
) -> None:
    """Noise and readout of one pass's sums float32 (n, M), added to p int64 (n, M)."""
    m = a.shape[1]
    x, y = np.empty(m, np.uint16), np.empty(m, np.uint16)
    lower, higher = np.empty(m, np.uint16), np.empty(m, np.uint16)
    g = np.zeros(m, np.int32)
    gain, offset = cols[0], cols[1]
    analog, shift = layer[3], layer[5]
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    top = np.int64((1 << (layer[4] - 1)) - 1)
    left = j * layer[2]
    for b in range(a.shape[0]):
        if noisy:
            x[:] = columns
            y[:] = key[b, 3]
            rounds(x, y, key[b])
            normals(x, y, table, lower, higher, g)
            add_noise(a[b], np.int32(sigma[b]), g)
            if analog:
                for i in range(m):
                    p[b, i] += np.int64(g[i]) << left
            else:
                convert(g, gain, offset, half, shift, top, left, p[b])
        elif analog:
            for i in range(m):
                p[b, i] += np.int64(a[b, i]) << left
        else:
            convert(a[b], gain, offset, half, shift, top, left, p[b])


@njit(cache=True, nogil=True)
def fire(z: Any, scale: Any, curve: Any, vshift: int, values: Any, y: Any) -> None:
    """Activations uint8 (n, M) of z int64 (n, M); ``values``: uint8, 4096 of every curve."""
    half = np.int64(0) if vshift == 0 else np.int64(1) << (vshift - 1)
    zero = curve * 4096 + 2048
    at = np.empty(z.shape[1], np.int32)
    for b in range(z.shape[0]):
        total, out = z[b], y[b]
        for i in range(total.shape[0]):
            v = (total[i] * scale[i] + half) >> vshift
            at[i] = np.int32(min(max(v, np.int64(-2048)), np.int64(2047)) + zero[i])
        for i in range(total.shape[0]):
            out[i] = values[U32(at[i])]


@njit(cache=True, nogil=True)
def cut(x: Any, where: Any, first: int, out: Any) -> None:
    """Patches ``first`` and on of maps x uint8 (n, C, H, W), row by row into out uint8 (count, C * kh * kw)."""
    channels, height, width = where[0], where[1], where[2]
    kh, kw, sh, sw, dh, dw = where[3], where[4], where[5], where[6], where[7], where[8]
    top, left, columns = where[9], where[10], where[12]
    positions = where[11] * columns
    border = np.uint8(where[14])
    whole = kh == height and kw == width and positions == 1 and dh == 1 and dw == 1 and top == 0 and left == 0
    for r in range(out.shape[0]):
        sample, position = (first + r) // positions, (first + r) % positions
        at = 0
        if whole:
            out[r] = x[sample].reshape(-1)
            continue
        y0, x0 = (position // columns) * sh - top, (position % columns) * sw - left
        inside = y0 >= 0 and x0 >= 0 and y0 + (kh - 1) * dh < height and x0 + (kw - 1) * dw < width
        for c in range(channels):
            plane = x[sample, c]
            for i in range(kh):
                row = y0 + i * dh
                if inside:
                    for j in range(kw):
                        out[r, at + j] = plane[row, x0 + j * dw]
                else:
                    for j in range(kw):
                        column = x0 + j * dw
                        held = row >= 0 and row < height and column >= 0 and column < width
                        out[r, at + j] = plane[row, column] if held else border
                at += kw


@njit(cache=True, nogil=True)
def product(
    x: Any,
    where: Any,
    layer: Any,
    weights: Any,
    columns: Any,
    skip: Any,
    values: Any,
    table: Any,
    schedule: Any,
    number: int,
    first: int,
    stride: int,
    with_noise: bool,
    rows: int,
    out: Any,
) -> None:
    """Codes uint8 or sums int32 into ``out`` (n, M, positions) of maps x uint8 (n, C, H, W).

    ``skip`` int32 (n, positions, M), or empty; patch p of sample i has number first + i * stride + p in the
    read noise.
    """
    k, m, d = layer[0], layer[1], layer[2]
    groups, positions = where[13], where[11] * where[12]
    share = m // groups
    noisy = with_noise and (layer[7] != 0 or layer[8] != 0)
    per_tile = k if layer[3] else rows
    total = x.shape[0] * positions
    narrow = np.empty((2, m), np.int32)
    # int32 copies: twice as many a register in the readout's inner loop.
    narrow[0], narrow[1] = columns[1], columns[2]
    most = min(CHUNK, total)
    patches = np.empty((most, groups * k), np.uint8)
    for start in range(0, total, CHUNK):
        n = min(CHUNK, total - start)
        now = patches[:n]
        cut(x, where, start, now)
        p = np.empty((n, m), np.int64)
        for b in range(n):
            p[b] = columns[0]
        key_x, key_y = np.empty(n, np.uint32), np.empty(n, np.uint32)
        key = np.empty((n, 4), np.uint16)
        sigma = np.zeros(n, np.int32)
        for group in range(groups):
            mine = slice(group * share, (group + 1) * share)
            numbers = np.arange(group * share, (group + 1) * share).astype(np.uint16)
            a = np.empty((n, share), np.float32)
            part = np.ascontiguousarray(p[:, mine])
            cols = np.ascontiguousarray(narrow[:, mine])
            for t in range((k + per_tile - 1) // per_tile):
                low, high = t * per_tile, min(k, (t + 1) * per_tile)
                xj = np.empty((n, high - low), np.float32)
                w = np.ascontiguousarray(weights[low:high, mine])
                for j in range(8 // d):
                    mask, down = np.int32((1 << d) - 1), np.int32(j * d)
                    for b in range(n):
                        codes(now[b, group * k + low : group * k + high], down, mask, xj[b])
                    if noisy:
                        for b in range(n):
                            radicand = layer[7] * layer[7] + ((layer[8] * energy(xj[b])) >> 8)
                            sigma[b] = min(root(radicand), 65535)
                            sample, position = (start + b) // positions, (start + b) % positions
                            key_y[b] = U32((first + sample * stride + position) & 0xFFFFFFFF)
                        keys((number << 24) | (t << 8) | j, schedule, key_x, key_y, key)
                    np.dot(xj, w, a)
                    add_pass(a, noisy, key, sigma, table, numbers, cols, layer, j, part)
            p[:, mine] = part
        if skip.shape[0]:
            for b in range(n):
                row = skip[(start + b) // positions, (start + b) % positions]
                for i in range(m):
                    p[b, i] += row[i]
        if layer[9]:
            y = np.empty((n, m), np.uint8)
            fire(p, columns[3], columns[4], layer[6], values, y)
            for b in range(n):
                sample, position = (start + b) // positions, (start + b) % positions
                for i in range(m):
                    out[sample, i, position] = y[b, i]
        else:
            for b in range(n):
                sample, position = (start + b) // positions, (start + b) % positions
                for i in range(m):
                    out[sample, i, position] = p[b, i]


@njit(cache=True, nogil=True)
def max_pool(x: Any, where: Any, out: Any) -> None:
    """Largest code of every window; the border's is 0 or more, never less."""
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    border = np.uint8(where[14])
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane = x[b, c]
            for r in range(where[11]):
                for s in range(where[12]):
                    best = np.uint8(0)
                    for i in range(kh):
                        row = r * where[5] + i * where[7] - where[9]
                        for j in range(kw):
                            column = s * where[6] + j * where[8] - where[10]
                            held = row >= 0 and row < height and column >= 0 and column < width
                            best = max(best, plane[row, column] if held else border)
                    out[b, c, r, s] = best


@njit(cache=True, nogil=True)
def average_pool(x: Any, where: Any, mul: Any, shift: int, out: Any) -> None:
    """clip(rshift_round(sum * mul, shift), 0, 255) of every window."""
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane = x[b, c]
            for r in range(where[11]):
                for s in range(where[12]):
                    total = np.int64(0)
                    for i in range(kh):
                        row = r * where[5] + i * where[7] - where[9]
                        for j in range(kw):
                            column = s * where[6] + j * where[8] - where[10]
                            held = row >= 0 and row < height and column >= 0 and column < width
                            total += np.int64(plane[row, column]) if held else where[14]
                    value = (total * mul[r * where[12] + s] + half) >> shift
                    out[b, c, r, s] = min(max(value, 0), 255)


@njit(cache=True, nogil=True)
def cells(x: Any, y: Any, g: Any, mean: Any, sigma: Any, law: Any, code: Any) -> None:
    """Codes int32 (2K,) of one column's cells; ``mean``, ``sigma``: int32 (2K,), of each cell."""
    stuck_low, stuck_high, code_low, code_high, top = law[0], law[1], law[2], law[3], law[4]
    for i in range(code.shape[0]):
        value = np.int32(np.int32(mean[i] + np.int32(sigma[i] * g[i])) >> np.int32(16))
        c = min(max(value, np.int32(0)), top)
        u = np.int32(x[i] & U16(0xFFF0)) | np.int32(y[i] & U16(15))
        c = code_high if u >= stuck_high else c
        code[i] = code_low if u < stuck_low else c


@njit(cache=True, nogil=True)
def pairs(positive: Any, negative: Any, out: Any) -> None:
    """Weights float32 of the codes of the cells of each pair."""
    for k in range(out.shape[0]):
        out[k] = np.float32(positive[k] - negative[k])


@njit(cache=True, nogil=True)
def redraw(
    mean: Any, sigma: Any, law: Any, schedule: Any, layer: int, table: Any, key: Any, out: Any
) -> None:
    """Weights float32 (K, M) of a virtual chip.

    ``mean`` int32 (M, 2K) with 16 fractional bits and the rounding half added, ``sigma`` int32 (M, 2K) with
    8: of a column's positive cells, then its negative ones. ``law`` int32: u below which cells stick low,
    from which on high, codes stuck low and high, code_max.
    """
    columns, both = mean.shape
    rows = both // 2
    numbers = np.arange(columns).astype(np.uint32)
    keys(layer << 24, schedule, np.empty(columns, np.uint32), numbers, key)
    # Cell 2k is the positive one of row k, cell 2k + 1 the negative one.
    cell = np.empty(both, np.uint16)
    for k in range(rows):
        cell[k], cell[rows + k] = U16(2 * k), U16(2 * k + 1)
    x, y = np.empty(both, np.uint16), np.empty(both, np.uint16)
    lower, higher = np.empty(both, np.uint16), np.empty(both, np.uint16)
    g, code = np.empty(both, np.int32), np.empty(both, np.int32)
    block = np.empty((BLOCK, rows), np.float32)
    for first in range(0, columns, BLOCK):
        count = min(BLOCK, columns - first)
        for c in range(count):
            x[:] = cell
            y[:] = key[first + c, 3]
            rounds(x, y, key[first + c])
            normals(x, y, table, lower, higher, g)
            cells(x, y, g, mean[first + c], sigma[first + c], law, code)
            pairs(code[:rows], code[rows:], block[c])
        part = out[:, first : first + count]
        for k in range(rows):
            for c in range(count):
                part[k, c] = block[c, k]
