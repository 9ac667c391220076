"""array: exact integer column sums of the crossbar, by floating-point BLAS,
and their read-out."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import INPUT_MAX, IntArray, clip, rshift_round
from ndrite.emulator.spec.layer import Layer

FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53


def array(x: IntArray, w: IntArray) -> npt.NDArray[np.int64]:
    """Return the column sums a = x @ w of one pass, int64 (samples, columns). ``x`` is
    one bit slice of the inputs, uint8 (samples, rows); ``w`` holds signed conductance
    codes (rows, columns).

    Exact: every partial sum is below the float type's integer range.
    """
    bound = x.shape[1] * INPUT_MAX * int(np.abs(w.astype(np.int64)).max(initial=0))
    dtype = np.float32 if bound < FLOAT32_EXACT else np.float64
    assert bound < FLOAT64_EXACT
    sums: npt.NDArray[np.int64] = (x.astype(dtype) @ w.astype(dtype)).astype(np.int64)
    return sums


def readout(a: npt.NDArray[np.int64], layer: Layer, dac_slice: int) -> npt.NDArray[np.int64]:
    """Return the contribution of one pass to the partial sum p: the noisy column sums
    ``a`` (samples, columns) of bit slice number ``dac_slice`` of the inputs, converted
    by the ADC or analog, and shifted left by the position of the slice.

    adc: clip(rshift_round(a' * gain, shift) + offset, -2^(B-1), 2^(B-1)-1) << (j*d);
    analog: a' << (j*d).
    """
    c = a
    if layer.readout == "adc":
        half = 1 << (layer.adc_bits - 1)
        c = rshift_round(a * layer.gain.astype(np.int64), layer.shift) + layer.offset.astype(np.int64)
        c = clip(c, -half, half - 1)
    return c << (dac_slice * layer.dac_bits)
