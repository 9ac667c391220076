"""ECRAM models: the state after each pulse. States are dimensionless; a chip
maps them to curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import Floats


class EcramModel:
    """Model of a device whose state is changed by pulses between two bounds. These are
    0 and 1 unless a subclass has bounds of its own."""

    cycle_sigma: float

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return 1.0

    def pulse(self, w: npt.ArrayLike, up: bool, rng: np.random.Generator | None = None) -> Floats:
        """Return the states after one pulse on states ``w`` (any shape); without
        ``rng`` there is no cycle-to-cycle noise."""
        w = np.asarray(w, np.float64)
        noise = np.zeros(w.shape) if rng is None else self.cycle_sigma * rng.standard_normal(w.shape)
        return np.asarray(np.clip(w + self.step(w, up, noise), self.low, self.high), np.float64)

    def step(self, w: Floats, up: bool, noise: Floats) -> Floats:
        """Return the change that one pulse causes in states ``w``. ``noise`` is
        standard normal; the model scales it."""
        raise NotImplementedError


class Bounded(EcramModel):
    """Base class of device models with bounds of their own, ``w_min`` and ``w_max``."""

    w_min: float
    w_max: float

    @property
    def low(self) -> float:
        return self.w_min

    @property
    def high(self) -> float:
        return self.w_max


@dataclass(frozen=True, kw_only=True)
class LinearStep(Bounded):
    """A device model whose step depends linearly on the state (aihwkit's LinearStepDevice).

    Up: w + d_up (1 - gamma_up w / w_max) (1 + s xi); down: w - d_down (1 - gamma_down w
    / w_min) (1 + s xi); then cut at the bounds (github.com/IBM/aihwkit,
    src/rpucuda/rpu_linearstep_device.cpp, update_once_mult and populate with mean bound
    reference). Bounds lie on both sides of 0. Fields are numbers, or arrays (n,) in a
    ``population`` of n devices.

    Attributes
    ----------
    step_up, step_down:
        Change per pulse at w = 0.
    w_min, w_max:
        Bounds.
    gamma_up, gamma_down:
        How much smaller the step is at its bound than at 0; 0 is linear.
    cycle_sigma:
        Cycle-to-cycle deviation of a step, relative to it.
    """

    step_up: float
    step_down: float
    w_min: float
    w_max: float
    gamma_up: float = 0.0
    gamma_down: float = 0.0
    cycle_sigma: float = 0.0

    def step(self, w: Floats, up: bool, noise: Floats) -> Floats:
        if up:
            return self.step_up * (1.0 - self.gamma_up * w / self.w_max) * (1.0 + noise)
        return -self.step_down * (1.0 - self.gamma_down * w / self.w_min) * (1.0 + noise)

    def population(self, spread: EcramSpread, count: int, rng: np.random.Generator) -> LinearStep:
        """Sample ``count`` devices, each with its own step, asymmetry, bounds and
        gammas (aihwkit's ``*_dtod``). Return them as a single model whose fields
        are arrays (count,)."""
        xi = rng.standard_normal((count, 6)).T
        if spread.log_normal:
            step = np.exp(spread.step_sigma * xi[0])
        else:
            step = np.maximum(1.0 + spread.step_sigma * xi[0], 0.01)
        apart = spread.asymmetry_sigma * xi[1]
        lower, upper = spread.bound_sigmas
        fields: dict[str, Any] = {
            "step_up": self.step_up * step * np.maximum(1.0 + apart, 0.01),
            "step_down": self.step_down * step * np.maximum(1.0 - apart, 0.01),
            "w_min": self.w_min * np.maximum(1.0 + lower * xi[2], 0.01),
            "w_max": self.w_max * np.maximum(1.0 + upper * xi[3], 0.01),
            "gamma_up": np.clip(self.gamma_up * (1.0 + spread.gamma_sigma * xi[4]), 0.0, 1.0),
            "gamma_down": np.clip(self.gamma_down * (1.0 + spread.gamma_sigma * xi[5]), 0.0, 1.0),
            "cycle_sigma": np.full(count, self.cycle_sigma),
        }
        return LinearStep(**fields)


@dataclass(frozen=True, kw_only=True)
class EcramSpread:
    """Standard deviations between devices, each relative to the mean of its parameter.
    With ``log_normal`` steps are log-normal: ``step_sigma`` is the standard deviation
    of their logarithm, and the described step is their median. Lower bounds spread as
    upper ones do unless ``lower_bound_sigma`` is given."""

    step_sigma: float = 0.0
    asymmetry_sigma: float = 0.0
    bound_sigma: float = 0.0
    lower_bound_sigma: float | None = None
    gamma_sigma: float = 0.0
    log_normal: bool = False

    @property
    def bound_sigmas(self) -> tuple[float, float]:
        """Standard deviations of the lower and of the upper bound."""
        return (
            self.bound_sigma if self.lower_bound_sigma is None else self.lower_bound_sigma,
            self.bound_sigma,
        )


@dataclass(frozen=True, kw_only=True)
class StepTable(Bounded):
    """A device model from measured steps: mean and standard deviation of the change per
    pulse as tabulated functions of the state, for each direction.

    Attributes
    ----------
    step_up_table, step_down_table:
        Mean size of a step, in equal parts of the range from the lowest state to the
        highest; linear between the middles of two parts.
    noise_up_table, noise_down_table:
        Deviations of the steps from their means, likewise; empty: none.
    w_min, w_max:
        Bounds.
    """

    step_up_table: tuple[float, ...]
    step_down_table: tuple[float, ...]
    noise_up_table: tuple[float, ...] = ()
    noise_down_table: tuple[float, ...] = ()
    w_min: float
    w_max: float
    cycle_sigma: float = 1.0

    @property
    def largest(self) -> float:
        """The largest mean size of a step, of both directions."""
        return max(*self.step_up_table, *self.step_down_table)

    def mean(self, w: npt.ArrayLike, up: bool) -> Floats:
        """Return the mean size of a step, ``up`` or down, from states ``w`` (any shape)."""
        return self._at(w, self.step_up_table if up else self.step_down_table)

    def deviation(self, w: npt.ArrayLike, up: bool) -> Floats:
        """Return the standard deviation of a step, ``up`` or down, from states
        ``w`` (any shape)."""
        return self._at(w, (self.noise_up_table if up else self.noise_down_table) or (0.0,))

    def _at(self, w: npt.ArrayLike, entries: tuple[float, ...]) -> Floats:
        middles = self.w_min + (np.arange(len(entries)) + 0.5) * (self.w_max - self.w_min) / len(entries)
        return np.interp(np.asarray(w, np.float64), middles, entries)

    def step(self, w: Floats, up: bool, noise: Floats) -> Floats:
        change = self.mean(w, up) + self.deviation(w, up) * noise
        return change if up else -change


@dataclass(frozen=True, kw_only=True)
class Exponential(EcramModel):
    """Device model with NeuroSim's pulse curve, state 0..1. After P of n pulses: up G =
    B (1 - exp(-P / A)), down G = 1 - B (1 - exp((P - n) / A)), with A the curve's
    nonlinearity in pulses and B = 1 / (1 - exp(-n / A)).

    With B = 1 / (1 - exp(-n / A)) for n pulses from bound to bound
    (github.com/neurosim/DNN_NeuroSim_V2.1). A state is moved along the curve from
    wherever it lies on it. ``a_up``, ``a_down`` are the constants A in pulses, smaller
    is less linear; ``cycle_sigma`` is relative to the full range, as there.
    """

    pulses: int
    a_up: float
    a_down: float
    cycle_sigma: float = 0.0

    def step(self, w: Floats, up: bool, noise: Floats) -> Floats:
        # The curve down mirrors the curve up: G(P) = 1 - curve(n - P). A step down
        # therefore has the size of a step up at the same distance from the other bound.
        distance, a = (w, self.a_up) if up else (1.0 - w, self.a_down)
        # One pulse changes a device's distance x from the starting bound to x + (B -
        # x)(1 - exp(-1 / A)).
        b = float(-1.0 / np.expm1(-self.pulses / a))
        step = (b - distance) * -np.expm1(-1.0 / a)
        return np.asarray((step if up else -step) + noise, np.float64)


TABULATED = 64
"""Number of entries in a table of steps that is computed from another pulse law: as
many as in-situ learning uses."""


def step_of(law: EcramModel, w: npt.ArrayLike, up: bool) -> tuple[Floats, Floats]:
    """Return the mean size of a pulse's step from states ``w`` (any shape), and its
    standard deviation from pulse to pulse."""
    w = np.asarray(w, np.float64)
    mean, noisy = (law.step(w, up, np.full(w.shape, noise)) for noise in (0.0, law.cycle_sigma))
    return mean if up else -mean, np.abs(noisy - mean)


def tabulated(law: EcramModel) -> StepTable:
    """Convert any device model to a table of its steps. If the model has no bounds of
    its own, its states 0..1 become -1..1."""
    scale = 1.0 if isinstance(law, Bounded) else 2.0
    w = law.low + (np.arange(TABULATED) + 0.5) * (law.high - law.low) / TABULATED
    (up, noise_up), (down, noise_down) = (step_of(law, w, rises) for rises in (True, False))
    tables = [tuple((scale * np.maximum(steps, 0)).tolist()) for steps in (up, down, noise_up, noise_down)]
    low, high = (law.low, law.high) if isinstance(law, Bounded) else (-1.0, 1.0)
    return StepTable(
        step_up_table=tables[0],
        step_down_table=tables[1],
        noise_up_table=tables[2],
        noise_down_table=tables[3],
        w_min=low,
        w_max=high,
    )


def reachable(model: EcramModel, states: int) -> Floats:
    """Return, in rising order, at most ``states`` of the states that pulses without
    noise can set, scaled to 0..1 of the model's range.

    Counted in pulses up from the lower bound; when there are more pulses than
    ``states``, every n-th.
    """
    w, reached = np.array(model.low), [float(model.low)]
    while len(reached) < 1_000_000:
        w = model.pulse(w, True)
        if float(w) <= reached[-1]:
            break
        if model.high - float(w) < 1e-6 * (float(w) - reached[-1]):
            # Rounding alone makes this state differ from the bound: use the bound itself.
            w = np.array(model.high)
        reached.append(float(w))
    levels = (np.array(reached) - model.low) / (model.high - model.low)
    pick = np.unique(np.rint(np.linspace(0, len(levels) - 1, min(states, len(levels)))).astype(int))
    return np.asarray(levels[pick], np.float64)
