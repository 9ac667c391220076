"""Programming as pulses: forming, then set, reset and verify, by a device's own pulse response.

The laws of ``emulator.device.rram.programming`` say where cells land, this loop what it takes to land there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.device.ecram.pulses import EcramModel
from emulator.errors import PhysicsError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Volts and seconds of set, reset, read and forming pulse; ``pause_s`` follows every set and reset."""

    set_V: float
    reset_V: float
    pulse_s: float
    pause_s: float
    read_V: float
    read_s: float
    forming_V: float = 0.0
    forming_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Written:
    """Of each cell (n,): conductance (uS), sets and resets, reads, seconds on its own, joules (V^2 G t), and
    whether its last read was in the window. ``wear``: the most pulsed cell's part of the endurance."""

    conductance_uS: Floats
    pulses: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    time_s: Floats
    energy_J: Floats
    accepted: npt.NDArray[np.bool_]
    wear: float


def write_verify(
    model: EcramModel,
    driver: Driver,
    target_uS: Floats,
    window_uS: npt.ArrayLike,
    range_uS: tuple[float, float],
    rng: np.random.Generator,
    *,
    read_sigma_uS: float = 0.0,
    most: int = 10_000,
    endurance_pulses: float = np.inf,
) -> Written:
    """Form fresh cells, which are at the lowest conductance then, and read and pulse each until a read is
    within ``window_uS`` of ``target_uS`` (n,) or ``most`` pulses are spent. The bounds of ``model`` stand for
    ``range_uS``.

    Raises
    ------
    PhysicsError
        When a target is outside the range.
    """
    low, high = range_uS
    if np.any((target_uS < low) | (target_uS > high)):
        span = f"{target_uS.min():g}..{target_uS.max():g}"
        raise PhysicsError(f"target_uS is {span}; accepted: {low:g}..{high:g}, the range")
    n, scale = len(target_uS), (high - low) / (model.high - model.low)
    w, live, accepted = np.full(n, model.low), np.ones(n, bool), np.zeros(n, bool)
    pulses, reads = np.zeros(n, np.int64), np.zeros(n, np.int64)
    energy = np.full(n, driver.forming_V**2 * high * 1e-6 * driver.forming_s)  # at most: it ends at ``high``
    while live.any():
        g = low + scale * (w - model.low)
        beside = g + read_sigma_uS * rng.standard_normal(n) - target_uS
        reads += live
        energy += live * driver.read_V**2 * g * 1e-6 * driver.read_s
        accepted |= live & (np.abs(beside) <= window_uS)
        live &= ~accepted & (pulses < most)
        up, down = live & (beside < 0), live & (beside >= 0)
        volts = up * driver.set_V + down * driver.reset_V
        energy += volts**2 * g * 1e-6 * driver.pulse_s
        w = np.where(up, model.pulse(w, True, rng), np.where(down, model.pulse(w, False, rng), w))
        pulses += live
    seconds = driver.forming_s + reads * driver.read_s + pulses * (driver.pulse_s + driver.pause_s)
    wear = float(pulses.max() / endurance_pulses)
    return Written(low + scale * (w - model.low), pulses, reads, seconds, energy, accepted, wear)
