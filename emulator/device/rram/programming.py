"""Programming errors of memory cells: how far a programmed conductance is from its
target. Microsiemens."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import PhysicsError
from ndrite.emulator.spec.arithmetic import Floats


@dataclass(frozen=True)
class ProgrammingError:
    """Programming error of cells: Gaussian, with a standard deviation that is a
    polynomial of the target conductance.

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

    def sigma(self, target_uS: npt.ArrayLike) -> Floats:
        """Return the standard deviation in microsiemens of cells programmed to
        ``target_uS`` (any shape). Raises PhysicsError when a target lies outside
        the fitted range."""
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

    def program(self, target_uS: npt.ArrayLike, rng: np.random.Generator) -> Floats:
        """Return randomly sampled conductances after programming, target +
        sigma(target) * N(0, 1), in the targets' shape. They may be negative;
        ``readable`` clips them as a read does.

        Where a cell landed is kept also below 0, for ageing adds to it;
        ``readable`` is what a read finds. Raises PhysicsError when a target lies
        outside the fitted range.
        """
        # Random numbers are sampled even if sigma is 0, so that two chips that differ
        # only in sigma use the same random numbers for everything sampled later.
        return self.programmed(target_uS, rng.standard_normal(np.shape(target_uS)))

    def programmed(self, target_uS: npt.ArrayLike, noise: Floats) -> Floats:
        """Return the conductances after programming for given standard normal samples
        ``noise``, one per cell. They may be negative."""
        g = np.asarray(target_uS, np.float64)
        return np.asarray(g + self.sigma(g) * noise, np.float64)


def readable(g_uS: npt.ArrayLike) -> Floats:
    """Return the conductances that a read of cells at ``g_uS`` shows:
    negative values become 0."""
    return np.maximum(np.asarray(g_uS, np.float64), 0.0)


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

MILO_2021 = ProgrammingError(
    "milo2021",
    (4.782321, -0.009107),
    1.0,
    (50.0, 225.0),
    "V. Milo et al., IRPS 2021, Fig. 4 (IGVVA-100 algorithm), linear fit by CrossSim (github.com/sandialabs/"
    "cross-sim, simulator/devices/custom/RRAM_Milo.py)",
)

_CMO_SOURCE = (
    "IBM CMO/HfOx 1T1R, arXiv 2502.04524, linear fit by aihwkit (github.com/IBM/aihwkit, "
    "src/aihwkit/inference/noise/reram.py, ReRamCMONoiseModel.coeff_dict), acceptance range "
)

IBM_CMO_02 = ProgrammingError(
    "ibm-cmo-hfox-0.2", (0.00081107, 0.00106879), 1.0, (8.0, 90.0), _CMO_SOURCE + "0.2 %"
)
IBM_CMO_2 = ProgrammingError(
    "ibm-cmo-hfox-2", (0.0112185391, 0.01129027418), 1.0, (8.0, 90.0), _CMO_SOURCE + "2 %"
)

JOSHI_2020 = ProgrammingError(
    "joshi2020",
    (0.26348, 1.9650, -1.1731),
    25.0,
    (0.0, 25.0),
    "phase-change memory of V. Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9, "
    "fitted by S. R. Nandakumar et al., ICECS 2019, as in aihwkit (github.com/IBM/aihwkit, "
    "src/aihwkit/inference/noise/pcm.py, PCMLikeNoiseModel, g_max 25 uS)",
)

MODELS: dict[str, ProgrammingError] = {
    model.name: model for model in (IDEAL, WAN_2022, MILO_2021, IBM_CMO_02, IBM_CMO_2, JOSHI_2020)
}
"""Models of programming errors by the names that chip descriptions use."""

RELAXATIONS: dict[str, ProgrammingError | None] = {"none": None, "wan2022": WAN_2022}
"""Laws of the deviation that cells take on by themselves after the last verifying read,
by the name chip descriptions use.

``wan2022`` is the law of 1 s after programming, whole: the source verified its cells
before, and does not say which part of the deviation its acceptance window left. So it
is an upper bound, by the window's own variance.
"""

STUCK_LOW, STUCK_HIGH = -1, 1
"""Marks of cells that cannot be programmed; a working cell has the mark 0."""


CMO_READ_uS = 0.0277316483
CMO_READ_TIME_S = 1e-6
"""Duration t_read of a read, from aihwkit, ReRamCMONoiseModel.read_dict: sigma = K
log10(G) sqrt(ln((t + t_read) / (2 t_read))), in uS."""
PCM_MAX_uS = 25.0
PCM_READ_TIME_S = 250e-9
"""Duration t_read of a read, from aihwkit, PCMLikeNoiseModel: sigma = G min(0.0088 /
x^0.65, 0.2) sqrt(ln((t + t_read) / (2 t_read))), with x = G / 25 uS."""


def telegraph_sigma(g_uS: npt.ArrayLike, share_percent: float, step_percent: float) -> Floats:
    """Return the standard deviation in microsiemens that telegraph noise causes in
    cells of conductance ``g_uS``, over all cells and times.

    A ``share_percent`` of the cells has a trap, which is full half of the time and
    takes ``step_percent`` of the conductance while it is: two levels, a random
    telegraph signal (S. Machlup, J. Appl. Phys. 25, 341, 1954). Between two inferences
    it may have switched, so its sum over many rows is drawn anew for each.
    """
    step = step_percent / 100 * np.asarray(g_uS, np.float64)
    return np.asarray(step / 2 * np.sqrt(share_percent / 100), np.float64)


def _growth(time_s: float, read_time_s: float) -> float:
    """Return the factor by which 1/f noise depends on the time of a read, at ``time_s``
    seconds and taking ``read_time_s``: sqrt(ln((t + t_read) / (2 t_read)))."""
    return float(np.sqrt(np.log((time_s + read_time_s) / (2 * read_time_s))))


def cmo_read_sigma(g_uS: npt.ArrayLike, time_s: float) -> Floats:
    """Return the read noise in microsiemens of an IBM CMO/HfOx cell at conductance
    ``g_uS``, ``time_s`` seconds after programming.

    Below 1 uS the published logarithm changes sign; it is taken as 0 there. The model's
    read time is 1 us, and no time is below it.
    """
    growth = _growth(time_s, CMO_READ_TIME_S)
    sigma = CMO_READ_uS * growth * np.log10(np.maximum(np.asarray(g_uS, np.float64), 1.0))
    return np.asarray(sigma, np.float64)


def pcm_read_sigma(g_uS: npt.ArrayLike, time_s: float) -> Floats:
    """Return the 1/f noise in microsiemens of a phase-change cell at conductance
    ``g_uS``, ``time_s`` seconds after programming.

    The source takes the factor in front from the conductance right after programming;
    here it is that of the cell as it is. It draws the noise once for a time; here
    every read draws it, as of the CMO cells. The model's read time is 250 ns, and no
    time is below it.
    """
    growth = _growth(time_s, PCM_READ_TIME_S)
    g = np.maximum(np.asarray(g_uS, np.float64), 0.0)
    factor = np.minimum(0.0088 / np.maximum(g / PCM_MAX_uS, 1e-7) ** 0.65, 0.2)
    return np.asarray(g * factor * growth, np.float64)


READ_LAWS: dict[str, Callable[[npt.ArrayLike, float], Floats]] = {
    "ibm-cmo-hfox": cmo_read_sigma,
    "joshi2020": pcm_read_sigma,
}
"""Laws of the read noise of one cell, which depends on its conductance and the time, by
the names that chip descriptions use."""
