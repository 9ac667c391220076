"""The compiled loops of ``emulator.golden.fast`` between products: importing this needs numba.

Maps are (C, n, H, W) of codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def turn(x: Any, out: Any) -> None:
    """``out`` (k, n) of x (n, k), both uint8, a square at a time: the cache holds its lines."""
    side = 64
    for first in range(0, x.shape[0], side):
        last = min(x.shape[0], first + side)
        for begin in range(0, x.shape[1], side):
            for k in range(begin, min(x.shape[1], begin + side)):
                for b in range(first, last):
                    out[k, b] = x[b, k]


@njit(cache=True, nogil=True)
def pool(x: Any, where: Any, average: bool, mul: Any, shift: int, out: Any) -> None:
    """Largest code of every window, or its clip(rshift_round(sum * mul, shift), 0, 255)."""
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    sh, sw, dh, dw, top, left, rows, columns = where[5:13]
    border = np.int32(where[14])
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    held = np.empty(columns, np.int32)
    for c in range(x.shape[0]):
        for b in range(x.shape[1]):
            for r in range(rows):
                held[:] = np.int32(0)
                for i in range(kh):
                    row = r * sh + i * dh - top
                    outside = row < 0 or row >= height
                    for j in range(kw):
                        x0 = j * dw - left
                        # Places whose column is inside the map.
                        begin = columns if outside else min(columns, max(0, -(x0 // sw)))
                        end = columns if outside else max(begin, min(columns, -((x0 - width) // sw)))
                        add_run(average, held[:begin], border)
                        add_run(average, held[end:], border)
                        if begin < end:
                            codes = x[c, b, row, x0 + begin * sw :]
                            add_codes(average, held[begin:end], codes, sw)
                to = out[c, b, r]
                if average:
                    factor = mul[r * columns : (r + 1) * columns]
                    for s in range(columns):
                        value = (np.int64(held[s]) * factor[s] + half) >> shift
                        to[s] = min(max(value, 0), 255)
                else:
                    for s in range(columns):
                        to[s] = held[s]


@njit(cache=True, nogil=True, inline="always")
def add_run(average: bool, held: Any, border: Any) -> None:
    for s in range(held.shape[0]):
        held[s] = np.int32(held[s] + border) if average else max(held[s], border)


@njit(cache=True, nogil=True, inline="always")
def add_codes(average: bool, held: Any, codes: Any, step: Any) -> None:
    if average:
        for s in range(held.shape[0]):
            held[s] = np.int32(held[s] + np.int32(codes[s * step]))
    else:
        for s in range(held.shape[0]):
            held[s] = max(held[s], np.int32(codes[s * step]))


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
