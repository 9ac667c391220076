"""The compiled loops of ``ndrite.emulator.golden.fast`` for steps other than matrix
products: importing this needs numba.

Maps are (C, n, H, W) of codes. ``fast_loops`` includes these functions, and
numba's cache does not see that this file changed: set NUMBA_CACHE_DIR to a new
folder after editing it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ndrite.emulator.golden.fast_noise import LOOP, Int
from ndrite.emulator.golden.fast_rows import (
    CHANNELS,
    COPY,
    COUNT,
    DIMS,
    GATE,
    INTS,
    KIND,
    LOAD,
    MAP_DIMS,
    OUT,
    OUT_SIZE,
    POOL,
    SHIFT,
    SIZE,
    SOURCE,
    START,
    STRIDES,
    TABLE,
    TERM,
    VALUES,
    WHERE,
    ZERO,
)  # fmt: skip
from ndrite.emulator.spec.arithmetic import Codes, Ints

U64 = np.uint64


class Maps(NamedTuple):
    """Maps uint8 (channels, samples, height, width), flat."""

    codes: Codes
    channels: int
    samples: int
    height: int
    width: int


@njit(**LOOP)
def turn(x: Codes, rows: int, columns: int, to: Codes) -> None:
    """Transpose x uint8 (rows, columns) into ``to``, eight rows at a time so that the
    cache lines of ``to`` stay in the cache."""
    whole = rows // 8 * 8
    for first in range(0, whole, 8):
        for k in range(columns):
            for b in range(8):
                to[U64(k * rows + first + b)] = x[U64((first + b) * columns + k)]
    for b in range(whole, rows):
        for k in range(columns):
            to[U64(k * rows + b)] = x[U64(b * columns + k)]


@njit(**LOOP)
def pool(maps: Maps, where: Ints, mul: Ints, shift: int, to: Codes) -> None:
    """Pool maps: write to ``to`` the largest code of every window, or its average
    clip(rshift_round(sum * mul, shift), 0, 255)."""
    flat, channels, samples, rows_of_map, line = maps
    average = mul.shape[0] > 0
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    sh, sw, dh, dw, top, left, rows, columns = where[5:13]
    border = np.int32(where[14])
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    # For every column of the kernel, the first and the end of the output columns whose
    # input column lies inside the map; the other ones read the border.
    begins, ends = np.empty(kw, np.int64), np.empty(kw, np.int64)
    for j in range(kw):
        begins[j] = min(columns, max(0, -((j * dw - left) // sw)))
        ends[j] = max(begins[j], min(columns, -((j * dw - left - width) // sw)))
    largest = np.empty(columns, np.int32)
    for plane in range(channels * samples):
        for r in range(rows):
            largest[:] = np.int32(0)
            for i in range(kh):
                row = r * sh + i * dh - top
                outside = row < 0 or row >= height
                for j in range(kw):
                    begin = columns if outside else begins[j]
                    end = columns if outside else ends[j]
                    source = (plane * rows_of_map + row) * line + j * dw - left
                    if average:
                        for s in range(begin):
                            largest[s] = np.int32(largest[s] + border)
                        for s in range(begin, end):
                            largest[s] = np.int32(largest[s] + np.int32(flat[U64(source + s * sw)]))
                        for s in range(end, columns):
                            largest[s] = np.int32(largest[s] + border)
                    else:
                        for s in range(begin):
                            largest[s] = max(largest[s], border)
                        for s in range(begin, end):
                            largest[s] = max(largest[s], np.int32(flat[U64(source + s * sw)]))
                        for s in range(end, columns):
                            largest[s] = max(largest[s], border)
            first = (plane * rows + r) * columns
            for s in range(columns):
                if average:
                    value = (np.int64(largest[s]) * mul[r * columns + s] + half) >> shift
                    to[U64(first + s)] = min(max(value, 0), 255)
                else:
                    to[U64(first + s)] = largest[s]


@njit(**LOOP)
def look_up(x: Codes, channel: Ints, answers: Codes, to: Codes) -> None:
    """Apply a lookup-table step: replace each code of row ``channel[e]`` of x (C,
    values) by its entry in the 256-entry table of element e, and write the results to
    row e of ``to`` (E, values)."""
    count = to.shape[0] // channel.shape[0]
    for e in range(channel.shape[0]):
        first = channel[e] * count
        for b in range(count):
            to[U64(e * count + b)] = answers[U64(e * 256 + x[U64(first + b)])]


@njit(**LOOP)
def add_term(a: Codes, b: Codes, a_zero: int, b_zero: int, gain: int, total: Ints) -> None:
    """Add one term of a gate, (a - a_zero) * (b - b_zero) * gain, to ``total``
    int64 (values,); a and b are maps uint8 (values,). If b is empty, the term is (a
    - a_zero) * gain."""
    if b.shape[0]:
        for i in range(total.shape[0]):
            total[i] += (np.int64(a[i]) - a_zero) * (np.int64(b[i]) - b_zero) * gain
    else:
        for i in range(total.shape[0]):
            total[i] += (np.int64(a[i]) - a_zero) * gain


@njit(**LOOP)
def close_gate(total: Ints, shift: int, zero: int, out: Codes) -> None:
    """Compute a gate's output codes clip(rshift_round(total, shift) + zero, 0, 255)."""
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    for i in range(total.shape[0]):
        out[i] = min(max(((total[i] + half) >> shift) + zero, 0), 255)


