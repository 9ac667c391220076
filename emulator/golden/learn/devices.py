"""devices: random constants of every device, recomputed whenever they are needed, and
the effect of pulses on its state.

Random words: 32 random bits for each device, row or column, by the cipher that read
noise is drawn with.

A key of four words, made once for an update (or, for what differs from device to
device, for a die), enciphers (row, column) by the seven rounds of
``ndrite.emulator.spec.noise``: no memory, the same on every lane count. Pulse trains
need a number for every slot; ``mixed`` makes more words from one, by rounds of Simon32
(Beaulieu et al., ePrint 2013/404) without key: 16 LUTs a round.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.noise import U16, rotated, stream_key, words
from ndrite.emulator.spec.arithmetic import IntArray, Ints, clip, rshift_round
from ndrite.emulator.spec.learning import (
    BOUND_SHIFT,
    COUNT_SHIFT,
    FACTOR_MAX,
    FACTOR_ONE,
    MIX_ROUNDS,
    PROBABILITY_ONE,
    ROOTS,
    SLOPE_SHIFT,
    SLOTS_MAX,
    STATE_MAX,
    STATE_MIN,
    STEP_MAX,
    Devices,
    pair_constant,
    parts_of,
    pulse_constant,
    round_constant,
)
from ndrite.emulator.spec.noise import counter_word


def key_of(seed: int, domain: int, layer: int, update: int, side: int = 0) -> U16:
    """Return a key of four words, uint16 (4,): Speck64/128 encryption of (update, layer
    | side) under the key (seed, domain)."""
    key: U16 = stream_key(seed, domain, 0, counter_word(layer, side, 0), np.array([update]))[0]
    return key


def mixed(x: U16, y: U16) -> tuple[U16, U16]:
    """Mix both halves x, y (any shape) of 32-bit words by rounds of Simon32 without a key."""
    for i in range(MIX_ROUNDS):
        f = (rotated(x, 15, 16) & rotated(x, 8, 16)) ^ rotated(x, 14, 16)
        x, y = y ^ f ^ np.uint16(round_constant(i)), x
    return x, y


def slots(x: U16, y: U16) -> U16:
    """Return a pseudo-random number for every time slot of pulse trains, uint16 (...,
    32), made from the words x, y of shape (...)."""
    constants = pair_constants()
    a, b = mixed(x[..., None] ^ constants, np.broadcast_to(y[..., None], (*y.shape, len(constants))))
    return np.stack([a, b], axis=-1).reshape(*x.shape, -1)


def pair_constants() -> U16:
    """Return the constants uint16 (16,) that are mixed into a random word, one for each
    pair of time slots."""
    return np.array([pair_constant(i) for i in range((SLOTS_MAX + 1) // 2)], np.uint16)


def nibbles(word: U16) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return the four nibbles of a 16-bit word, least significant first."""
    return word & 15, word >> 4 & 15, word >> 8 & 15, word >> 12


def row_thresholds(x: npt.NDArray[np.uint8], rate: int, shift: int) -> Ints:
    """Return the probability that a row is pulsed in a time slot, in units of 1/65536,
    for each row: inputs x (K + 1,) with the bias row last."""
    thresholds: Ints = np.minimum(x.astype(np.int64) * rate >> shift, PROBABILITY_ONE)
    return thresholds


def column_thresholds(error: Ints, exponent: int, rate: int, shift: int) -> Ints:
    """Return the probability that a column is pulsed in a time slot, in
    units of 1/65536, for each column. The errors (M,) of the columns are
    ``error * 2^exponent``."""
    thresholds: Ints = np.minimum(np.abs(error) * rate >> min(max(0, shift - exponent), 63), PROBABILITY_ONE)
    return thresholds


def trains(thresholds: Ints, key: U16, count: int) -> npt.NDArray[np.uint32]:
    """Sample pulse trains of ``count`` time slots, uint32 (n,): bit t is set if there
    is a pulse in time slot t."""
    x, y = words(key, 0, np.arange(len(thresholds)))
    pulses = slots(x, y)[:, :count] < thresholds[:, None]
    train: npt.NDArray[np.uint32] = (pulses << np.arange(count)).sum(axis=1).astype(np.uint32)
    return train


def coincidences(rows: npt.NDArray[np.uint32], columns: npt.NDArray[np.uint32]) -> Ints:
    """Return for each row and column the number of time slots in which both are
    pulsed, int64 (K, M)."""
    counts: Ints = np.bitwise_count(rows[:, None] & columns).astype(np.int64)
    return counts


