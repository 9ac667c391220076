"""variation_of: how a chip description's cells spread, as the integer tables virtual chips are drawn from."""

import dataclasses

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.pulsing import Programming
from ndrite.emulator.mapping.weights import code_max, full_scale
from ndrite.emulator.spec.arrays import Floats
from ndrite.emulator.spec.variation import CODE_FRACTION, TABLE_WORDS, Variation

RATE_ONE = 1 << 16
FIXED_MAX = 65535


def variation_of(chip: Chip) -> Variation:
    """Programming error, drift to the chip's time and stuck cells, by target code.

    A target code a stands for the conductance g_min + a * unit; codes beyond g_max are never targets and
    repeat its entry. Programming error and drift add as variances. Wire and access resistance lower the
    targets (they are in the nominal weights), not the spread around them: a cell is taken to spread as one
    that is not behind a wire.
    """
    cell, time = chip.cell, chip.conditions.time_since_programming_s
    top = code_max(cell)
    per_uS = top / full_scale(chip)
    g = np.minimum(cell.g_min_uS + np.arange(TABLE_WORDS) / per_uS, cell.g_max_uS)
    drift = cell.drift_model
    mean = np.maximum(cell.g_min_uS + np.arange(TABLE_WORDS) / per_uS + drift.shift(g, time), 0.0) * per_uS
    sigma = cell.spread(g, time) * per_uS
    low, high = cell.stuck_at_uS

    def fixed(values: Floats) -> npt.NDArray[np.uint16]:
        scaled: Floats = np.rint(values * (1 << CODE_FRACTION))
        return np.minimum(scaled, FIXED_MAX).astype(np.uint16)

    def rate(percent: float) -> int:
        return min(round(percent / 100 * RATE_ONE), FIXED_MAX)

    stuck_low = rate(cell.stuck_low_percent)
    return Variation(
        mean=fixed(mean),
        sigma=fixed(sigma),
        stuck_low=stuck_low,
        stuck_high=min(rate(cell.stuck_high_percent), FIXED_MAX - stuck_low),
        stuck_code_low=min(round(low * per_uS), top),
        stuck_code_high=min(round(high * per_uS), top),
        code_max=top,
    )


def without_errors(chip: Chip) -> Chip:
    """The chip with cells that land on their targets and stay there."""
    cell = dataclasses.replace(
        chip.cell, programming_error="ideal", drift="none", stuck_low_percent=0.0, stuck_high_percent=0.0
    )
    return dataclasses.replace(chip, cell=cell, programming=Programming())
