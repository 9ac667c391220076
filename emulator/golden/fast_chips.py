"""The compiled loops that sample virtual chips: importing this needs numba."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ndrite.emulator.golden.fast_noise import LOOP, TABLE, U16, Int32s, Uint16s, Uint32s, keys, rounds


class Cells(NamedTuple):
    """Law of the cells of all columns. ``mean`` int32 (M, 2K) with 16 fractional bits
    and the rounding half added, ``sigma`` int32 (M, 2K) with 8: of a column's positive
    cells, then its negative ones. ``law`` int32 (5,): u below which cells stick low,
    from which on high, codes stuck low and high, code_max."""

    mean: Int32s
    sigma: Int32s
    law: Int32s


@njit(**LOOP, inline="always")
def draw_cells(number: Uint16s, key: Uint16s, x: Uint16s, y: Uint16s, low: Uint16s, high: Uint16s) -> None:
    """Generate the pseudo-random words of one column's cells: encrypt the cell
    numbers uint16 (n,) under the column's key (4,) into ``x`` and ``y``. Also write
    to ``low`` and ``high`` the two indices into the Gaussian table that select each
    cell's normal sample."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for b in range(number.shape[0]):
        x[b], y[b] = rounds(number[b], k3, k0, k1, k2, k3)
        low[b] = U16(y[b] & U16(1023))
        high[b] = U16(U16(U16(y[b] >> U16(10)) | U16(x[b] << U16(6))) & U16(1023))


@njit(**LOOP)
def sample(column: int, cells: Cells, x: Uint16s, y: Uint16s, g: Int32s, code: Int32s) -> None:
    """Sample the conductance codes int32 (2K,) of the cells of a column from their
    random words x, y and normal samples g."""
    mean, sigma, law = cells.mean[column], cells.sigma[column], cells.law
    stuck_low, stuck_high, code_low, code_high, top = law[0], law[1], law[2], law[3], law[4]
    for i in range(code.shape[0]):
        value = np.int32(np.int32(mean[i] + np.int32(sigma[i] * g[i])) >> np.int32(16))
        c = min(max(value, np.int32(0)), top)
        u = np.int32(x[i] & U16(0xFFF0)) | np.int32(y[i] & U16(15))
        c = code_high if u >= stuck_high else c
        code[i] = code_low if u < stuck_low else c


@njit(**LOOP)
def pairs(positive: Int32s, negative: Int32s, out: npt.NDArray[np.int16]) -> None:
    """Compute weights int16 from differential pairs of cells: code of the positive cell
    minus code of the negative cell."""
    for k in range(out.shape[0]):
        out[k] = np.int16(positive[k] - negative[k])


@njit(**LOOP)
def redraw(cells: Cells, schedule: Uint32s, layer: int, key: Uint16s, out: npt.NDArray[np.int16]) -> None:
    """Sample the weights of a virtual chip, int16 (M, K): row m of ``out`` receives the
    weights of crossbar column m."""
    columns, pair_rows = cells.mean.shape
    rows = pair_rows // 2
    numbers = np.arange(columns).astype(np.uint32)
    keys(layer << 24, schedule, numbers, np.empty(columns, np.uint32), np.empty(columns, np.uint32), key)
    # In the random-number keys, 2k is the number of the positive cell of row k, and 2k
    # + 1 that of the negative cell.
    cell = np.empty(pair_rows, np.uint16)
    for k in range(rows):
        cell[k], cell[rows + k] = U16(2 * k), U16(2 * k + 1)
    x, y = np.empty(pair_rows, np.uint16), np.empty(pair_rows, np.uint16)
    lower, higher = np.empty(pair_rows, np.uint16), np.empty(pair_rows, np.uint16)
    g, code = np.empty(pair_rows, np.int32), np.empty(pair_rows, np.int32)
    for c in range(columns):
        draw_cells(cell, key[:, c], x, y, lower, higher)
        # Look up the samples in a separate loop: this is faster than computing indices
        # and reading the table in one loop.
        for b in range(pair_rows):
            g[b] = TABLE[lower[b]] + TABLE[higher[b]]
        sample(c, cells, x, y, g, code)
        pairs(code[:rows], code[rows:], out[c])
