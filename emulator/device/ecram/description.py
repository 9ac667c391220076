"""The ECRAM at a neuron, as a chip description states it, and how long it keeps its state."""

import dataclasses
from typing import Annotated

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ecram.pulses import (
    EcramModel,
    EcramSpread,
    Exponential,
    LinearStep,
    StepTable,
)
from ndrite.emulator.device.fields import choice, number, numbers, section
from ndrite.emulator.device.ndr.curves import BOLTZMANN_EV_PER_K, CURRENT, SHAPES, TUNES, VOLTAGE, NdrModel
from ndrite.emulator.errors import PhysicsError, require_field
from ndrite.emulator.spec.arithmetic import Floats

TABLE = numbers(0, 100, 1024, models=("step-table",))
"""Number of entries in a table of steps."""


@section("ecram")
class Pulsed:
    """Base class of description sections for a device whose state is changed by pulses:
    the model of its steps and the model's parameters.

    Attributes
    ----------
    model:
        ``none``; ``linear-step`` (aihwkit); ``exponential`` (NeuroSim);
        ``step-table``, measured.
    step_*, w_*, gamma_*:
        Of ``linear-step``, dimensionless. A step of 0: pulses that way do nothing.
    step_*_table, noise_*_table:
        Of ``step-table``: mean steps and their deviations, in the same unit as
        ``w_min`` and ``w_max``, in equal parts of the range between these two, from the
        lowest state to the highest.
    pulses, a_up, a_down:
        Of ``exponential``: pulses from bound to bound, and the constants A in pulses.
    cycle_percent:
        Cycle-to-cycle deviation: of a step (``linear-step``) or of the full range
        (``exponential``); ``step-table`` has tables of it.
    endurance_pulses:
        Pulses that a device survives; None: not known.
    """

    model: Annotated[str, choice(("none", "linear-step", "exponential", "step-table"))] = "none"
    step_up: Annotated[float, number(0, 10, models=("linear-step",))] = 0.01
    step_down: Annotated[float, number(0, 10, models=("linear-step",))] = 0.01
    w_min: Annotated[float, number(-100, -1e-6, models=("linear-step", "step-table"))] = -1.0
    w_max: Annotated[float, number(1e-6, 100, models=("linear-step", "step-table"))] = 1.0
    step_up_table: Annotated[tuple[float, ...], TABLE] = ()
    step_down_table: Annotated[tuple[float, ...], TABLE] = ()
    noise_up_table: Annotated[tuple[float, ...], TABLE] = ()
    noise_down_table: Annotated[tuple[float, ...], TABLE] = ()
    gamma_up: Annotated[float, number(0, 1, models=("linear-step",))] = 0.0
    gamma_down: Annotated[float, number(0, 1, models=("linear-step",))] = 0.0
    pulses: Annotated[int, number(2, 1_000_000, models=("exponential",))] = 100
    a_up: Annotated[float, number(1e-3, 1e9, models=("exponential",))] = 100.0
    a_down: Annotated[float, number(1e-3, 1e9, models=("exponential",))] = 100.0
    cycle_percent: Annotated[float, number(0, 1000)] = 0.0
    endurance_pulses: Annotated[float | None, number(1, 1e18)] = None

    def __post_init__(self) -> None:
        if self.model == "step-table":
            for name, table in (
                ("step_up_table", self.step_up_table),
                ("step_down_table", self.step_down_table),
            ):
                require_field(self, bool(table), name, "a list of numbers, one at least")
            noise = self.noise_up_table or self.noise_down_table
            require_field(self, not self.cycle_percent, "cycle_percent", "0, as step-table has noise_*_table")
            for name, table in (
                ("noise_up_table", self.noise_up_table),
                ("noise_down_table", self.noise_down_table),
            ):
                require_field(self, bool(table) or not noise, name, "a list of numbers, as the other one")

    @property
    def device(self) -> EcramModel | None:
        """The pulse model of the device, with the section's parameters; None if
        ``model`` is ``none``."""
        kinds = {"linear-step": LinearStep, "exponential": Exponential, "step-table": StepTable}
        kind = kinds.get(self.model)
        if kind is None:
            return None
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(kind) if hasattr(self, f.name)}
        sigma = 1.0 if kind is StepTable else self.cycle_percent / 100
        law: EcramModel = kind(**fields, cycle_sigma=sigma)
        return law


