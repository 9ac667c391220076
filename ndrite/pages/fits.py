"""Pictures of fits: data, model and residuals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emulator.device import fitting
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK


def draw_ndr(fit: fitting.NdrFit, path: Path) -> None:
    """Current against voltage of every device, the median device's model, residuals of each own fit."""
    figure, upper, lower = _figure()
    for i, curve in enumerate(fit.curves):
        label = f"data ({len(fit.curves)} device{'s' if len(fit.curves) > 1 else ''})" if i == 0 else None
        upper.plot(curve.voltage_V, 1e3 * curve.current_A, ".", color=INK, ms=3, alpha=0.4, label=label)
        on = curve.voltage_V >= (-np.inf if fit.model == "table" else 0.0)  # laws are of a driven neuron
        residual = (curve.current_A - curve.model.current(curve.voltage_V))[on] / curve.peak_A
        lower.plot(curve.voltage_V[on], 100 * residual, ".", color=ACCENT, ms=3, alpha=0.5)
    first = min(float(c.voltage_V[0]) for c in fit.curves) if fit.model == "table" else 0.0
    v = np.linspace(first, max(float(c.voltage_V[-1]) for c in fit.curves), 1000)
    upper.plot(v, 1e3 * fit.device.current(v), color=ACCENT, lw=1.5, label=f"{fit.model}, median device")
    upper.set(ylabel="current (mA)", title=f"{fit.model}: rms residual {100 * fit.rms:.2g} % of the peak")
    lower.set(xlabel="voltage (V)", ylabel="residual\n(% of peak)")
    _finish(figure, upper, lower, path)


def draw_rram(fit: fitting.RramFit, path: Path) -> None:
    """Deviation against target, with its standard error, the polynomial, and the difference."""
    figure, upper, lower = _figure()
    error = fit.sigma / np.sqrt(2.0 * (fit.cells - 1))
    upper.errorbar(fit.target, fit.sigma, error, fmt="o", color=INK, ms=4, label="data, standard error")
    g = np.linspace(fit.target.min(), fit.target.max(), 500)
    upper.plot(g, fit.model(g), color=ACCENT, label=f"polynomial of degree {len(fit.coefficients) - 1}")
    upper.set(ylabel="deviation (uS)", title=f"{int(fit.cells.sum())} cells, {len(fit.target)} targets")
    lower.errorbar(fit.target, fit.sigma - fit.model(fit.target), error, fmt="o", color=ACCENT, ms=4)
    lower.set(xlabel="target conductance (uS)", ylabel="residual (uS)")
    _finish(figure, upper, lower, path)


def draw_ecram(fit: fitting.EcramFit, path: Path) -> None:
    """Conductance against pulses of every branch, model and residuals."""
    figure, upper, lower = _figure()
    half, middle = (fit.high_uS - fit.low_uS) / 2, (fit.high_uS + fit.low_uS) / 2
    last = max(float(b.pulse[-1]) for b in fit.branches if b.up)
    for i, branch in enumerate(fit.branches):
        x = branch.pulse if branch.up else last + branch.pulse
        label = ("data", fit.model) if i == 0 else (None, None)
        upper.plot(x, middle + half * branch.state, ".", color=INK, ms=3, alpha=0.4, label=label[0])
        upper.plot(x, middle + half * branch.model, color=ACCENT, lw=1, label=label[1])
        lower.plot(x, half * (branch.state - branch.model), ".", color=ACCENT, ms=3, alpha=0.5)
    upper.set(ylabel="conductance (uS)", title=f"rms residual {100 * fit.rms:.2g} % of the range")
    lower.set(xlabel="pulse", ylabel="residual (uS)")
    _finish(figure, upper, lower, path)


DRAWN: dict[str, Callable[[Any, Path], None]] = {"ndr": draw_ndr, "rram": draw_rram, "ecram": draw_ecram}
"""What draws a kind of fit."""


def _figure() -> tuple[Any, Any, Any]:
    figure = drawing.figure(7, 6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    return figure, upper, lower


def _finish(figure: Any, upper: Any, lower: Any, path: Path) -> None:
    upper.legend(frameon=False)
    lower.axhline(0, color="0.6", lw=0.8)
    drawing.save(figure, path)
