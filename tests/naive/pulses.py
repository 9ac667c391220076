"""The state of an ECRAM of the linear-step law after many noise-free pulses one way, in closed form."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def linear_step(model: Any, w0: float, pulses: npt.ArrayLike, up: bool) -> Floats:
    """From ``w0``: geometric, cut at the bound.

    w(n) = f + (w0 - f) q^n with q = 1 - gamma d / |bound| and f = bound / gamma; linear for gamma = 0.
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
