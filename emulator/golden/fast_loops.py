"""The compiled loops of ``ndrite.emulator.golden.fast`` over the array: importing this needs numba.

Maps are (C, n, H, W), channel first of all: what a column answers to all patches lies in one piece, whatever
the number of columns. The inner loops run over patches, and a column's constants stay in registers. Every
intermediate is cast back to its 16 or 32 bits, so that the compiler keeps it that wide: the noise of 32
patches in one instruction of a current machine. One file, because numba's cache knows no other.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from ndrite.emulator.golden.noise import SIGNED_TABLE
from ndrite.emulator.spec import noise as spec

CHUNK = 448
"""Patches worked on together: their sums stay in the second-level cache."""
SMALL = 1_000_000
"""Multiplications of one call of BLAS: OpenBLAS does not copy its operands up to here, a fifth quicker."""
NARROW = 2
"""Columns of a group up to which own loops are quicker than a call of BLAS."""
KEY_ROUNDS = spec.KEY_ROUNDS
TABLE = SIGNED_TABLE.astype(np.int32)
U16 = np.uint16
U32 = np.uint32
U64 = np.uint64
RX, RXC, RY, RYC = U16(7), U16(9), U16(2), U16(14)
assert (spec.SAMPLE_ROTATE_X, spec.SAMPLE_ROTATE_Y, spec.SAMPLE_WORD_BITS) == (7, 2, 16)
assert spec.SAMPLE_ROUNDS == 7
assert (spec.KEY_ROTATE_X, spec.KEY_ROTATE_Y, spec.KEY_WORD_BITS) == (8, 3, 32)


@njit(cache=True, nogil=True)
def keys(counter: Any, schedule: Any, index: Any, x: Any, y: Any, out: Any) -> None:
    """Keys uint16 (4, n) of inferences ``index`` uint32 (n,) under ``counter``; x, y are overwritten."""
    n = index.shape[0]
    for b in range(n):
        x[b] = U32(counter)
        y[b] = index[b]
    for i in range(KEY_ROUNDS):
        k = schedule[i]
        for b in range(n):
            mixed = U32(U32(U32(U32(x[b] >> U32(8)) | U32(x[b] << U32(24))) + y[b]) ^ k)
            x[b] = mixed
            y[b] = U32(U32(U32(y[b] << U32(3)) | U32(y[b] >> U32(29))) ^ mixed)
    for b in range(n):
        out[0, b], out[1, b] = U16(y[b] & U32(0xFFFF)), U16(y[b] >> U32(16))
        out[2, b], out[3, b] = U16(x[b] & U32(0xFFFF)), U16(x[b] >> U32(16))


@njit(cache=True, nogil=True, inline="always")
def mixed(x: Any, y: Any, k: Any) -> Any:
    """One sample round on uint16 numbers."""
    x = U16(U16(U16(U16(x >> RX) | U16(x << RXC)) + y) ^ k)
    return x, U16(U16(U16(y << RY) | U16(y >> RYC)) ^ x)


@njit(cache=True, nogil=True, inline="always")
def rounds(x: Any, y: Any, k0: Any, k1: Any, k2: Any, k3: Any) -> Any:
    """Both halves of the cipher text of (x, y) under a key: the seven sample rounds, unrolled."""
    x, y = mixed(x, y, k0)
    x, y = mixed(x, y, U16(k1 ^ U16(1)))
    x, y = mixed(x, y, U16(k2 ^ U16(2)))
    x, y = mixed(x, y, U16(k3 ^ U16(3)))
    x, y = mixed(x, y, U16(k0 ^ U16(4)))
    x, y = mixed(x, y, U16(k1 ^ U16(5)))
    return mixed(x, y, U16(k2 ^ U16(6)))


@njit(cache=True, nogil=True, inline="always")
def draw(column: Any, key: Any, low: Any, high: Any) -> None:
    """Look up the Gaussian entries of every patch of a column, uint16 (n,), under keys (4, n)."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for b in range(low.shape[0]):
        x, y = rounds(column, k3[b], k0[b], k1[b], k2[b], k3[b])
        low[b] = U16(y & U16(1023))
        high[b] = U16(U16(U16(y >> U16(10)) | U16(x << U16(6))) & U16(1023))