@njit(**LOOP)
def arrange(source: Codes, row: Ints, n: int, out: Codes) -> None:
    """Fill ``out`` with values of ``source`` in the order that the dimensions and
    strides of an instruction row describe: transposes and repeats."""
    dims, strides, count = np.empty(MAP_DIMS + 1, np.int64), np.empty(MAP_DIMS + 1, np.int64), 0
    dims[0] = strides[0] = 1
    for i in range(MAP_DIMS):
        dim = row[DIMS + 2 * i] * (n if row[DIMS + 2 * i + 1] else 1)
        stride = row[STRIDES + 2 * i] * (n if row[STRIDES + 2 * i + 1] else 1)
        if dim == 1:
            continue
        if count and strides[count - 1] == stride * dim:
            # The strides of this dimension continue those of the previous one in source
            # and result, so the two are merged into one.
            dims[count - 1] *= dim
            strides[count - 1] = stride
        else:
            dims[count], strides[count] = dim, stride
            count += 1
    last = max(0, count - 1)
    index, at, to = np.zeros(MAP_DIMS + 1, np.int64), 0, 0
    while to < out.shape[0]:
        stride = strides[last]
        if stride == 1:
            for i in range(dims[last]):
                out[np.uint64(to + i)] = source[np.uint64(at + i)]
        else:
            for i in range(dims[last]):
                out[np.uint64(to + i)] = source[np.uint64(at + i * stride)]
        to += dims[last]
        d = last - 1
        while d >= 0:
            index[d] += 1
            at += strides[d]
            if index[d] < dims[d]:
                break
            at -= dims[d] * strides[d]
            index[d] = 0
            d -= 1


@njit(**LOOP)
def between(row: Ints, ints: Ints, codes: Codes, x: Codes, maps: Codes, call: Int) -> None:
    """Execute one instruction row that is not a matrix product, in time step ``call``,
    on samples x uint8 (n, k)."""
    n, kind = x.shape[0], row[KIND]
    out = maps[row[OUT] * n : (row[OUT] + row[OUT_SIZE]) * n]
    source = maps[row[SOURCE] * n : (row[SOURCE] + row[SIZE]) * n]
    channels, height, width = row[CHANNELS], row[CHANNELS + 1], row[CHANNELS + 2]
    if kind in (LOAD, COPY):
        if kind == LOAD:
            source = x.reshape(x.size)[call * row[SIZE] :]
        if kind == LOAD and height * width == 1 and x.shape[1] == channels and n > 1:
            turn(source, n, channels, out)
        else:
            arrange(source, row, n, out)
    elif kind == START:
        if call == 0:
            for i in range(out.shape[0]):
                out[i] = row[ZERO]
    elif kind == POOL:
        mul = ints[row[INTS] : row[INTS] + row[COUNT]]
        pool(Maps(source, channels, n, height, width), row[WHERE:], mul, row[SHIFT], out)
    elif kind == TABLE:
        channel = ints[row[INTS] : row[INTS] + row[COUNT]]
        look_up(source, channel, codes[row[VALUES] :], out)
    elif kind == GATE:
        total = np.zeros(out.shape[0], np.int64)
        for t in range(row[COUNT]):
            term = ints[row[INTS] + TERM * t : row[INTS] + TERM * (t + 1)]
            a, b = term[0] * n, term[1] * n
            second = maps[b : b + out.shape[0]] if b >= 0 else maps[:0]
            add_term(maps[a : a + out.shape[0]], second, term[2], term[3], term[4], total)
        close_gate(total, row[SHIFT], row[ZERO], out)
