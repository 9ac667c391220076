"""The integer operations in which every block is specified. The RTL has operations
of the same names.

All three accept Python integers or NumPy integer arrays and never wrap for the widths
that the geometry proves (``ndrite.emulator.spec.geometry``).
"""

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.integer]
"""Integers of any width, with or without sign."""
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]


Scalar = TypeVar("Scalar", bound=np.generic)
Integer = TypeVar("Integer", int, npt.NDArray[np.int64])
Code = TypeVar("Code", int, IntArray)

INPUT_MAX = 255
V_BITS = 12
V_MIN, V_MAX = -(1 << (V_BITS - 1)), (1 << (V_BITS - 1)) - 1
SIGMA_MAX = 65535
GAUSS_FRACTION = 8
"""Fraction bits of a Gaussian sample g: g / 256 has unit variance."""
SHIFT_MAX = 47
"""Largest ``shift`` or ``vshift`` of a layer."""
TABLE_BITS_MAX = 12
DAC_BITS = (1, 2, 4, 8)
ADC_BITS = range(4, 13)


def rshift_round(v: Integer, s: int) -> Integer:
    """Return ``v`` shifted right by ``s >= 0`` bits, rounding half up: (v + 2^(s-1)) >>
    s; v itself for s = 0."""
    if s == 0:
        return v
    return (v + (1 << (s - 1))) >> s


def clip(v: Integer, lo: int, hi: int) -> Integer:
    """Return ``v`` clipped to [lo, hi]."""
    if isinstance(v, np.ndarray):
        return np.clip(v, lo, hi)
    return min(max(v, lo), hi)


def unit_codes(y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Round values in 0..1 to multiples of 1/255, half up, as the output codes of
    neurons, pools and gates are rounded.

    A billionth is added, so that halves that floats hold a little too low are
    rounded as integers are.
    """
    codes = np.clip(np.floor(np.asarray(y, np.float64) * INPUT_MAX + (0.5 + 1e-9)), 0.0, INPUT_MAX)
    return np.asarray(codes / INPUT_MAX, np.float64)


def isqrt(v: Integer) -> Integer:
    """Return the floor of the square root of a non-negative integer below 2^50."""
    if not isinstance(v, np.ndarray):
        return math.isqrt(v)
    # float64 represents v exactly (v < 2^50). Its square root may be rounded up to the
    # next integer, which is corrected below.
    r = np.sqrt(v.astype(np.float64)).astype(np.int64)
    return r - (r * r > v)


def dac_slice(x: Code, j: int, dac_bits: int) -> Code:
    """Return bit slice number ``j`` of input codes: the ``dac_bits`` bits that begin at
    bit ``j * dac_bits``."""
    return (x >> (j * dac_bits)) & ((1 << dac_bits) - 1)


def slices(dac_bits: int) -> int:
    """Return the number J of bit slices in which an 8-bit input is applied to the rows,
    one after the other."""
    return 8 // dac_bits
