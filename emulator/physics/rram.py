"""RRAM cells: how far a programmed conductance lands from its target, and read noise. Microsiemens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.errors import PhysicsError

Conductances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ProgrammingError:
    """Gaussian error whose standard deviation is a polynomial of the target conductance.

    Parameters
    ----------
    name:
        Name used in chip descriptions.
    coefficients_uS:
        c[i] of sigma = sum_i c[i] (G / reference_uS)^i, microsiemens, rising powers.
    reference_uS:
        Conductance the polynomial is normalised to.
    fitted_uS:
        Range of targets the polynomial was fitted over; targets outside are refused.
    source:
        Where the coefficients were read.
    """

    name: str
    coefficients_uS: tuple[float, ...]
    reference_uS: float
    fitted_uS: tuple[float, float]
    source: str

    def sigma(self, target_uS: npt.ArrayLike) -> Conductances:
        """Standard deviation in microsiemens of cells programmed to ``target_uS`` (any shape).

        Raises
        ------
        PhysicsError
            When a target lies outside the fitted range.
        """
        g = np.asarray(target_uS, np.float64)
        low, high = self.fitted_uS
        outside = ~((g >= low) & (g <= high))
        if outside.any():
            raise PhysicsError(
                f"target conductance is {g[outside].flat[0]} uS; accepted by programming error model "
                f"{self.name!r}: {low}..{high} uS, the range it was fitted over"
            )
        sigma = np.polynomial.polynomial.polyval(g / self.reference_uS, self.coefficients_uS)
        return np.asarray(sigma, np.float64)

    def program(self, target_uS: npt.ArrayLike, rng: np.random.Generator) -> Conductances:
        """Conductances after programming: target + sigma(target) * N(0, 1), never below 0 (same shape).

        Raises
        ------
        PhysicsError
            When a target lies outside the fitted range.
        """
        g = np.asarray(target_uS, np.float64)
        sigma = self.sigma(g)
        # The draw is made even where sigma is 0, so that chips differing in one value stay comparable.
        return np.maximum(g + sigma * rng.standard_normal(g.shape), 0.0)


IDEAL = ProgrammingError("ideal", (0.0,), 1.0, (0.0, np.inf), "no error, by definition")

WAN_2022 = ProgrammingError(
    "wan2022",
    (0.348, 16.030, -43.853, 45.393, -16.815),
    40.0,
    (0.0, 40.0),
    "W. Wan et al., Nature 608, 504 (2022), doi 10.1038/s41586-022-04992-8: 4th-order fit to the published "
    "figures 1 s after programming, by aihwkit (github.com/IBM/aihwkit, "
    "src/aihwkit/inference/noise/reram.py, ReRamWan2022NoiseModel, normalised to 40 uS)",
)

MODELS: dict[str, ProgrammingError] = {model.name: model for model in (IDEAL, WAN_2022)}
"""Programming error models by the name chip descriptions use."""


def effective_read_sigma(read_noise_percent: float, g_max_uS: float) -> float:
    """Standard deviation in microsiemens of one effective weight (a differential pair) at a read.

    ``read_noise_percent`` is in percent of ``g_max_uS``, additive and independent of the conductance, as
    aihwkit's ``w_noise`` with ``WeightNoiseType.ADDITIVE_CONSTANT``.

    Raises
    ------
    PhysicsError
        When a value is negative.
    """
    for field, value in (("read_noise_percent", read_noise_percent), ("g_max_uS", g_max_uS)):
        if not 0 <= value < np.inf:
            raise PhysicsError(f"{field} is {value}; accepted: 0 or more, finite")
    return read_noise_percent / 100 * g_max_uS
