"""The read-noise generator for compiled loops, as ``ndrite.emulator.spec.noise``
specifies it: importing this needs numba.

Every intermediate is cast back to its 16 or 32 bits, so that the compiler keeps it that
wide: the noise of many patches or columns in one instruction. The other compiled loops
include these functions, and numba's cache does not see that this file changed: set
NUMBA_CACHE_DIR to a new folder after editing it.
"""

import math
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt
from numba import njit

from ndrite.emulator.golden.noise import SIGNED_TABLE
from ndrite.emulator.spec import noise as spec

Int32s = npt.NDArray[np.int32]
Uint16s = npt.NDArray[np.uint16]
Uint32s = npt.NDArray[np.uint32]
Int = int | np.int64
"""Type of a number that numba holds in 64 bits, whichever of both it is in Python."""


class Options(TypedDict):
    """Options of ``numba.njit``."""

    cache: bool
    nogil: bool
    error_model: Literal["numpy"]


LOOP: Options = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Options of all compiled loops. No divisor is ever 0: numba's own error model would
check for that at every division, and compile for longer."""
KEY_ROUNDS = spec.KEY_ROUNDS
TABLE = SIGNED_TABLE.astype(np.int32)
U16 = np.uint16
U32 = np.uint32
RX, RXC, RY, RYC = U16(7), U16(9), U16(2), U16(14)
assert (spec.SAMPLE_ROTATE_X, spec.SAMPLE_ROTATE_Y, spec.SAMPLE_WORD_BITS) == (7, 2, 16)
assert spec.SAMPLE_ROUNDS == 7
assert (spec.KEY_ROTATE_X, spec.KEY_ROTATE_Y, spec.KEY_WORD_BITS) == (8, 3, 32)


@njit(**LOOP)
def keys(counter: int, schedule: Uint32s, index: Uint32s, x: Uint32s, y: Uint32s, out: Uint16s) -> None:
    """Compute the noise keys uint16 (4, n) of the inferences numbered ``index`` uint32
    (n,), by encrypting (``counter``, index); x and y are working memory."""
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


@njit(**LOOP, inline="always")
def mixed(x: np.uint16, y: np.uint16, k: np.uint16) -> tuple[np.uint16, np.uint16]:
    """Apply one round of the cipher that generates noise samples to uint16 numbers x, y
    with round key k."""
    x = U16(U16(U16(U16(x >> RX) | U16(x << RXC)) + y) ^ k)
    return x, U16(U16(U16(y << RY) | U16(y >> RYC)) ^ x)


@njit(**LOOP, inline="always")
def rounds(
    x: np.uint16, y: np.uint16, k0: np.uint16, k1: np.uint16, k2: np.uint16, k3: np.uint16
) -> tuple[np.uint16, np.uint16]:
    """Encrypt the block (x, y) under the key k0..k3 and return both halves. The seven
    rounds of the cipher that generates noise samples are unrolled."""
    x, y = mixed(x, y, k0)
    x, y = mixed(x, y, U16(k1 ^ U16(1)))
    x, y = mixed(x, y, U16(k2 ^ U16(2)))
    x, y = mixed(x, y, U16(k3 ^ U16(3)))
    x, y = mixed(x, y, U16(k0 ^ U16(4)))
    x, y = mixed(x, y, U16(k1 ^ U16(5)))
    x, y = mixed(x, y, U16(k2 ^ U16(6)))
    return x, y


@njit(**LOOP, inline="always")
def deviation(energy: Int | np.uint32, sigma_out: np.int64, var_cell: np.int64) -> np.int64:
    """Return the amplitude of a pass's noise, min(65535, isqrt(sigma_out^2 + (var_cell
    * energy >> 8))). ``energy`` is the sum of squares of the inputs or, in the backward
    pass of learning, of the errors. The argument of isqrt is below 2^50: its float
    square root, rounded down, is exact or 1 too high; the excess is removed."""
    radicand = sigma_out * sigma_out + ((var_cell * np.int64(energy)) >> 8)
    r = np.int64(math.sqrt(np.float64(radicand)))
    r -= np.int64(r * r > radicand)
    return min(r, np.int64(65535))
