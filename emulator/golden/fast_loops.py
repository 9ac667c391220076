"""The compiled loops of ``ndrite.emulator.golden.fast`` for matrix products: importing
this needs numba.

Maps are (C, n, H, W), channel first of all: what a column answers to all patches lies
in one piece, whatever the number of columns. The inner loops run over patches, or over
columns where there are few patches, and a column's constants stay in registers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ndrite.emulator.golden.fast_maps import Maps, between
from ndrite.emulator.golden.fast_noise import (
    LOOP,
    TABLE,
    U16,
    U32,
    Int,
    Int32s,
    Uint16s,
    Uint32s,
    deviation,
    keys,
    rounds,
)  # fmt: skip
from ndrite.emulator.golden.fast_rows import (
    CHANNELS,
    CURVES,
    INTS,
    KIND,
    LAYER,
    OUT,
    PRODUCT,
    SIZE,
    SKIP,
    SOURCE,
    VALUES,
    WHERE,
    WORDS,
)  # fmt: skip
from ndrite.emulator.golden.fast_sums import PANEL, Operand, multiplied
from ndrite.emulator.spec.arithmetic import Codes, Ints

CHUNK = 448
"""Number of patches computed together, so that their sums stay in the second-level cache."""
U64 = np.uint64


class InputRows(NamedTuple):
    """``rows`` rows of input codes of many patches: row r of all patches begins at
    codes[first + r * line]."""

    codes: Codes
    first: int
    line: int
    rows: int


class Converter(NamedTuple):
    """ADC: code = (sum * gain + half >> shift) + offset, at most ``top``."""

    half: np.int64
    shift: Int
    top: np.int64


@njit(**LOOP)
def slice_codes(
    source: InputRows, down: np.uint32, mask: np.uint32, x: Uint32s, x_line: int, energy: Uint32s
) -> None:
    """Pack one bit slice of n patches' input codes as words uint32 (pairs of rows,
    x_line), two input rows of a patch per word. ``energy`` uint32 (n,) receives the sum
    of squares of each patch, which cannot overflow for up to 65536 rows."""
    patches, first, line, rows = source
    for b in range(energy.shape[0]):
        energy[b] = U32(0)
    for q in range((rows + 1) // 2):
        upper, to = first + 2 * q * line, q * x_line
        lower, lower_mask = (upper + line, mask) if 2 * q + 1 < rows else (upper, U32(0))
        for b in range(energy.shape[0]):
            a = U32(U32(U32(patches[U64(upper + b)]) >> down) & mask)
            c = U32(U32(U32(patches[U64(lower + b)]) >> down) & lower_mask)
            x[U64(to + b)] = U32(a | U32(c << U32(16)))
            energy[b] = U32(energy[b] + U32(U32(a * a) + U32(c * c)))


@njit(**LOOP)
def draw(column: Uint16s, key: Uint16s, low: Uint16s, high: Uint16s) -> None:
    """Generate the read noise of columns uint16 (n,) under keys uint16 (4, n): write to
    ``low`` and ``high`` the two indices into the Gaussian table that select each
    column's normal sample."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for b in range(low.shape[0]):
        x, y = rounds(column[b], k3[b], k0[b], k1[b], k2[b], k3[b])
        low[b] = U16(y & U16(1023))
        high[b] = U16(U16(U16(y >> U16(10)) | U16(x << U16(6))) & U16(1023))


@njit(**LOOP, inline="always")
def add_noise(a: Int32s, sigma: Int32s, table: Int32s, low: Uint16s, high: Uint16s, v: Int32s) -> None:
    """Compute a column's noisy sums v, int32 (n,), from its sums ``a``; |sigma * g| <
    2^28 and |a| < 2^24, so 32 bits suffice."""
    for b in range(v.shape[0]):
        v[b] = table[low[b]] + table[high[b]]
    for b in range(v.shape[0]):
        v[b] = np.int32(np.int32(a[b]) + np.int32(np.int32(sigma[b] * v[b] + np.int32(128)) >> np.int32(8)))


@njit(**LOOP, inline="always")
def converted(v: np.int32, gain: np.int64, offset: np.int64, adc: Converter) -> np.int32:
    """Return the ADC code of one sum."""
    c = ((np.int64(v) * gain + adc.half) >> adc.shift) + offset
    return np.int32(min(max(c, -adc.top - 1), adc.top))