@section("ecram")
class Ecram(Pulsed):
    """The ECRAM that belongs to each neuron. Its state sets parameters of the NDR
    device: each is multiplied by a factor that is linear in the state, between a factor
    at the lowest state and a factor at the highest.

    A linear effect of the state is illustrative: the paper's relation is not public. A
    state goes as rest + (state(0) - rest) exp(-t / tau(T)), tau(T) = tau(Tr) exp(E / k
    (1 / T - 1 / Tr)): Arrhenius' law, by which retention is extrapolated throughout the
    literature. That one exponential describes a device is illustrative; devices whose
    states are phases side by side keep them far longer than those of free ions.

    Attributes
    ----------
    tunes, *_low_factor, *_high_factor:
        Parameter of the neuron that the state scales, and the factors at its lowest and
        highest state. ``both``: one device scales both; ``each``: two devices, one for
        either. ``valley`` (of ``esaki``), ``width`` (of ``bell``) and ``second_peak``
        (its current, of ``double``): ``shape_*_factor``.
    states:
        States the chip uses, at most; spread evenly over the pulses from bound to bound.
    *_variation_percent:
        Device-to-device deviations. ``lower_bound_variation_percent`` is that of the
        lower bound; None: as ``bound_variation_percent``.
    step_distribution:
        Distribution of steps over devices: ``normal``, or ``log-normal``, where
        ``step_variation_percent`` is the standard deviation of a step's logarithm and
        the stated steps are medians (aihwkit's ``dw_min_dtod_log_normal``).
    retention_s, retention_energy_eV, retention_rest:
        Time constant of a state's relaxation at ``reference_temperature_K``, its
        activation energy, and the state that is left at last; None: a state stays.
    """

    tunes: Annotated[str, choice(TUNES)] = "none"
    peak_voltage_low_factor: Annotated[float, number(0.01, 100)] = 1.0
    peak_voltage_high_factor: Annotated[float, number(0.01, 100)] = 1.0
    peak_current_low_factor: Annotated[float, number(0.01, 100)] = 1.0
    peak_current_high_factor: Annotated[float, number(0.01, 100)] = 1.0
    shape_low_factor: Annotated[float, number(0, 100)] = 1.0
    shape_high_factor: Annotated[float, number(0, 100)] = 1.0
    states: Annotated[int, number(2, 4096)] = 64
    step_variation_percent: Annotated[float, number(0, 100, models=("linear-step", "step-table"))] = 0.0
    step_distribution: Annotated[str, choice(("normal", "log-normal"))] = "normal"
    asymmetry_variation_percent: Annotated[float, number(0, 100, models=("linear-step", "step-table"))] = 0.0
    bound_variation_percent: Annotated[float, number(0, 100, models=("linear-step", "step-table"))] = 0.0
    lower_bound_variation_percent: Annotated[
        float | None, number(0, 100, models=("linear-step", "step-table"))
    ] = None
    gamma_variation_percent: Annotated[float, number(0, 100, models=("linear-step",))] = 0.0
    retention_s: Annotated[float | None, number(1e-6, 1e18)] = None
    retention_energy_eV: Annotated[float, number(0, 10)] = 0.0
    retention_rest: Annotated[float, number(0, 1)] = 0.0
    reference_temperature_K: Annotated[float, number(1, 1000)] = 300.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("peak_voltage", "peak_current", "shape"):
            low, high = self._factors(name)
            require_field(self, low <= high, f"{name}_low_factor", f"at most {name}_high_factor ({high})")
        tunes = self.tunes == "none" or self.model != "none"
        require_field(self, tunes, "tunes", "none, as ecram.model is none")
        tunes = self.tunes == "none" or self.model != "step-table"
        require_field(self, tunes, "tunes", "none, as ecram.model is step-table, a law of weights")

    @property
    def spread(self) -> EcramSpread:
        """Device-to-device deviations of the models ``linear-step`` and ``step-table``."""
        upper, lower = self.bound_variation_percent, self.lower_bound_variation_percent
        return EcramSpread(
            step_sigma=self.step_variation_percent / 100,
            asymmetry_sigma=self.asymmetry_variation_percent / 100,
            bound_sigma=upper / 100,
            lower_bound_sigma=None if lower is None else lower / 100,
            gamma_sigma=self.gamma_variation_percent / 100,
            log_normal=self.step_distribution == "log-normal",
        )

    @property
    def voltage_factors(self) -> tuple[float, float]:
        """Factors on the NDR device's peak voltage at the lowest and at the
        highest ECRAM state."""
        return self._factors("peak_voltage") if self.tunes in VOLTAGE else (1.0, 1.0)

    @property
    def current_factors(self) -> tuple[float, float]:
        """Factors on the NDR device's peak current at the lowest and at the
        highest ECRAM state."""
        return self._factors("peak_current") if self.tunes in CURRENT else (1.0, 1.0)

    def _factors(self, of: str) -> tuple[float, float]:
        factors = {
            "peak_voltage": (self.peak_voltage_low_factor, self.peak_voltage_high_factor),
            "peak_current": (self.peak_current_low_factor, self.peak_current_high_factor),
            "shape": (self.shape_low_factor, self.shape_high_factor),
        }
        return factors[of]

    def voltage(self, state: npt.ArrayLike) -> Floats:
        """Return the factor on the NDR device's peak voltage at ECRAM states
        ``state`` (any shape)."""
        return _between(self.voltage_factors, state)

    def current(self, state: npt.ArrayLike) -> Floats:
        """Return the factor on the NDR device's peak current at ECRAM states
        ``state`` (any shape)."""
        return _between(self.current_factors, state)

    def shaped(self, device: NdrModel, state: float) -> NdrModel:
        """Return ``device`` with the shape parameter that the ECRAM's ``state`` sets,
        or unchanged if the ECRAM sets no shape parameter. Raises PhysicsError when the
        device does not have the parameter, or the factor yields a value that the
        parameter cannot have."""
        if self.tunes not in SHAPES:
            return device
        kind, field = SHAPES[self.tunes]
        if not isinstance(device, kind):
            raise PhysicsError(
                f"tunes is {self.tunes!r} of a {type(device).__name__}; accepted: valley of esaki, width of "
                "bell, second_peak of double"
            )
        factor = float(_between(self._factors("shape"), state))
        changed = {field: getattr(device, field) * factor}
        try:
            return dataclasses.replace(device, **changed)  # type: ignore[type-var]
        except PhysicsError as error:
            raise PhysicsError(f"shape_{'high' if state else 'low'}_factor is {factor:g}: {error}") from None

    def time_constant_s(self, kelvin: float) -> float:
        """Return the time constant in seconds of the state's relaxation at ``kelvin``;
        inf if the state does not relax."""
        if self.retention_s is None:
            return np.inf
        per_eV = (1.0 / kelvin - 1.0 / self.reference_temperature_K) / BOLTZMANN_EV_PER_K
        return float(self.retention_s * np.exp(min(self.retention_energy_eV * per_eV, 600.0)))

    def kept(self, state: npt.ArrayLike, seconds: float, kelvin: float) -> Floats:
        """Return the ECRAM states (any shape, 0..1) after ``state`` has relaxed for
        ``seconds``. Negative ``seconds`` return the earlier states, clipped to 0..1."""
        if self.retention_s is None:
            return np.asarray(state, np.float64)
        # The lower limit prevents a division by 0, because the time constant underflows
        # to 0 far above the reference temperature. The upper limit prevents an overflow
        # of exp for negative ``seconds``.
        part = np.exp(min(-seconds / max(self.time_constant_s(kelvin), 1e-280), 600.0))
        moved = self.retention_rest + (np.asarray(state, np.float64) - self.retention_rest) * part
        return np.asarray(np.clip(moved, 0.0, 1.0), np.float64)


def _between(factors: tuple[float, float], state: npt.ArrayLike) -> Floats:
    state = np.asarray(state, np.float64)
    if not ((state >= 0) & (state <= 1)).all():
        raise PhysicsError(f"ECRAM state is {state.min()}..{state.max()}; accepted: 0..1")
    low, high = factors
    return low + (high - low) * state
