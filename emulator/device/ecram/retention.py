"""How long an ECRAM keeps its state: exponential relaxation to rest, with an activated time constant.

state(t) = rest + (state(0) - rest) exp(-t / tau(T)), tau(T) = tau(Tr) exp(E / k (1 / T - 1 / Tr)): Arrhenius'
law, by which retention is extrapolated throughout the literature. That one exponential describes a device is
illustrative; devices whose states are phases side by side keep them far longer than those of free ions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.temperature import BOLTZMANN_EV_PER_K
from emulator.errors import PhysicsError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Retention:
    """``time_constant_s`` at ``reference_K``, activation energy, and the state 0..1 that is left at last."""

    time_constant_s: float
    energy_eV: float = 0.0
    rest: float = 0.0
    reference_K: float = 300.0

    def __post_init__(self) -> None:
        if not self.time_constant_s > 0:
            raise PhysicsError(f"time_constant_s is {self.time_constant_s}; accepted: above 0")
        if not 0 <= self.rest <= 1:
            raise PhysicsError(f"rest is {self.rest}; accepted: 0..1")

    def time_constant_at(self, kelvin: float) -> float:
        """Seconds at ``kelvin``."""
        activated = self.energy_eV / BOLTZMANN_EV_PER_K * (1.0 / kelvin - 1.0 / self.reference_K)
        return float(self.time_constant_s * np.exp(activated))

    def kept(self, state: npt.ArrayLike, seconds: float, kelvin: float) -> Floats:
        """States (any shape, 0..1) after so many ``seconds``; those before now where seconds are negative, as
        far as 0..1 goes."""
        part = np.exp(-seconds / self.time_constant_at(kelvin))
        moved = self.rest + (np.asarray(state, np.float64) - self.rest) * part
        return np.asarray(np.clip(moved, 0.0, 1.0), np.float64)