@njit(**LOOP, inline="always")
def convert(v: Int32s, gain: np.int64, offset: np.int64, adc: Converter, left: np.int32, p: Int32s) -> None:
    """Convert a column's sums v int32 (n,) to ADC codes, and add the codes, shifted
    left by ``left`` bits, to the partial sums p int32 (n,)."""
    for b in range(p.shape[0]):
        p[b] = np.int32(p[b] + np.int32(converted(v[b], gain, offset, adc) << left))


@njit(**LOOP, inline="always")
def convert_columns(v: Int32s, gain: Ints, offset: Ints, adc: Converter, left: np.int32, p: Int32s) -> None:
    """Do what ``convert`` does, for all columns of one patch instead of one column of
    all patches: v, gain, offset and p are (columns,)."""
    for b in range(p.shape[0]):
        p[b] = np.int32(p[b] + np.int32(converted(v[b], gain[b], offset[b], adc) << left))


@njit(**LOOP, inline="always")
def add_skip(skip: Codes, gain: np.int64, shift: Int, p: Int32s) -> None:
    """Add the second operand rshift_round(skip * gain, shift) to the sums p int32 (n,).
    For shifts of 26 and above this term is 0, so shifts above 30 are computed as 30."""
    right = np.int32(min(shift, 30))
    half = np.int32(0) if right == 0 else np.int32(np.int32(1) << np.int32(right - 1))
    for b in range(p.shape[0]):
        r = np.int32(np.int32(skip[b]) * np.int32(gain))
        p[b] = np.int32(p[b] + np.int32(np.int32(r + half) >> right))


@njit(**LOOP, inline="always")
def fire(z: Int32s, scale: np.int64, vshift: Int, values: Codes, at: Uint32s, y: Codes) -> None:
    """Compute a column's neuron output codes y, uint8 (n,), from its sums z, int32
    (n,). ``values`` uint8 (4096,) is the output of the column's curve at every voltage
    code; ``at`` uint32 (n,) is working memory."""
    half = np.int64(0) if vshift == 0 else np.int64(1) << (vshift - 1)
    for b in range(y.shape[0]):
        v = (np.int64(z[b]) * scale + half) >> vshift
        at[b] = U32(min(max(v, np.int64(-2048)), np.int64(2047)) + 2048)
    for b in range(y.shape[0]):
        y[b] = values[at[b]]


@njit(**LOOP, inline="always")
def copy(x: Codes, source: Int, step: Int, to: Codes, first: Int, count: Int) -> None:
    """Copy ``count`` codes, every ``step``-th from x[source] on, to consecutive
    elements of ``to`` from to[first] on.

    Unsigned indices, because numba would look at each for its sign.
    """
    if step == 1:
        for i in range(count):
            to[U64(first + i)] = x[U64(source + i)]
    else:
        for i in range(count):
            to[U64(first + i)] = x[U64(source + i * step)]


@njit(**LOOP, inline="always")
def fill(border: np.uint8, to: Codes, first: Int, last: Int) -> None:
    for i in range(last - first):
        to[U64(first + i)] = border


