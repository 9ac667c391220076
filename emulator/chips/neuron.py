"""The NDR neuron of a chip description, and the ECRAM that tunes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emulator.chips.fields import check, choice, number, numbers
from emulator.errors import ChipError, PhysicsError
from emulator.physics.ecram import EcramModel, EcramSpread, Exponential, LinearStep
from emulator.physics.ndr import Bell, Esaki, NdrModel, Table, Tunnel
from emulator.physics.tuning import TUNES, Tuning, vary

POINTS_MAX = 4096


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """The NDR device of a neuron. What is computed is the curve in units of its peak.

    Attributes
    ----------
    model:
        ``tunnel``: the tunnel term alone; ``esaki``: with excess and thermal current; ``bell``: Gaussian, of
        width ``width_V``; ``table``: measured, ``table_voltage_V`` against ``table_current_A``.
    *_variation_percent:
        Device-to-device standard deviation of a parameter, in percent of it.
    """

    model: str = choice(("tunnel", "esaki", "bell", "table"), "tunnel")
    peak_voltage_V: float = number(1e-3, 10, 0.1, models=("tunnel", "esaki", "bell"))
    peak_current_mA: float = number(1e-9, 1e3, 1.0, models=("tunnel", "esaki", "bell"))
    valley_voltage_V: float = number(1e-3, 20, 0.5, models=("esaki",))
    excess_current_mA: float = number(0, 1e3, 0.1, models=("esaki",))
    excess_slope_per_V: float = number(1e-3, 1e3, 30.0, models=("esaki",))
    saturation_current_A: float = number(0, 1e-3, 1e-16, models=("esaki",))
    temperature_K: float = number(1, 1000, 300.0, models=("esaki",))
    width_V: float = number(1e-4, 10, 0.05, models=("bell",))
    table_voltage_V: tuple[float, ...] = numbers(-100, 100, POINTS_MAX)
    table_current_A: tuple[float, ...] = numbers(-100, 100, POINTS_MAX)
    peak_voltage_variation_percent: float = number(0, 100, 0.0)
    peak_current_variation_percent: float = number(0, 100, 0.0)
    valley_voltage_variation_percent: float = number(0, 100, 0.0, models=("esaki",))
    excess_current_variation_percent: float = number(0, 100, 0.0, models=("esaki",))
    excess_slope_variation_percent: float = number(0, 100, 0.0, models=("esaki",))
    saturation_current_variation_percent: float = number(0, 100, 0.0, models=("esaki",))
    width_variation_percent: float = number(0, 100, 0.0, models=("bell",))

    def __post_init__(self) -> None:
        check("neuron", self)
        if self.model == "esaki" and not self.valley_voltage_V > self.peak_voltage_V:
            raise ChipError(
                f"neuron.valley_voltage_V is {self.valley_voltage_V}; accepted: above "
                f"neuron.peak_voltage_V ({self.peak_voltage_V})"
            )
        try:
            device = self.device
            if isinstance(device, Esaki):
                _ = device.peak  # refuse parameters without a peak now, not in the middle of a compilation
        except PhysicsError as error:
            raise ChipError(f"neuron.{error}") from None

    @property
    def device(self) -> NdrModel:
        """The device in SI units."""
        current = self.peak_current_mA * 1e-3
        if self.model == "tunnel":
            return Tunnel(self.peak_voltage_V, current)
        if self.model == "bell":
            return Bell(self.peak_voltage_V, current, self.width_V)
        if self.model == "table":
            return Table(np.array(self.table_voltage_V), np.array(self.table_current_A))
        return Esaki(
            peak_voltage_V=self.peak_voltage_V,
            peak_current_A=current,
            valley_voltage_V=self.valley_voltage_V,
            excess_current_A=self.excess_current_mA * 1e-3,
            excess_slope_per_V=self.excess_slope_per_V,
            saturation_current_A=self.saturation_current_A,
            temperature_K=self.temperature_K,
        )

    @property
    def variation(self) -> dict[str, float]:
        """Percent by parameter of the device's class."""
        percent = {
            "peak_voltage_V": self.peak_voltage_variation_percent,
            "peak_current_A": self.peak_current_variation_percent,
        }
        if self.model == "esaki":
            percent |= {
                "valley_voltage_V": self.valley_voltage_variation_percent,
                "excess_current_A": self.excess_current_variation_percent,
                "excess_slope_per_V": self.excess_slope_variation_percent,
                "saturation_current_A": self.saturation_current_variation_percent,
            }
        if self.model == "bell":
            percent["width_V"] = self.width_variation_percent
        return percent

    @property
    def varies(self) -> bool:
        """Whether devices differ at all."""
        return any(self.variation.values())

    def devices(self, count: int, rng: np.random.Generator) -> list[NdrModel]:
        """``count`` individual devices."""
        return [vary(self.device, self.variation, rng) for _ in range(count)]


