"""Change of a conductance between two reads: white and 1/f noise, and telegraph noise. Microsiemens."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arrays import Floats

CMO_READ_uS = 0.0277316483
CMO_READ_TIME_S = 1e-6
"""aihwkit, ReRamCMONoiseModel.read_dict: sigma = K log10(G) sqrt(ln((t + t_read) / (2 t_read))), uS."""
PCM_MAX_uS = 25.0
PCM_READ_TIME_S = 250e-9
"""aihwkit, PCMLikeNoiseModel: sigma = G min(0.0088 / x^0.65, 0.2) sqrt(ln((t + t_read) / (2 t_read))), with
x = G / 25 uS."""


def telegraph_sigma(g_uS: npt.ArrayLike, share_percent: float, step_percent: float) -> Floats:
    """Standard deviation of a cell at conductance ``g_uS``, microsiemens, over cells and moments.

    A ``share_percent`` of the cells has a trap, which is full half of the time and takes ``step_percent`` of
    the conductance while it is: two levels, a random telegraph signal (S. Machlup, J. Appl. Phys. 25, 341,
    1954). Between two inferences it may have switched, so its sum over many rows is drawn anew for each.
    """
    step = step_percent / 100 * np.asarray(g_uS, np.float64)
    return np.asarray(step / 2 * np.sqrt(share_percent / 100), np.float64)


def _growth(time_s: float, read_time_s: float) -> float:
    """1/f noise at a time against that of the first read, which takes ``read_time_s``."""
    return float(np.sqrt(np.log((time_s + read_time_s) / (2 * read_time_s))))


def cmo_read_sigma(g_uS: npt.ArrayLike, time_s: float) -> Floats:
    """Read noise of one IBM CMO/HfOx cell, microsiemens, at conductance ``g_uS`` and time in seconds.

    Below 1 uS the published logarithm changes sign; it is taken as 0 there. The model's read time is 1 us,
    and no time is below it.
    """
    growth = _growth(time_s, CMO_READ_TIME_S)
    sigma = CMO_READ_uS * growth * np.log10(np.maximum(np.asarray(g_uS, np.float64), 1.0))
    return np.asarray(sigma, np.float64)


def pcm_read_sigma(g_uS: npt.ArrayLike, time_s: float) -> Floats:
    """1/f noise of one phase-change cell, microsiemens, at conductance ``g_uS`` and time in seconds.

    The source takes the factor in front from the conductance right after programming; here it is that of the
    cell as it is. It draws the noise once for a time; here every read draws it, as of the CMO cells. The
    model's read time is 250 ns, and no time is below it.
    """
    growth = _growth(time_s, PCM_READ_TIME_S)
    g = np.maximum(np.asarray(g_uS, np.float64), 0.0)
    factor = np.minimum(0.0088 / np.maximum(g / PCM_MAX_uS, 1e-7) ** 0.65, 0.2)
    return np.asarray(g * factor * growth, np.float64)


READ_LAWS: dict[str, Callable[[npt.ArrayLike, float], Floats]] = {
    "ibm-cmo-hfox": cmo_read_sigma,
    "joshi2020": pcm_read_sigma,
}
"""Read noise of one cell that depends on its conductance and the time, by the name chip descriptions use."""
