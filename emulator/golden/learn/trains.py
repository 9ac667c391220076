"""trains: which slots of a pulse train have a pulse, of rows and of columns, and where both have."""

import numpy as np
import numpy.typing as npt

from emulator.golden.learn.words import slots
from emulator.golden.noise import U16, words
from emulator.spec.arrays import Ints
from emulator.spec.learning import PROBABILITY_ONE


def row_thresholds(x: npt.NDArray[np.uint8], rate: int, shift: int) -> Ints:
    """Probability of a pulse in a slot, in 1/65536, of inputs x (K + 1,), the row of biases among them."""
    found: Ints = np.minimum(x.astype(np.int64) * rate >> shift, PROBABILITY_ONE)
    return found


def column_thresholds(error: Ints, exponent: int, rate: int, shift: int) -> Ints:
    """The same of errors (M,), each of which stands for ``error * 2^exponent``."""
    found: Ints = np.minimum(np.abs(error) * rate >> min(max(0, shift - exponent), 63), PROBABILITY_ONE)
    return found


def trains(thresholds: Ints, key: U16, count: int) -> npt.NDArray[np.uint32]:
    """Trains of ``count`` slots, uint32 (n,): bit t is the pulse in slot t."""
    x, y = words(key, 0, np.arange(len(thresholds)))
    pulses = slots(x, y)[:, :count] < thresholds[:, None]
    train: npt.NDArray[np.uint32] = (pulses << np.arange(count)).sum(axis=1).astype(np.uint32)
    return train


def coincidences(rows: npt.NDArray[np.uint32], columns: npt.NDArray[np.uint32]) -> Ints:
    """Slots in which both have a pulse, int64 (K, M)."""
    found: Ints = np.bitwise_count(rows[:, None] & columns).astype(np.int64)
    return found
