"""backward: the product read from the rows, with its own read noise and converter."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.noise import U16, gaussian, noise, sigma
from emulator.spec.arithmetic import clip, rshift_round
from emulator.spec.arrays import Ints
from emulator.spec.learning import LearningLayer


def row_sums(weights: npt.NDArray[Any], error: Ints) -> Ints:
    """b[k] = sum_m w[k, m] * error[m], int64 (K,), of the rows of inputs."""
    sums: Ints = weights.astype(np.int64) @ error
    return sums


def converted(b: Ints, error: Ints, layer: LearningLayer, key: U16 | None) -> Ints:
    """Codes c (K,) of sums b: read noise (none where ``key`` is None), gain, and the converter's bits."""
    if key is not None and (layer.back_sigma or layer.back_var):
        s = sigma(np.array([np.square(error).sum()]), layer.back_sigma, layer.back_var)
        b = noise(b, s, gaussian(key[None], np.arange(len(b)))[0])
    half = 1 << (layer.back_bits - 1)
    return clip(rshift_round(b * layer.back_gain, layer.back_shift), -half, half - 1)
