"""The compiled loops of ``emulator.golden.fast`` between products, on maps (C, n, H, W) of codes; needs numba."""

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
def max_pool(x: Any, where: Any, out: Any) -> None:
    """Largest code of every window; the border's is 0 or more, never less."""
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    border = np.uint8(where[14])
    for c in range(x.shape[0]):
        for b in range(x.shape[1]):
            plane = x[c, b]
            for r in range(where[11]):
                for s in range(where[12]):
                    best = np.uint8(0)
                    for i in range(kh):
                        row = r * where[5] + i * where[7] - where[9]
                        for j in range(kw):
                            column = s * where[6] + j * where[8] - where[10]
                            held = row >= 0 and row < height and column >= 0 and column < width
                            best = max(best, plane[row, column] if held else border)
                    out[c, b, r, s] = best


@njit(cache=True, nogil=True)
def average_pool(x: Any, where: Any, mul: Any, shift: int, out: Any) -> None:
    """clip(rshift_round(sum * mul, shift), 0, 255) of every window."""
    height, width, kh, kw = where[1], where[2], where[3], where[4]
    half = np.int64(0) if shift == 0 else np.int64(1) << (shift - 1)
    for c in range(x.shape[0]):
        for b in range(x.shape[1]):
            plane = x[c, b]
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
                    out[c, b, r, s] = min(max(value, 0), 255)


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
