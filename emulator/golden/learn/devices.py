"""devices: the constants of every device, worked out whenever asked for; what pulses make of its state."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.learn.words import nibbles
from ndrite.emulator.golden.noise import U16, words
from ndrite.emulator.spec.arithmetic import clip, rshift_round
from ndrite.emulator.spec.arrays import Ints
from ndrite.emulator.spec.learning import (
    BOUND_SHIFT,
    COUNT_SHIFT,
    FACTOR_MAX,
    FACTOR_ONE,
    ROOTS,
    SLOPE_SHIFT,
    STATE_MAX,
    STATE_MIN,
    STEP_MAX,
    Devices,
)


class Constants(NamedTuple):
    """Steps up and down, and bounds in states, int64 of one shape."""

    up: Ints
    down: Ints
    low: Ints
    high: Ints


def constants(
    law: Devices, key: npt.NDArray[np.uint16], row: npt.ArrayLike, column: npt.ArrayLike
) -> Constants:
    """Of the devices at ``row`` and ``column``, which broadcast, under the die's key of the layer.

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


def _cut(values: Any, low: int, high: int) -> Ints:
    return np.asarray(clip(np.asarray(values, np.int64), low, high), np.int64)


def updated(
    s: Ints, count: Ints, up: npt.NDArray[np.bool_], own: Constants, law: Devices, drawn: tuple[U16, U16]
) -> Ints:
    """States after ``count`` >= 1 pulses in the direction ``up``; all of one shape, ``drawn`` too.

    ``drawn``: the words of this update; the high half rounds, the low half is the pulses' deviation.
    """
    slope = np.where(up, law.slope_up, law.slope_down)
    factor = clip(FACTOR_ONE - rshift_round(slope * s, SLOPE_SHIFT), 0, FACTOR_MAX)
    step = rshift_round(np.where(up, own.up, own.down) * factor, 8)
    a, b, _, _ = nibbles(drawn[1])
    deviation = law.cycle.astype(np.int64)[a] + law.cycle[b]
    pulses = (count << COUNT_SHIFT) + rshift_round(ROOTS[count] * deviation, 8)
    fraction = drawn[0].astype(np.int64) >> (16 - law.step_shift)
    change = (pulses * step + fraction) >> law.step_shift
    moved: Ints = np.minimum(np.maximum(np.where(up, s + change, s - change), own.low), own.high)
    return moved
