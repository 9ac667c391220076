"""readout: what one pass adds to the partial sums, through an ADC or directly."""

import numpy as np
import numpy.typing as npt

from emulator.spec.arithmetic import clip, rshift_round
from emulator.spec.layer import Layer


def readout(a: npt.NDArray[np.int64], layer: Layer, dac_slice: int) -> npt.NDArray[np.int64]:
    """Increment of p for noisy columns ``a`` (samples, columns) of slice ``dac_slice``.

    adc: clip(rshift_round(a' * gain, shift) + offset, -2^(B-1), 2^(B-1)-1) << (j*d); analog: a' << (j*d).
    """
    c = a
    if layer.readout == "adc":
        half = 1 << (layer.adc_bits - 1)
        c = rshift_round(a * layer.gain.astype(np.int64), layer.shift) + layer.offset.astype(np.int64)
        c = clip(c, -half, half - 1)
    return c << (dac_slice * layer.dac_bits)