class Constants(NamedTuple):
    """Constants of individual devices, int64 arrays of one shape: the sizes of a
    device's steps up and down, and the lowest and highest state that it can take."""

    up: Ints
    down: Ints
    low: Ints
    high: Ints


def constants(
    law: Devices, key: npt.NDArray[np.uint16], row: npt.ArrayLike, column: npt.ArrayLike
) -> Constants:
    """Sample the constants of the devices at ``row`` and ``column`` (which broadcast)
    under ``key``, the key of the die and the layer.

    The low half of the word draws the steps, the high half the bounds.
    """
    x, y = words(key, row, column)
    a, b, c, d = nibbles(y)
    step = law.step.astype(np.int64)[a] + law.step[b]
    asymmetry = law.asymmetry.astype(np.int64)[c] + law.asymmetry[d]
    a, b, c, d = nibbles(x)
    upper = law.upper.astype(np.int64)[a] + law.upper[b]
    lower = law.lower.astype(np.int64)[c] + law.lower[d]
    return Constants(
        up=_cut(step + asymmetry, 0, STEP_MAX),
        down=_cut(step - asymmetry, 0, STEP_MAX),
        low=_cut(lower << BOUND_SHIFT, STATE_MIN, 0),
        high=_cut(upper << BOUND_SHIFT, 0, STATE_MAX),
    )


def _cut(values: IntArray, low: int, high: int) -> Ints:
    return np.asarray(clip(np.asarray(values, np.int64), low, high), np.int64)


class Pulses(NamedTuple):
    """Pulses of one update: for each of n devices its row and column, the number of
    pulses, int64 (n,) and at least 1, and whether they raise the state, bool (n,)."""

    row: IntArray
    column: IntArray
    number: Ints
    up: npt.NDArray[np.bool_]


def pulsed(s: Ints, pulses: Pulses, own: Constants, law: Devices, key: U16) -> Ints:
    """Return the states (n,) of devices after ``pulses``. ``key``: the update's,
    under which the devices at their rows and columns have their words. The pulses
    are taken at once, or where the law is ``serial`` one after the other, under
    keys of their own.
    """
    row, column, number, up = pulses
    if not law.serial:
        return updated(s, number, up, own, law, words(key, row, column))
    row, column = (np.broadcast_to(place, s.shape) for place in (row, column))
    states, single = s.copy(), np.ones_like(number)
    for pulse in range(int(number.max(initial=0))):
        (live,) = np.nonzero(number > pulse)
        pulse_key = key ^ np.array([pulse_constant(pulse), 0, 0, 0], np.uint16)
        drawn = words(pulse_key, row[live], column[live])
        constants_now = Constants(*(values[live] for values in own))
        states[live] = updated(states[live], single[live], up[live], constants_now, law, drawn)
    return states


def updated(
    s: Ints, count: Ints, up: npt.NDArray[np.bool_], own: Constants, law: Devices, drawn: tuple[U16, U16]
) -> Ints:
    """Return the states of devices after ``count`` >= 1 pulses in the direction
    ``up``, applied as a single step. All arrays, including the random words ``drawn``,
    have the same shape.

    ``drawn``: the words of this update; the high half rounds, the low half is the
    pulses' deviation.
    """
    own_step = np.where(up, own.up, own.down)
    if law.steps is None:
        slope = np.where(up, law.slope_up, law.slope_down)
        factor = clip(FACTOR_ONE - rshift_round(slope * s, SLOPE_SHIFT), 0, FACTOR_MAX)
        step = noise_step = rshift_round(own_step * factor, 8)
    else:
        part = parts_of(s)
        means, noises = (law.steps.up, law.steps.down), (law.steps.noise_up, law.steps.noise_down)
        step, noise_step = (
            rshift_round(own_step * np.where(up, rising[part], falling[part]).astype(np.int64), 8)
            for rising, falling in (means, noises)
        )
    a, b, _, _ = nibbles(drawn[1])
    deviation = law.cycle.astype(np.int64)[a] + law.cycle[b]
    scattered = rshift_round(ROOTS[count] * deviation, 8)
    fraction = drawn[0].astype(np.int64) >> (16 - law.step_shift)
    change = ((count << COUNT_SHIFT) * step + scattered * noise_step + fraction) >> law.step_shift
    moved: Ints = np.minimum(np.maximum(np.where(up, s + change, s - change), own.low), own.high)
    return moved
