"""Pictures of fits: measured data, fitted model and residuals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.device import fitting
from ndrite.pages.drawing import ACCENT, INK, fitted

POINTS: dict[str, Any] = {"color": INK, "ms": 3, "alpha": 0.4}
RESIDUALS: dict[str, Any] = {"color": ACCENT, "ms": 3, "alpha": 0.5}


def draw_ndr(fit: fitting.NdrFit, path: Path) -> None:
    """Draw current against voltage of every device, the model of the median device, and
    the residuals of each device from its own fitted model."""
    title = f"{fit.model}: rms residual {100 * fit.rms:.2g} % of the peak"
    below = {"xlabel": "voltage (V)", "ylabel": "residual\n(% of peak)"}
    tabulated = fit.model == "table"  # a law holds from 0 V up, a table over its own range
    with fitted(path, below, ylabel="current (mA)", title=title) as (upper, lower):
        label = f"data ({len(fit.curves)} device{'s' if len(fit.curves) > 1 else ''})"
        for curve in fit.curves:
            upper.plot(curve.voltage_V, 1e3 * curve.current_A, ".", label=label, **POINTS)
            label = ""
            on = curve.voltage_V >= (-np.inf if tabulated else 0.0)
            residual = (curve.current_A - curve.model.current(curve.voltage_V))[on] / curve.peak_A
            lower.plot(curve.voltage_V[on], 100 * residual, ".", **RESIDUALS)
        first = min(c.voltage_V[0] for c in fit.curves) if tabulated else 0.0
        v = np.linspace(first, max(c.voltage_V[-1] for c in fit.curves), 1000)
        upper.plot(v, 1e3 * fit.device.current(v), color=ACCENT, lw=1.5, label=f"{fit.model}, median device")


def draw_rram(fit: fitting.RramFit, path: Path) -> None:
    """Draw the programming deviation against the target conductance with its standard
    error, the fitted polynomial, and the residuals."""
    title = f"{int(fit.cells.sum())} cells, {len(fit.target)} targets"
    below = {"xlabel": "target conductance (uS)", "ylabel": "residual (uS)"}
    error = fit.sigma / np.sqrt(2.0 * (fit.cells - 1))
    with fitted(path, below, ylabel="deviation (uS)", title=title) as (upper, lower):
        upper.errorbar(fit.target, fit.sigma, error, fmt="o", color=INK, ms=4, label="data, standard error")
        g = np.linspace(fit.target.min(), fit.target.max(), 500)
        upper.plot(g, fit.model(g), color=ACCENT, label=f"polynomial of degree {len(fit.coefficients) - 1}")
        lower.errorbar(fit.target, fit.sigma - fit.model(fit.target), error, fmt="o", color=ACCENT, ms=4)


def draw_ecram(fit: fitting.EcramFit, path: Path) -> None:
    """Draw conductance, or current, against the pulse number for every branch, with the
    fitted model and residuals."""
    quantity = {"uS": "conductance", "uA": "current"}[fit.unit]
    title = f"rms residual {100 * fit.rms:.2g} % of the range"
    below = {"xlabel": "pulse", "ylabel": f"residual ({fit.unit})"}
    half, middle = (fit.high_uS - fit.low_uS) / 2, (fit.high_uS + fit.low_uS) / 2
    last = max(float(b.pulse[-1]) for b in fit.branches if b.up)
    with fitted(path, below, ylabel=f"{quantity} ({fit.unit})", title=title) as (upper, lower):
        labels = ("data", fit.model)
        for branch in fit.branches:
            x = branch.pulse if branch.up else last + branch.pulse
            upper.plot(x, middle + half * branch.state, ".", label=labels[0], **POINTS)
            upper.plot(x, middle + half * branch.model, color=ACCENT, lw=1, label=labels[1])
            lower.plot(x, half * (branch.state - branch.model), ".", **RESIDUALS)
            labels = ("", "")


def draw_ageing(fit: fitting.AgeingFit, path: Path) -> None:
    """Draw measurements against time, cycles or temperature, with the fitted law
    and the residuals."""
    title = f"{fit.model}: {fit.cells} cells"
    below = {"xlabel": fit.axes[0], "ylabel": "residual"}
    order = np.argsort(fit.x, kind="stable")
    with fitted(path, below, ylabel=fit.axes[1], title=title) as (upper, lower):
        upper.plot(fit.x[order], fit.measured[order], ".", label="data", **POINTS)
        upper.plot(fit.x[order], fit.modelled[order], "_", color=ACCENT, label=fit.model)
        lower.plot(fit.x[order], (fit.measured - fit.modelled)[order], ".", **RESIDUALS)
        if fit.x.min() > 0 and fit.x.max() > 10 * fit.x.min():
            lower.set_xscale("log")


DRAWN: dict[str, Callable[[Any, Path], None]] = {
    "ndr": draw_ndr,
    "rram": draw_rram,
    "ecram": draw_ecram,
    "potentiation": draw_ecram,
    "retention": draw_ageing,
    "endurance": draw_ageing,
    "temperature": draw_ageing,
}
"""Function that draws each kind of fit."""
