"""words: 32 random bits for each device, row or column, by the cipher that read noise is drawn with.

A key of four words, made once for an update (or, for what differs from device to device, for a die),
enciphers (row, column) by the seven rounds of ``ndrite.emulator.spec.noise``: no memory, the same on every
lane count. Pulse trains need a number for every slot; ``mixed`` makes more words from one, by rounds of
Simon32 (Beaulieu et al., ePrint 2013/404) without key: 16 LUTs a round.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.noise import U16, rotated, stream_key, words
from ndrite.emulator.spec.arrays import Ints
from ndrite.emulator.spec.learning import (
    MIX_ROUNDS,
    PROBABILITY_ONE,
    SLOTS_MAX,
    pair_constant,
    round_constant,
)
from ndrite.emulator.spec.noise import counter_word


def key_of(seed: int, domain: int, layer: int, update: int, side: int = 0) -> U16:
    """Four key words, uint16 (4,): Speck64/128 of (update, layer | side) under (seed, domain)."""
    key: U16 = stream_key(seed, domain, 0, counter_word(layer, side, 0), np.array([update]))[0]
    return key


def mixed(x: U16, y: U16) -> tuple[U16, U16]:
    """Rounds of Simon32 without key on both halves of words (any shape)."""
    for i in range(MIX_ROUNDS):
        f = (rotated(x, 15, 16) & rotated(x, 8, 16)) ^ rotated(x, 14, 16)
        x, y = y ^ f ^ np.uint16(round_constant(i)), x
    return x, y


def slots(x: U16, y: U16) -> U16:
    """A number for every slot of a train: uint16 (..., 32) of words x, y (...)."""
    pair = np.arange((SLOTS_MAX + 1) // 2)
    a, b = mixed(x[..., None] ^ pair_constants(), np.broadcast_to(y[..., None], (*y.shape, len(pair))))
    return np.stack([a, b], axis=-1).reshape(*x.shape, -1)


def pair_constants() -> U16:
    """Values that are mixed into the word for each pair of slots, uint16 (16,)."""
    return np.array([pair_constant(i) for i in range((SLOTS_MAX + 1) // 2)], np.uint16)


def nibbles(word: U16) -> tuple[Any, Any, Any, Any]:
    """The four nibbles of a 16-bit word, least significant first."""
    return word & 15, word >> 4 & 15, word >> 8 & 15, word >> 12


def row_thresholds(x: npt.NDArray[np.uint8], rate: int, shift: int) -> Ints:
    """Probability of a pulse in a slot, in 1/65536, of inputs x (K + 1,), the row of biases among them."""
    thresholds: Ints = np.minimum(x.astype(np.int64) * rate >> shift, PROBABILITY_ONE)
    return thresholds


def column_thresholds(error: Ints, exponent: int, rate: int, shift: int) -> Ints:
    """The same of errors (M,), each of which stands for ``error * 2^exponent``."""
    thresholds: Ints = np.minimum(np.abs(error) * rate >> min(max(0, shift - exponent), 63), PROBABILITY_ONE)
    return thresholds


def trains(thresholds: Ints, key: U16, count: int) -> npt.NDArray[np.uint32]:
    """Trains of ``count`` slots, uint32 (n,): bit t is the pulse in slot t."""
    x, y = words(key, 0, np.arange(len(thresholds)))
    pulses = slots(x, y)[:, :count] < thresholds[:, None]
    train: npt.NDArray[np.uint32] = (pulses << np.arange(count)).sum(axis=1).astype(np.uint32)
    return train


def coincidences(rows: npt.NDArray[np.uint32], columns: npt.NDArray[np.uint32]) -> Ints:
    """Slots in which both have a pulse, int64 (K, M)."""
    counts: Ints = np.bitwise_count(rows[:, None] & columns).astype(np.int64)
    return counts
