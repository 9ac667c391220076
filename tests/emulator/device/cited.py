"""The published laws of cells and ECRAMs, written out a second time from their
sources; uS and seconds.

Sources are in docs/physics.md: aihwkit's ``reram.py`` (Wan 2022, IBM CMO/HfOx) and
``pcm.py`` (Joshi 2020), CrossSim's ``RRAM_Milo.py``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

PROGRAMMING = {
    "ideal": lambda g: 0.0 * g,
    "wan2022": lambda g: (
        0.348 + 16.030 * g / 40 - 43.853 * (g / 40) ** 2 + 45.393 * (g / 40) ** 3 - 16.815 * (g / 40) ** 4
    ),
    "milo2021": lambda g: 4.782321 - 0.009107 * g,
    "ibm-cmo-hfox-0.2": lambda g: (1.06879 * g + 0.81107) / 1000,
    "ibm-cmo-hfox-2": lambda g: (11.29027418 * g + 11.2185391) / 1000,
    "joshi2020": lambda g: 0.26348 + 1.9650 * g / 25 - 1.1731 * (g / 25) ** 2,
}
"""Standard deviation right after programming, of the target."""

CMO_DRIFT = (lambda t: -0.08900206 * np.log(t), lambda t: 0.04201137 * np.log(t) + 0.41183342)
"""Shift and standard deviation of IBM's cells after t seconds, whatever their target."""


def wan_day(g):
    """Wan 2022: total deviation from the target after a day, programming error and
    relaxation together."""
    x = g / 40
    return 0.701 + 22.086 * x - 50.773 * x**2 + 47.095 * x**3 - 16.458 * x**4


def pcm_cells(target, time_s: float, rng):
    """Phase-change cells as aihwkit draws them: programmed, then each with its
    own exponent; (n,)."""
    x = np.maximum(target / 25, 1e-7)
    programmed = target + PROGRAMMING["joshi2020"](target) * rng.standard_normal(target.shape)
    mean = np.minimum(np.maximum(-0.0155 * np.log(x) + 0.0244, 0.049), 0.1)
    spread = np.minimum(np.maximum(-0.0125 * np.log(x) - 0.0059, 0.008), 0.045)
    nu = np.abs(mean + spread * rng.standard_normal(target.shape))
    return programmed * (time_s / 20) ** -nu


def aged(name: str, g, time_s: float):
    """Shift and standard deviation that time adds to cells of drift model ``name``, at
    its presets' times."""
    if name == "none":
        return 0.0 * g, 0.0 * g
    if name == "ibm-cmo-hfox":
        return tuple(law(time_s) + 0.0 * g for law in CMO_DRIFT)
    if (name, time_s) in (("joshi2020", 20.0), ("wan2022", 1.0)):  # where their drift begins
        return 0.0 * g, 0.0 * g
    assert (name, time_s) == ("wan2022", 86400.0)
    added = np.square(wan_day(g)) - np.square(PROGRAMMING["wan2022"](g))
    return 0.0 * g, np.sqrt(np.maximum(added, 0.0))


def linear_step(model: Any, w0: float, pulses: npt.ArrayLike, up: bool) -> npt.NDArray[np.float64]:
    """States of an ECRAM of the linear-step law from ``w0``, after noise-free pulses
    one way, in closed form.

    w(n) = f + (w0 - f) q^n with q = 1 - gamma d / |bound| and f = bound / gamma;
    linear for gamma = 0.
    """
    n = np.asarray(pulses, np.float64)
    d, gamma, bound = (
        (model.step_up, model.gamma_up, model.w_max)
        if up
        else (model.step_down, model.gamma_down, model.w_min)
    )
    sign = 1.0 if up else -1.0
    if gamma == 0:
        return np.clip(w0 + sign * d * n, model.w_min, model.w_max)
    fixed = bound / gamma
    return np.clip(fixed + (w0 - fixed) * (1.0 - gamma * d / abs(bound)) ** n, model.w_min, model.w_max)