@njit(cache=True, nogil=True, inline="always")
def slice_codes(row: Any, down: Any, mask: Any, out: Any, energy: Any) -> None:
    """Slice codes float32 (n,) of one row's codes uint8 (n,); their squares are added to ``energy``.

    uint32 (n,) holds those of 65536 rows.
    """
    for b in range(row.shape[0]):
        code = np.int32(np.int32(np.int32(row[b]) >> down) & mask)
        out[b] = np.float32(code)
        energy[b] = U32(energy[b] + U32(np.int32(code * code)))


@njit(cache=True, nogil=True, inline="always")
def deviation(energy: Any, sigma_out: Any, var_cell: Any) -> Any:
    """Noise scale of a sum of squares; the radicand is below 2^50, where the root of a float is exact or one
    too high."""
    radicand = sigma_out * sigma_out + ((var_cell * np.int64(energy)) >> 8)
    r = np.int64(math.sqrt(np.float64(radicand)))
    r -= np.int64(r * r > radicand)
    return min(r, np.int64(65535))


@njit(cache=True, nogil=True, inline="always")
def add_noise(a: Any, sigma: Any, table: Any, low: Any, high: Any, v: Any) -> None:
    """Noisy sums int32 (n,) of a column; |sigma * g| < 2^28 and |a| < 2^24, so 32 bits hold them."""
    for b in range(v.shape[0]):
        v[b] = table[low[b]] + table[high[b]]
    for b in range(v.shape[0]):
        v[b] = np.int32(np.int32(a[b]) + np.int32(np.int32(sigma[b] * v[b] + np.int32(128)) >> np.int32(8)))


@njit(cache=True, nogil=True, inline="always")
def convert(v: Any, gain: Any, offset: Any, half: Any, shift: Any, top: Any, left: Any, p: Any) -> None:
    """A column's ADC codes of sums v int32 (n,), added to p int32 (n,)."""
    for b in range(p.shape[0]):
        c = ((np.int64(v[b]) * gain + half) >> shift) + offset
        p[b] = np.int32(p[b] + np.int32(np.int32(min(max(c, -top - 1), top)) << left))


@njit(cache=True, nogil=True, inline="always")
def add_skip(skip: Any, gain: Any, shift: Any, p: Any) -> None:
    """rshift_round(skip * gain, shift) added to p int32 (n,); from a shift of 26 on it is 0, as at 30."""
    shift = np.int32(min(shift, 30))
    half = np.int32(0) if shift == 0 else np.int32(np.int32(1) << np.int32(shift - 1))
    for b in range(p.shape[0]):
        r = np.int32(np.int32(skip[b]) * np.int32(gain))
        p[b] = np.int32(p[b] + np.int32(np.int32(r + half) >> shift))


@njit(cache=True, nogil=True, inline="always")
def fire(z: Any, scale: Any, vshift: Any, values: Any, at: Any, y: Any) -> None:
    """A column's codes uint8 (n,) of z int32 (n,); ``values``: its curve's uint8 (4096,)."""
    half = np.int64(0) if vshift == 0 else np.int64(1) << (vshift - 1)
    for b in range(y.shape[0]):
        v = (np.int64(z[b]) * scale + half) >> vshift
        at[b] = np.int32(min(max(v, np.int64(-2048)), np.int64(2047)) + 2048)
    for b in range(y.shape[0]):
        y[b] = values[U32(at[b])]


