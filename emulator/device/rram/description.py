"""The memory cell of a chip description."""

import dataclasses
from typing import Annotated

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.fields import choice, number, numbers, section
from ndrite.emulator.device.rram.drift import DRIFTS, Drift
from ndrite.emulator.device.rram.programming import (
    MODELS,
    READ_LAWS,
    RELAXATIONS,
    STUCK_HIGH,
    STUCK_LOW,
    ProgrammingError,
    telegraph_sigma,
)
from ndrite.emulator.errors import ChipError, require, require_field
from ndrite.emulator.spec.arithmetic import Floats

FITTED = "fitted"
"""Name of the programming error whose polynomial is stated in the chip description itself."""
FITTED_DRIFTS = ("power-law", "logarithmic")
"""Names of the drift laws whose parameters are stated in the chip description itself."""
READ_NOISES = ("constant", *READ_LAWS)


@section("cell")
class Cell:
    """One memory cell. A weight is the difference of the conductances of two cells.

    Attributes
    ----------
    g_min_uS, g_max_uS, levels:
        ``levels`` targets are spread evenly over g_min_uS..g_max_uS.
    on_off_ratio:
        When given, g_min_uS is g_max_uS / on_off_ratio.
    programming_error:
        A published model, or ``fitted``: sigma = sum_i error_coefficients_uS[i] (G /
        error_reference_uS)^i, measured over fitted_min_uS..fitted_max_uS.
    error_scale:
        Factor on the deviations of programming and of drift: a worse or a better cell
        of the same kind.
    read_noise_model, read_noise_percent:
        ``constant``: standard deviation of an effective weight at every read, in
        percent of g_max_uS. Any other: of the published law of that name, which depends
        on conductance and time.
    telegraph_percent, telegraph_step_percent:
        Cells with a trap, and the part of a cell's conductance that its full trap takes.
    telegraph_dwell:
        Inferences for which a trap keeps its state on average (``explain`` alone
        computes it); None: traps are drawn anew at every read, as read noise is.
    drift:
        Effect of the time since programming: a published model, or ``power-law``, G (t
        / drift_from_s)^-nu, or ``logarithmic``, G + s ln(t / drift_from_s), with your
        own nu or s (``ndrite fit retention``).
    drift_mean, drift_deviation, drift_from_s:
        Of these two: mean of nu, or of s in microsiemens, its standard deviation over
        cells, and the time from which on cells drift; before, they are as programmed.
    relaxation, relaxation_s:
        Law of the deviation that a cell takes on after its last verifying read, and its
        time constant: a part 1 - exp(-t / relaxation_s) of the variance after t
        seconds; 0: all of it at the first read. Acts where ``programming`` verifies
        pulses; ``programming_error`` is measured after relaxation and holds it.
    stuck_low_percent, stuck_high_percent, stuck_low_uS, stuck_high_uS:
        Cells that do not program, and their conductances (g_min_uS and g_max_uS unless given).
    iv_cubic_per_V2:
        c of I = G V (1 + c V^2) / (1 + c Vr^2), Vr the read voltage; 0 is ohmic.
    weight_bits:
        Resolution the emulator keeps of the difference (9: two 8-bit conductances;
        8: two 7-bit ones).
    """

    g_min_uS: Annotated[float, number(0, 1e6)] = 0.0
    g_max_uS: Annotated[float, number(1e-6, 1e6)]
    levels: Annotated[int, number(2, 256)]
    on_off_ratio: Annotated[float | None, number(1.000001, 1e12)] = None
    programming_error: Annotated[str, choice((*MODELS, FITTED))] = "ideal"
    error_coefficients_uS: Annotated[tuple[float, ...], numbers(-1e6, 1e6, 8)] = ()
    error_reference_uS: Annotated[float, number(1e-6, 1e6)] = 1.0
    fitted_min_uS: Annotated[float, number(0, 1e6)] = 0.0
    fitted_max_uS: Annotated[float, number(1e-6, 1e6)] = 1e6
    error_scale: Annotated[float, number(0, 100)] = 1.0
    read_noise_model: Annotated[str, choice(READ_NOISES)] = "constant"
    read_noise_percent: Annotated[float, number(0, 5)] = 0.0
    telegraph_percent: Annotated[float, number(0, 100)] = 0.0
    telegraph_step_percent: Annotated[float, number(0, 100)] = 0.0
    telegraph_dwell: Annotated[float | None, number(2, 1e6)] = None
    drift: Annotated[str, choice(tuple(DRIFTS))] = "none"
    drift_mean: Annotated[float, number(-100, 100)] = 0.0
    drift_deviation: Annotated[float, number(0, 100)] = 0.0
    drift_from_s: Annotated[float, number(1e-9, 1e9)] = 1.0
    relaxation: Annotated[str, choice(tuple(RELAXATIONS))] = "none"
    relaxation_s: Annotated[float, number(0, 1e9)] = 0.0
    stuck_low_percent: Annotated[float, number(0, 100)] = 0.0
    stuck_high_percent: Annotated[float, number(0, 100)] = 0.0
    stuck_low_uS: Annotated[float | None, number(0, 1e6)] = None
    stuck_high_uS: Annotated[float | None, number(0, 1e6)] = None
    iv_cubic_per_V2: Annotated[float, number(0, 1e3)] = 0.0
    weight_bits: Annotated[int, choice((8, 9))] = 9

    def __post_init__(self) -> None:
        if self.on_off_ratio is not None:
            g_min_expected = self.g_max_uS / self.on_off_ratio
            left = f"left out, or g_max_uS / on_off_ratio ({g_min_expected})"
            require_field(self, self.g_min_uS in (0.0, g_min_expected), "g_min_uS", left)
            object.__setattr__(self, "g_min_uS", g_min_expected)
        below = f"below cell.g_max_uS ({self.g_max_uS})"
        require_field(self, self.g_min_uS < self.g_max_uS, "g_min_uS", below)
        if self.programming_error == FITTED and not self.error_coefficients_uS:
            raise ChipError(
                "cell.error_coefficients_uS is empty; accepted: at least one number, for "
                "programming_error 'fitted'"
            )
        low, high = self.error_model.fitted_uS
        for name, limit in (("g_min_uS", self.g_min_uS), ("g_max_uS", self.g_max_uS)):
            fitted = f"{low}..{high}, the fitted range of programming_error {self.programming_error!r}"
            require_field(self, low <= limit <= high, name, fitted)
        stuck = self.stuck_low_percent
        accepted = f"at most {100 - stuck}, with stuck_low_percent {stuck}"
        require_field(self, stuck + self.stuck_high_percent <= 100, "stuck_high_percent", accepted)
        low, high = self.stuck_at_uS
        require(low <= high, "cell.stuck_low_uS", low, f"at most stuck_high_uS ({high})", ChipError)

    @property
    def error_model(self) -> ProgrammingError:
        """The programming error model that the description names, with its standard
        deviation scaled by ``error_scale``."""
        fitted = ProgrammingError(
            FITTED,
            self.error_coefficients_uS,
            self.error_reference_uS,
            (self.fitted_min_uS, self.fitted_max_uS),
            "this chip description",
        )
        model = MODELS.get(self.programming_error, fitted)
        scaled = tuple(c * self.error_scale for c in model.coefficients_uS)
        return dataclasses.replace(model, coefficients_uS=scaled)

    @property
    def drift_model(self) -> Drift:
        """The drift model that the description names, with ``error_scale`` on its
        spread or with the fitted parameters."""
        model = dataclasses.replace(DRIFTS[self.drift], scale=self.error_scale)
        if self.drift not in FITTED_DRIFTS:
            return model
        own = {"mean": self.drift_mean, "deviation": self.drift_deviation, "first_s": self.drift_from_s}
        return dataclasses.replace(model, **own)

    def spread(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the standard deviation in microsiemens (any shape) of cells ``time_s``
        seconds after they were programmed to ``target_uS``: programming error and
        drift, added as variances. Raises the errors of the two models."""
        drift = self.drift_model
        error = drift.fade(target_uS, time_s) * self.error_model.sigma(target_uS)
        return np.asarray(np.hypot(error, drift.sigma(target_uS, time_s)), np.float64)

    def relaxed_sigma(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the standard deviation in microsiemens (any shape) that relaxation
        adds to cells within ``time_s`` seconds after they were verified at
        ``target_uS``. Raises PhysicsError outside the law's range."""
        law = RELAXATIONS[self.relaxation]
        if law is None:
            return np.zeros_like(target_uS)
        part = 1.0 if not self.relaxation_s else -np.expm1(-time_s / self.relaxation_s)
        return np.asarray(self.error_scale * np.sqrt(part) * law.sigma(target_uS), np.float64)

    def read_sigma(self, pairs_uS: Floats, time_s: float) -> float:
        """Return the standard deviation in microsiemens of one read of a weight, a
        differential pair of cells, without telegraph noise: the root mean square over
        the conductances ``pairs_uS`` (2, ...), ``time_s`` seconds after programming.
        Raises the errors of the read-noise law."""
        if self.read_noise_model == "constant":
            # Additive noise, the same for every conductance, like aihwkit's ``w_noise``
            # with ``WeightNoiseType.ADDITIVE_CONSTANT``.
            return self.read_noise_percent / 100 * self.g_max_uS
        return _over_pairs(READ_LAWS[self.read_noise_model](pairs_uS, time_s))

    def telegraph_sigma(self, pairs_uS: Floats) -> float:
        """Return the standard deviation in microsiemens that telegraph noise causes in
        a weight, a differential pair of cells: the root mean square over the
        conductances ``pairs_uS`` (2, ...)."""
        return _over_pairs(telegraph_sigma(pairs_uS, self.telegraph_percent, self.telegraph_step_percent))

    @property
    def stuck_at_uS(self) -> tuple[float, float]:
        """Conductances of a cell stuck low and of a cell stuck high, microsiemens."""
        low = self.g_min_uS if self.stuck_low_uS is None else self.stuck_low_uS
        high = self.g_max_uS if self.stuck_high_uS is None else self.stuck_high_uS
        return low, high

    def draw_stuck(self, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.int8]:
        """Choose at random which cells are stuck, each independently. Return
        ``STUCK_LOW``, ``STUCK_HIGH``, or 0 for a working cell."""
        # One random number per cell whatever the rates of stuck cells are, so that a
        # change of a rate does not change the random numbers drawn later.
        u = rng.random(shape)
        stuck = np.zeros(shape, np.int8)
        stuck[u < self.stuck_low_percent / 100] = STUCK_LOW
        stuck[u >= 1.0 - self.stuck_high_percent / 100] = STUCK_HIGH
        return stuck

    def with_stuck(self, g_uS: Floats, stuck: npt.NDArray[np.int8]) -> Floats:
        """Return the conductances ``g_uS`` with the value of each stuck cell replaced
        by the conductance at which it is stuck."""
        return np.where(stuck == 0, g_uS, np.where(stuck == STUCK_LOW, *self.stuck_at_uS))


def _over_pairs(sigma_uS: Floats) -> float:
    """Return the standard deviation of the difference of two cells, as the
    root mean square over pairs: ``sigma_uS`` (2, ...) are the standard
    deviations of both cells."""
    return float(np.sqrt(np.square(sigma_uS).sum(axis=0).mean()))
