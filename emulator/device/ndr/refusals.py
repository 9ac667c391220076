"""Checks that reject measured curves which no neuron of a chip can have,
each with the reason."""

import numpy as np

from ndrite.emulator.device.sweeps import in_order, legs_of
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Floats

FLAT, FLAT_POINTS, CLIFF = 2e-3, 6, 10.0
"""A peak counts as an instrument's current limit if it is flat to within the
fraction FLAT over FLAT_POINTS points, and its sides are CLIFF times as steep as
those of a parabolic peak."""
FALL_MIN = 0.05
"""Fraction by which the current must fall on both sides of a peak below 0 V."""


def refuse_s_type(where: str, voltage: Floats, current: Floats) -> None:
    """Raise DatasetError if the voltage falls back while the current rises (a current
    sweep on an S-type device): such a current is not a function of the voltage."""
    swept = in_order(current)
    if len(in_order(voltage)) <= len(swept):
        return
    for leg in swept:
        if len({part.up for part in legs_of(voltage[leg.rows]) if not part.jump}) > 1:
            raise DatasetError(
                f"{where}: the voltage falls while the current rises (a sweep of the current on an S-type "
                "device); accepted: N-type devices, whose current falls while the voltage rises"
            )


def refuse_peak_below_0(where: str, v: Floats, smooth: Floats) -> None:
    """Raise DatasetError if the current peaks at a negative voltage: a neuron's sweep
    from 0 V upward would never reach that peak. (A gate voltage may be measured so.)"""
    top = int(smooth.argmax())
    sides = smooth[:top].min(initial=np.inf), smooth[top:].min()
    if v[top] < 0 < smooth[top] and max(sides) < (1 - FALL_MIN) * smooth[top]:
        raise DatasetError(
            f"{where}: the current peaks at {v[top]:g} V, below 0, and a neuron is driven from 0 V up; "
            f"accepted: a peak above 0 V (add a constant, such as {-v[0]:g} V, to the gate voltages and "
            "say so in the card's conditions)"
        )


def refuse_limit(where: str, v: Floats, smooth: Floats, top: int) -> None:
    """Raise DatasetError if the curve has a flat top with steep sides: that is the
    instrument's current limit and not the device's peak."""
    near = np.flatnonzero(smooth < (1 - FLAT) * smooth[top])
    left = int(near[near < top].max(initial=-1)) + 1
    right = int(near[near > top].min(initial=len(v))) - 1
    if right - left + 1 < FLAT_POINTS:
        return
    before = float(np.interp(v[left] - (v[right] - v[left]), v, smooth))
    # A parabolic peak that falls by FLAT at half the width of the flat top falls by
    # nine times as much at one and a half widths. A much steeper fall there indicates
    # an instrument's limit.
    if 1 - before / smooth[top] > CLIFF * 9 * FLAT and v[right] - v[left] > 0.05 * v[-1]:
        raise DatasetError(
            f"{where}: the current stays at {smooth[top]:.3g} A from {v[left]:g} to {v[right]:g} V, which is "
            "an instrument's limit (compliance); accepted: a sweep whose limit lies above the peak"
        )
