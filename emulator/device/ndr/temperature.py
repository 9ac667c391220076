"""What temperature does to a tunnel diode's parameters, from those at a reference temperature.

Tunnel current at the peak: a linear coefficient; weak, and of either sign with the material. Excess current:
carriers tunnel by way of states in the gap, and its exponent has gap and voltage side by side (Chynoweth,
Feldmann, Logan, Phys. Rev. 121, 684, 1961: exp(-(...)(gap - eV + ...)), confirmed there by the temperature
dependence), so a gap that is narrower by some eV does what as many volts more do. The gap goes by
Varshni's formula, gap(T) = gap(0) - a T^2 / (T + b) (Physica 34, 149, 1967). Thermal current: the saturation
current as SPICE's diode has it, (T / Tr)^XTI exp(EG / k (1 / Tr - 1 / T)), besides k T in the exponent.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from emulator.device.ndr.curves import BOLTZMANN_J_PER_K, ELEMENTARY_CHARGE_C, Esaki
from emulator.errors import PhysicsError

BOLTZMANN_EV_PER_K = BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C
SMALLEST_PEAK = 0.05
"""A peak current keeps at least this part of its value at the reference."""


@dataclass(frozen=True, kw_only=True)
class TemperatureLaw:
    """How parameters that hold at ``reference_K`` go with temperature.

    Attributes
    ----------
    gap_eV, saturation_exponent:
        EG and XTI of the saturation current; the defaults are SPICE's, of silicon.
    narrowing_eV_per_K, narrowing_K:
        a and b of the gap; the defaults are silicon's.
    peak_percent_per_K:
        Of the peak current.
    """

    reference_K: float = 300.0
    gap_eV: float = 1.11
    saturation_exponent: float = 3.0
    narrowing_eV_per_K: float = 4.73e-4
    narrowing_K: float = 636.0
    peak_percent_per_K: float = 0.0

    def narrowed_eV(self, kelvin: float) -> float:
        """How much narrower the gap is than at the reference; below 0 where it is colder."""
        return self._below_zero_kelvins(kelvin) - self._below_zero_kelvins(self.reference_K)

    def saturation_factor(self, kelvin: float) -> float:
        """Saturation current in parts of the reference's."""
        activated = self.gap_eV / BOLTZMANN_EV_PER_K * (1.0 / self.reference_K - 1.0 / kelvin)
        return float((kelvin / self.reference_K) ** self.saturation_exponent * np.exp(activated))

    def at(self, device: Esaki, kelvin: float) -> Esaki:
        """``device``, whose parameters hold at the reference, at ``kelvin``.

        Raises
        ------
        PhysicsError
            When the temperature is not above 0, or the currents there leave no peak.
        """
        if not 0 < kelvin < np.inf:
            raise PhysicsError(f"temperature_K is {kelvin}; accepted: above 0, finite")
        if kelvin == self.reference_K:
            return dataclasses.replace(device, temperature_K=kelvin)
        peak = max(1.0 + self.peak_percent_per_K / 100 * (kelvin - self.reference_K), SMALLEST_PEAK)
        excess = np.exp(device.excess_slope_per_V * self.narrowed_eV(kelvin))
        return dataclasses.replace(
            device,
            peak_current_A=device.peak_current_A * peak,
            excess_current_A=float(device.excess_current_A * excess),
            saturation_current_A=device.saturation_current_A * self.saturation_factor(kelvin),
            temperature_K=kelvin,
        )

    def _below_zero_kelvins(self, kelvin: float) -> float:
        return float(self.narrowing_eV_per_K * kelvin**2 / (kelvin + self.narrowing_K))
