"""What the ECRAMs of one layer's neurons are set to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ndr.tuning import CURRENT

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class States:
    """ECRAM states of one layer's neurons, each float64 (M,) in 0..1 of the device's range.

    ``voltage`` and ``current`` set the peak voltage and the peak current (the same array's values where one
    device sets both). ``reference`` is the voltage state that the neurons' input gains were set for.
    ``heights`` are the outputs at the peak where no ECRAM sets them. ``loaded`` is the current state the
    input gains were set for, where sources have a resistance for it to load; else None. ``shape`` sets a
    parameter of the curve's shape, where the ECRAM does that; else None.
    """

    voltage: Floats
    current: Floats
    reference: Floats
    heights: Floats
    loaded: Floats | None = None
    shape: Floats | None = None


def kept(states: States, chip: Chip, seconds: float) -> States:
    """The states so many seconds later (earlier, below 0), at the chip's temperature."""

    def moved(values: Floats) -> Floats:
        return chip.ecram.kept(values, seconds, chip.temperature_K)

    return dataclasses.replace(
        states,
        voltage=moved(states.voltage),
        current=moved(states.current),
        shape=None if states.shape is None else moved(states.shape),
    )


def heights_at(states: States, chip: Chip) -> Floats:
    """Outputs at the peak, relative to the nominal device, (M,)."""
    if chip.ecram.tunes not in CURRENT:
        return states.heights
    return np.minimum(chip.ecram.current(states.current), 1.0)


def stretch_at(states: States, chip: Chip) -> Floats:
    """Peak voltages relative to those that the input gains were set for, (M,)."""
    return np.asarray(chip.ecram.voltage(states.voltage) / chip.ecram.voltage(states.reference), np.float64)