@njit(cache=True, nogil=True, inline="always")
def copy(x: Any, source: Any, step: Any, to: Any, first: Any, count: Any) -> None:
    """``count`` codes of flat x from ``source`` on, every ``step``-th, to flat ``to`` from ``first`` on.

    Unsigned indices, because numba would look at each for its sign.
    """
    if step == 1:
        for i in range(count):
            to[U64(first + i)] = x[U64(source + i)]
    else:
        for i in range(count):
            to[U64(first + i)] = x[U64(source + i * step)]


@njit(cache=True, nogil=True, inline="always")
def fill(border: Any, to: Any, first: Any, last: Any) -> None:
    for i in range(last - first):
        to[U64(first + i)] = border


@njit(cache=True, nogil=True)
def cut(x: Any, where: Any, first: int, out: Any) -> None:
    """Patches ``first`` and on of maps x uint8 (C, n, H, W): out uint8 (groups * K, count)."""
    channels, height, width = where[0], where[1], where[2]
    kh, kw, sh, sw, dh, dw = where[3], where[4], where[5], where[6], where[7], where[8]
    top, left, rows, columns = where[9], where[10], where[11], where[12]
    share, border = channels // where[13], np.uint8(where[14])
    positions, count = rows * columns, out.shape[1]
    line, plane = x.shape[3], x.shape[2] * x.shape[3]
    if out.shape[0] == channels and positions * plane == 1 and top == 0 and left == 0:
        # A full layer's inputs stand as they are. Assigning the slice would have numba compile, for a third
        # of the time, the text of an error about its shape.
        inputs = x.reshape(channels, x.shape[1])
        for c in range(channels):
            for b in range(count):
                out[c, b] = inputs[c, first + b]
        return
    flat, to = x.reshape(x.size), out.reshape(out.size)
    sample0, r0, s0 = first // positions, first % positions // columns, first % columns
    # Places beside each other have read codes beside each other: a whole plane is one run.
    shifted = sh == 1 and sw == 1 and columns == line and width == line and height == x.shape[2]
    for c in range(channels):
        for i in range(kh):
            for j in range(kw):
                base = (((c // share * kh + i) * kw + j) * share + c % share) * count
                x0, y0 = j * dw - left, i * dh - top
                # Places whose column is inside the map.
                begin = max(0, -(x0 // sw))
                end = max(begin, min(columns, -((x0 - width) // sw)))
                b = 0
                if positions == 1:
                    # A place a sample, the same of every one.
                    if begin == 0 and end == 1 and y0 >= 0 and y0 < height:
                        source = (c * x.shape[1] + first) * plane + y0 * line + x0
                        copy(flat, source, plane, to, base, count)
                    else:
                        fill(border, to, base, base + count)
                    b = count
                here, r, s = (c * x.shape[1] + sample0) * plane, r0, s0
                while b < count:
                    if shifted:
                        q = r * columns + s
                        run = min(positions - q, count - b)
                        source = base + b - q
                        delta = y0 * line + x0
                        low = min(max(q, -delta), q + run)
                        high = max(low, min(q + run, plane - delta))
                        copy(flat, here + delta + low, 1, to, source + low, high - low)
                        fill(border, to, source + q, source + low)
                        fill(border, to, source + high, source + q + run)
                        if begin > 0 or end < columns:
                            for line_at in range(source + r * columns, source + q + run, columns):
                                fill(
                                    border,
                                    to,
                                    max(source + q, line_at),
                                    min(source + q + run, line_at + begin),
                                )
                                fill(
                                    border,
                                    to,
                                    max(source + q, line_at + end),
                                    min(source + q + run, line_at + columns),
                                )
                        r, s = rows, 0
                    else:
                        run = min(columns - s, count - b)
                        row, source = r * sh + y0, base + b - s
                        if row < 0 or row >= height:
                            fill(border, to, source + s, source + s + run)
                        else:
                            low = min(max(begin, s), s + run)
                            high = max(min(end, s + run), low)
                            copy(flat, here + row * line + x0 + low * sw, sw, to, source + low, high - low)
                            if low > s:
                                fill(border, to, source + s, source + low)
                            if high < s + run:
                                fill(border, to, source + high, source + s + run)
                        r, s = r + 1, 0
                    b += run
                    if r == rows:
                        r = 0
                        here += plane


@njit(cache=True, nogil=True)
def product(
    x: Any,
    where: Any,
    layer: Any,
    weights: Any,
    columns: Any,
    skip: Any,
    values: Any,
    schedule: Any,
    first: int,
    with_noise: bool,
    from_patch: int,
    to_patch: int,
    codes: Any,
    sums: Any,
) -> None:
    """Compute every column's outputs for patches ``from_patch`` to ``to_patch`` of maps x uint8 (C, n, H, W).

    ``weights`` float32 (groups, K * M / groups): a group's columns, tile by tile, each (M / groups, rows);
    ``columns`` int64 (6, M): bias, gain, offset, scale, curve,
    skip_gain; ``skip`` uint8 (M, n * positions), or empty. Into ``codes`` uint8 (M, n * positions) where the
    neurons fire, else into ``sums`` int32; the other is empty. Patch p of sample i has number
    first + i * stride + p in the read noise.
    """
    k, m, d, analog, shift = layer[0], layer[1], layer[2], layer[3], layer[5]
    number, stride = layer[11], layer[12]
    groups, positions = where[13], where[11] * where[12]
    share = m // groups
    noisy = with_noise and (layer[7] != 0 or layer[8] != 0)
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    top = np.int64((1 << (layer[4] - 1)) - 1)
    per_tile = min(k, layer[13])
    chunk = min(CHUNK, to_patch - from_patch)
    all_patches = np.empty(groups * k * chunk, np.uint8)
    all_slices, all_sums = np.empty(per_tile * chunk, np.float32), np.empty(share * chunk, np.float32)
    all_p = np.empty((m, chunk), np.int32)
    all_index, x_key, y_key = (
        np.empty(chunk, np.uint32),
        np.empty(chunk, np.uint32),
        np.empty(chunk, np.uint32),
    )
    all_keys = np.empty((4, chunk), np.uint16)
    all_energy, all_sigma = np.empty(chunk, np.uint32), np.empty(chunk, np.int32)
    all_low, all_high = np.empty(chunk, np.uint16), np.empty(chunk, np.uint16)
    all_v = np.empty(chunk, np.int32)
    for start in range(from_patch, to_patch, chunk):
        n = min(chunk, to_patch - start)
        patches = all_patches[: groups * k * n].reshape(groups * k, n)
        cut(x, where, start, patches)
        p, v, index = all_p[:, :n], all_v[:n], all_index[:n]
        key, energy, sigma = all_keys[:, :n], all_energy[:n], all_sigma[:n]
        low, high = all_low[:n], all_high[:n]
        a = all_sums[: share * n].reshape(share, n)
        for i in range(m):
            p[i] = np.int32(columns[0, i])
        for b in range(n):
            sample, position = (start + b) // positions, (start + b) % positions
            index[b] = U32((first + sample * stride + position) & 0xFFFFFFFF)
        for t in range((k + per_tile - 1) // per_tile):
            begin, end = t * per_tile, min(k, (t + 1) * per_tile)
            xj = all_slices[: (end - begin) * n].reshape(end - begin, n)
            block = SMALL // ((end - begin) * n) // 8 * 8
            block = share if block == 0 else block
            for j in range(8 // d):
                mask, down, left = np.int32((1 << d) - 1), np.int32(j * d), np.int32(j * d)
                if noisy:
                    keys((number << 24) | (t << 8) | j, schedule, index, x_key[:n], y_key[:n], key)
                for group in range(groups):
                    energy[:] = U32(0)
                    for r in range(end - begin):
                        slice_codes(patches[group * k + begin + r], down, mask, xj[r], energy)
                    if noisy:
                        for b in range(n):
                            sigma[b] = np.int32(deviation(energy[b], layer[7], layer[8]))
                    w = weights[group, share * begin : share * end].reshape(share, end - begin)
                    if share <= NARROW:
                        for i in range(share):
                            a[i] = np.float32(0)
                            for r in range(end - begin):
                                weight = w[i, r]
                                for b in range(n):
                                    a[i, b] += weight * xj[r, b]
                    else:
                        for i in range(0, share, block):
                            np.dot(w[i : i + block], xj, a[i : i + block])
                    for i in range(share):
                        column = group * share + i
                        if noisy:
                            draw(U16(column), key, low, high)
                            add_noise(a[i], sigma, TABLE, low, high, v)
                        else:
                            for b in range(n):
                                v[b] = np.int32(a[i, b])
                        if analog:
                            for b in range(n):
                                p[column, b] = np.int32(p[column, b] + np.int32(v[b] << left))
                        else:
                            convert(
                                v, columns[1, column], columns[2, column], half, shift, top, left, p[column]
                            )
        for i in range(m):
            if skip.shape[0]:
                add_skip(skip[i, start : start + n], columns[5, i], layer[10], p[i])
            if layer[9]:
                curve = values[columns[4, i]]
                fire(p[i], columns[3, i], layer[6], curve, v, codes[i, start : start + n])
            else:
                sums[i, start : start + n] = p[i]


@njit(cache=True, nogil=True, inline="always")
def draw_cells(cell: Any, key: Any, x: Any, y: Any, low: Any, high: Any) -> None:
    """Encipher the cells' numbers under one key (4,): cipher texts uint16 (2K,), and the table entries of
    their samples."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for b in range(cell.shape[0]):
        x[b], y[b] = rounds(cell[b], k3, k0, k1, k2, k3)
        low[b] = U16(y[b] & U16(1023))
        high[b] = U16(U16(U16(y[b] >> U16(10)) | U16(x[b] << U16(6))) & U16(1023))


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
    """Weights float32 from the codes of both cells of each pair."""
    for k in range(out.shape[0]):
        out[k] = np.float32(positive[k] - negative[k])


@njit(cache=True, nogil=True)
def redraw(mean: Any, sigma: Any, law: Any, schedule: Any, layer: int, key: Any, out: Any) -> None:
    """Draw the weights float32 (M, K) of a virtual chip, a column per row.

    ``mean`` int32 (M, 2K) with 16 fractional bits and the rounding half added, ``sigma`` int32 (M, 2K) with
    8: of a column's positive cells, then its negative ones. ``law`` int32: u below which cells stick low,
    from which on high, codes stuck low and high, code_max.
    """
    columns, pair_rows = mean.shape
    rows = pair_rows // 2
    numbers = np.arange(columns).astype(np.uint32)
    keys(layer << 24, schedule, numbers, np.empty(columns, np.uint32), np.empty(columns, np.uint32), key)
    # Cell 2k is the positive one of row k, cell 2k + 1 the negative one.
    cell = np.empty(pair_rows, np.uint16)
    for k in range(rows):
        cell[k], cell[rows + k] = U16(2 * k), U16(2 * k + 1)
    x, y = np.empty(pair_rows, np.uint16), np.empty(pair_rows, np.uint16)
    lower, higher = np.empty(pair_rows, np.uint16), np.empty(pair_rows, np.uint16)
    g, code = np.empty(pair_rows, np.int32), np.empty(pair_rows, np.int32)
    for c in range(columns):
        draw_cells(cell, key[:, c], x, y, lower, higher)
        # Apart from the loop above: gathering is quicker from indices that lie in memory.
        for b in range(pair_rows):
            g[b] = TABLE[lower[b]] + TABLE[higher[b]]
        cells(x, y, g, mean[c], sigma[c], law, code)
        pairs(code[:rows], code[rows:], out[c])