@dataclass(frozen=True, kw_only=True)
class Ecram:
    """The ECRAM beside a neuron and what of the NDR curve its state sets.

    Attributes
    ----------
    model:
        ``none``; ``linear-step`` (aihwkit); ``exponential`` (NeuroSim).
    tunes, *_low_factor, *_high_factor:
        Parameter of the neuron that the state scales, and the factors at its lowest and highest state.
        ``both``: one device scales both; ``each``: two devices, one for either.
    states:
        States the chip uses, at most; spread evenly over the pulses from bound to bound.
    step_*, w_*, gamma_*:
        Of ``linear-step``, dimensionless.
    pulses, a_up, a_down:
        Of ``exponential``: pulses from bound to bound, and the constants A in pulses.
    cycle_percent:
        Cycle-to-cycle deviation: of a step (``linear-step``) or of the full range (``exponential``).
    *_variation_percent:
        Device-to-device deviations.
    """

    model: str = choice(("none", "linear-step", "exponential"), "none")
    tunes: str = choice(TUNES, "none")
    peak_voltage_low_factor: float = number(0.01, 100, 1.0)
    peak_voltage_high_factor: float = number(0.01, 100, 1.0)
    peak_current_low_factor: float = number(0.01, 100, 1.0)
    peak_current_high_factor: float = number(0.01, 100, 1.0)
    states: int = number(2, 4096, 64)
    step_up: float = number(1e-9, 10, 0.01, models=("linear-step",))
    step_down: float = number(1e-9, 10, 0.01, models=("linear-step",))
    w_min: float = number(-100, -1e-6, -1.0, models=("linear-step",))
    w_max: float = number(1e-6, 100, 1.0, models=("linear-step",))
    gamma_up: float = number(0, 1, 0.0, models=("linear-step",))
    gamma_down: float = number(0, 1, 0.0, models=("linear-step",))
    pulses: int = number(2, 1_000_000, 100, models=("exponential",))
    a_up: float = number(1e-3, 1e9, 100.0, models=("exponential",))
    a_down: float = number(1e-3, 1e9, 100.0, models=("exponential",))
    cycle_percent: float = number(0, 1000, 0.0)
    step_variation_percent: float = number(0, 100, 0.0, models=("linear-step",))
    asymmetry_variation_percent: float = number(0, 100, 0.0, models=("linear-step",))
    bound_variation_percent: float = number(0, 100, 0.0, models=("linear-step",))
    gamma_variation_percent: float = number(0, 100, 0.0, models=("linear-step",))

    def __post_init__(self) -> None:
        check("ecram", self)
        for name in ("peak_voltage", "peak_current"):
            low, high = getattr(self, f"{name}_low_factor"), getattr(self, f"{name}_high_factor")
            if low > high:
                raise ChipError(
                    f"ecram.{name}_low_factor is {low}; accepted: at most {name}_high_factor ({high})"
                )
        if self.tunes != "none" and self.model == "none":
            raise ChipError(f"ecram.tunes is {self.tunes!r}; accepted: none, as ecram.model is none")

    @property
    def device(self) -> EcramModel | None:
        """The device; None without ECRAM."""
        sigma = self.cycle_percent / 100
        if self.model == "linear-step":
            return LinearStep(
                step_up=self.step_up,
                step_down=self.step_down,
                w_min=self.w_min,
                w_max=self.w_max,
                gamma_up=self.gamma_up,
                gamma_down=self.gamma_down,
                cycle_sigma=sigma,
            )
        if self.model == "exponential":
            return Exponential(pulses=self.pulses, a_up=self.a_up, a_down=self.a_down, cycle_sigma=sigma)
        return None

    @property
    def spread(self) -> EcramSpread:
        """Device-to-device deviations of ``linear-step``."""
        return EcramSpread(
            step_sigma=self.step_variation_percent / 100,
            asymmetry_sigma=self.asymmetry_variation_percent / 100,
            bound_sigma=self.bound_variation_percent / 100,
            gamma_sigma=self.gamma_variation_percent / 100,
        )

    @property
    def tuning(self) -> Tuning:
        """What the state does to the neuron."""
        return Tuning(
            tunes=self.tunes,
            voltage_factors=(self.peak_voltage_low_factor, self.peak_voltage_high_factor),
            current_factors=(self.peak_current_low_factor, self.peak_current_high_factor),
        )
