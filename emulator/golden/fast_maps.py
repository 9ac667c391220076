"""The compiled loops of ``ndrite.emulator.golden.fast`` between products: importing this needs numba.

Maps are (C, n, H, W) of codes.
"""

from typing import Any

import numpy as np
from numba import njit

U64 = np.uint64


@njit(cache=True, nogil=True)
def turn(x: Any, out: Any) -> None:
    """Transpose x (n, k) uint8 into ``out`` (k, n), a few rows at a time so that its lines stay in the
    cache."""
    flat, to = x.reshape(x.size), out.reshape(out.size)
    rows, columns = x.shape
    whole = rows // 8 * 8
    for first in range(0, whole, 8):
        for k in range(columns):
            for b in range(8):
                to[U64(k * rows + first + b)] = flat[U64((first + b) * columns + k)]
    for b in range(whole, rows):
        for k in range(columns):
            to[U64(k * rows + b)] = flat[U64(b * columns + k)]


@njit(cache=True, nogil=True)
def pool(x: Any, where: Any, average: bool, mul: Any, shift: int, out: Any) -> None:
    """Largest code of every window, or its clip(rshift_round(sum * mul, shift), 0, 255)."""
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    sh, sw, dh, dw, top, left, rows, columns = where[5:13]
    border = np.int32(where[14])
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    # Places whose column is inside the map, of every column of the kernel.
    begins, ends = np.empty(kw, np.int64), np.empty(kw, np.int64)
    for j in range(kw):
        begins[j] = min(columns, max(0, -((j * dw - left) // sw)))
        ends[j] = max(begins[j], min(columns, -((j * dw - left - width) // sw)))
    flat, to = x.reshape(x.size), out.reshape(out.size)
    largest = np.empty(columns, np.int32)
    for plane in range(x.shape[0] * x.shape[1]):
        for r in range(rows):
            largest[:] = np.int32(0)
            for i in range(kh):
                row = r * sh + i * dh - top
                outside = row < 0 or row >= height
                for j in range(kw):
                    begin = columns if outside else begins[j]
                    end = columns if outside else ends[j]
                    source = (plane * x.shape[2] + row) * x.shape[3] + j * dw - left
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


@njit(cache=True, nogil=True)
def look_up(x: Any, channel: Any, answers: Any, out: Any) -> None:
    """Element e of ``out`` (E, values) is ``answers[e]`` (256,) of row ``channel[e]`` of x (C, values)."""
    for e in range(out.shape[0]):
        codes, answer, to = x[channel[e]], answers[e], out[e]
        for b in range(to.shape[0]):
            to[b] = answer[codes[b]]


@njit(cache=True, nogil=True)
def add_term(a: Any, b: Any, a_zero: int, b_zero: int, gain: int, total: Any) -> None:
    """A gate's term of maps a, b uint8 (values,), b empty where it has none, added to int64 (values,)."""
    if b.shape[0]:
        for i in range(total.shape[0]):
            total[i] += (np.int64(a[i]) - a_zero) * (np.int64(b[i]) - b_zero) * gain
    else:
        for i in range(total.shape[0]):
            total[i] += (np.int64(a[i]) - a_zero) * gain


@njit(cache=True, nogil=True)
def close_gate(total: Any, shift: int, zero: int, out: Any) -> None:
    """clip(rshift_round(total, shift) + zero, 0, 255)."""
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    for i in range(total.shape[0]):
        out[i] = min(max(((total[i] + half) >> shift) + zero, 0), 255)