@njit(**LOOP)
def cut(maps: Maps, where: Ints, first: int, count: int, to: Codes) -> None:
    """Cut ``count`` patches, beginning with patch number ``first``, from maps into
    ``to`` uint8 (groups * K, count)."""
    flat, channels, samples, rows_of_map, line = maps
    height, width = where[1], where[2]
    kh, kw, sh, sw, dh, dw = where[3], where[4], where[5], where[6], where[7], where[8]
    top, left, rows, columns = where[9], where[10], where[11], where[12]
    share, border = channels // where[13], np.uint8(where[14])
    positions = rows * columns
    plane = rows_of_map * line
    sample0, r0, s0 = first // positions, first % positions // columns, first % columns
    # With stride 1 and maps of the same size as the result, the codes that one kernel
    # position reads at neighbouring patches are neighbours in the map. They are copied
    # together, a whole plane at a time.
    shifted = sh == 1 and sw == 1 and columns == line and width == line and height == rows_of_map
    for c in range(channels):
        for i in range(kh):
            for j in range(kw):
                base = (((c // share * kh + i) * kw + j) * share + c % share) * count
                x0, y0 = j * dw - left, i * dh - top
                # ``begin``..``end`` are the output columns whose input column lies
                # inside the map; the other ones read the border.
                begin = max(0, -(x0 // sw))
                end = max(begin, min(columns, -((x0 - width) // sw)))
                b = 0
                if positions == 1:
                    # With a single patch per sample, the code is at the same offset in
                    # every sample, so one strided copy suffices for all samples.
                    if begin == 0 and end == 1 and y0 >= 0 and y0 < height:
                        source = (c * samples + first) * plane + y0 * line + x0
                        copy(flat, source, plane, to, base, count)
                    else:
                        fill(border, to, base, base + count)
                    b = count
                here, r, s = (c * samples + sample0) * plane, r0, s0
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


@njit(**LOOP)
def walk(
    rows: Ints, ints: Ints, values: Codes, words: Uint32s, samples: Codes, maps: Codes, sums: Int32s,
    schedule: Uint32s, first: int, noise: bool,
    from_call: int, to_call: int, from_row: int, to_row: int, low: int, high: int,
) -> None:  # fmt: skip
    """Execute instruction rows of a program (``ndrite.emulator.golden.fast_rows``) on
    samples uint8 (n, k): rows ``from_row`` to ``to_row``, in each of the time steps
    ``from_call`` to ``to_call``. The read noise numbers the samples from ``first`` on.

    Maps uint8 of n samples are one behind the other in ``maps``, sums int32 in
    ``sums``; both are written. Matrix products are computed for patches ``low`` to
    ``high``, or for all where ``high`` is -1. They are part of this function,
    because a compiler repeats its work on a function for each that calls it. The
    parameters are no records: numba needs a microsecond to take one from Python, a
    sample as few as fifteen.
    """
    row_count = to_row - from_row
    for turn in range((to_call - from_call) * row_count):
        row, call = rows[from_row + turn % row_count], from_call + turn // row_count
        if row[KIND] != PRODUCT:
            between(row, ints, values, samples, maps, call)
            continue
        where, layer = row[WHERE:], row[LAYER:]
        k, m, d, analog, shift = layer[0], layer[1], layer[2], layer[3], layer[5]
        number, stride = layer[11], layer[12]
        groups, positions, sample_count = where[13], where[11] * where[12], samples.shape[0]
        channels, height, plane_width = row[CHANNELS], row[CHANNELS + 1], row[CHANNELS + 2]
        all_count = positions * sample_count
        to_patch = all_count if high < 0 else high
        codes_at, skip_at = row[OUT] * sample_count, row[SKIP] * sample_count
        x = maps[row[SOURCE] * sample_count : (row[SOURCE] + row[SIZE]) * sample_count]
        bias_at, gain_at, offset_at = row[INTS], row[INTS] + m, row[INTS] + 2 * m
        scale_at, curve_at, skip_gain_at = row[INTS] + 3 * m, row[INTS] + 4 * m, row[INTS] + 5 * m
        share = m // groups
        width = (share + PANEL - 1) // PANEL * PANEL
        noisy = noise and (layer[7] != 0 or layer[8] != 0)
        half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
        adc = Converter(half, shift, np.int64((1 << (layer[4] - 1)) - 1))
        per_tile = min(k, layer[13])
        chunk = min(CHUNK, to_patch - low)
        # The number of panels is made odd, because the rows of a panel then fall into
        # different sets of the processor's cache.
        deep = ((chunk + PANEL - 1) // PANEL | 1) * PANEL
        # The vector lanes normally hold patches. If there are few patches and more
        # columns, the lanes hold columns instead.
        few = chunk < PANEL and chunk * width < PANEL * share
        # Distances in memory between neighbouring columns (normally) or patches (with
        # few patches) in the sums a and the partial sums p.
        line, p_line = (width, m) if few else (deep, chunk)
        # The inputs of a fully connected layer are read directly from the map; no
        # patches have to be cut.
        direct = (
            groups * k == where[0] and positions * height * plane_width == 1 and where[9] + where[10] == 0
        )
        patches, origin, patch_line = x, 0, sample_count
        if not direct:
            patches = np.empty(groups * k * chunk, np.uint8)
        slices, size = np.empty((per_tile + 1) // 2 * deep, np.uint32), max(chunk, share)
        a = np.empty(chunk * width if few else share * deep, np.int32)
        p, all_v, all_sigma = (
            np.empty(m * chunk, np.int32),
            np.empty(size, np.int32),
            np.empty(size, np.int32),
        )
        all_energy, index = np.empty(chunk, np.uint32), np.empty(chunk, np.uint32)
        x_key, y_key = np.empty(chunk, np.uint32), np.empty(chunk, np.uint32)
        all_keys, line_keys, names = np.empty((4, chunk), U16), np.empty((4, size), U16), np.empty(size, U16)
        lows, highs = np.empty(size, U16), np.empty(size, U16)
        for start in range(low, to_patch, chunk):
            n = min(chunk, to_patch - start)
            lines, lanes = (n, share) if few else (share, n)
            key, energy, lower, upper = all_keys[:, :n], all_energy[:n], lows[:lanes], highs[:lanes]
            v, sigma, keys_used = all_v[:lanes], all_sigma[:lanes], line_keys if few else all_keys
            if direct:
                origin = start
            else:
                cut(Maps(x, channels, sample_count, height, plane_width), where, start, n, patches)
                patch_line = n
            for i in range(m):
                for b in range(n):
                    p[b * m + i if few else i * chunk + b] = np.int32(ints[bias_at + i])
            position, before = start % positions, first * stride + call * positions
            before += start // positions * stride
            for b in range(n):
                index[b] = U32((before + position) & 0xFFFFFFFF)
                position += 1
                if position == positions:
                    position, before = 0, before + stride
            for t in range((k + per_tile - 1) // per_tile):
                begin, end = t * per_tile, min(k, (t + 1) * per_tile)
                pairs, full_pairs = (end - begin + 1) // 2, (per_tile + 1) // 2
                # Number of pairs of rows that one group of a grouped convolution has in
                # all row tiles together (a word holds a pair).
                whole = k // per_tile * full_pairs + (k % per_tile + 1) // 2
                step = pairs * PANEL
                for j in range(8 // d):
                    left, down, mask = np.int32(j * d), U32(j * d), U32((1 << d) - 1)
                    if noisy:
                        keys((number << 24) | (t << 8) | j, schedule, index[:n], x_key, y_key, key)
                    for group in range(groups):
                        at = origin + (group * k + begin) * patch_line
                        input_rows = InputRows(patches, at, patch_line, end - begin)
                        slice_codes(input_rows, down, mask, slices, deep, energy)
                        source = row[WORDS] + (group * whole + t * full_pairs) * width
                        column = group * share
                        weights = Operand(words, source, step, PANEL, share)
                        codes = Operand(slices, 0, PANEL, deep, n)
                        if few:
                            multiplied(weights, codes, pairs, a, line)
                        else:
                            multiplied(codes, weights, pairs, a, line)
                            for b in range(n):
                                sigma[b] = np.int32(deviation(energy[b], layer[7], layer[8]))
                        if few:
                            for b in range(lanes):
                                names[b] = U16(column + b)
                        for i in range(lines):
                            sums_line = a[i * line : i * line + lanes]
                            if not noisy:
                                for b in range(lanes):
                                    v[b] = sums_line[b]
                            else:
                                if few:
                                    scale = np.int32(deviation(energy[i], layer[7], layer[8]))
                                    for b in range(lanes):
                                        sigma[b] = scale
                                    for r in range(4):
                                        word = key[r, i]
                                        for b in range(lanes):
                                            line_keys[r, b] = word
                                else:
                                    for b in range(lanes):
                                        names[b] = U16(column + i)
                                draw(names, keys_used, lower, upper)
                                add_noise(sums_line, sigma, TABLE, lower, upper, v)
                            p_at = i * m + column if few else (column + i) * chunk
                            part, of = p[p_at : p_at + lanes], column if few else column + i
                            gain, offset = ints[gain_at + of :], ints[offset_at + of :]
                            if analog:
                                for b in range(lanes):
                                    part[b] = np.int32(part[b] + np.int32(v[b] << left))
                            elif few:
                                convert_columns(v, gain, offset, adc, left, part)
                            else:
                                convert(v, gain[0], offset[0], adc, left, part)
            for i in range(m):
                if few:
                    for b in range(n):
                        all_v[b] = p[b * m + i]
                z = all_v[:n] if few else p[i * p_line : i * p_line + n]
                at = i * all_count + start
                if skip_at >= 0:
                    add_skip(maps[skip_at + at : skip_at + at + n], ints[skip_gain_at + i], layer[10], z)
                if layer[9]:
                    curve = row[VALUES] + ints[curve_at + i] * CURVES
                    answers, y = values[curve : curve + CURVES], maps[codes_at + at : codes_at + at + n]
                    fire(z, ints[scale_at + i], layer[6], answers, index, y)
                else:
                    for b in range(n):
                        sums[at + b] = z[b]
