"""updater: what pulses make of the states of devices."""

import numpy as np
import numpy.typing as npt

from emulator.golden.learn.devices import Constants
from emulator.golden.learn.words import nibbles
from emulator.golden.noise import U16
from emulator.spec.arithmetic import clip, rshift_round
from emulator.spec.arrays import Ints
from emulator.spec.learning import COUNT_SHIFT, FACTOR_MAX, FACTOR_ONE, ROOTS, SLOPE_SHIFT, Devices


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
    found: Ints = np.minimum(np.maximum(np.where(up, s + change, s - change), own.low), own.high)
    return found
