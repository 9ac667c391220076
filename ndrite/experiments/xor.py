"""One neuron and XOR: a dendritic (NDR) neuron solves it, a monotonic one cannot.

A neuron sees w1 a + w2 b + c for bits a and b; it fires where its output exceeds half of its largest.
Weights are trained from random starts by gradient descent on the squared error. A monotonic function of one
weighted sum puts the four sums in order, and XOR wants the middle two (or the outer two, of equal signs)
alike: impossible, at most three of four are right. An NDR curve goes up and down again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device import Esaki, tunnel
from ndrite.experiments.runner import Table
from ndrite.intervals import wilson

Floats = npt.NDArray[np.float64]

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
WANTED = np.array([0.0, 1.0, 1.0, 0.0])
STEPS, RATE, SLOPE_STEP = 3000, 0.1, 1e-4
STARTS = 400
ESAKI = Esaki()


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z), np.float64)


def _relu(z: Floats) -> Floats:
    return np.maximum(z, 0.0)


CURVES = {
    "ndr (tunnel)": tunnel,
    "ndr (esaki, to the valley)": lambda z: ESAKI.shape(np.clip(z, 0.0, 4.5)),
    "sigmoid": _sigmoid,
    "relu": _relu,
}


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Every curve, every start."""
    return [{"curve": name, "seed": seed} for name in CURVES for seed in range(5 if smoke else STARTS)]


def run(curve: str, seed: int) -> dict[str, Any]:
    """Train one neuron from one start; how many of the four patterns it gets right."""
    f = CURVES[curve]
    rng = np.random.default_rng(seed)
    parameters = rng.uniform(-1.5, 1.5, 3)
    design = np.column_stack([INPUTS, np.ones(4)])
    momentum = np.zeros(3)
    for _ in range(STEPS):
        z = design @ parameters
        slope = (f(z + SLOPE_STEP) - f(z - SLOPE_STEP)) / (2 * SLOPE_STEP)
        gradient = design.T @ ((f(z) - WANTED) * slope) / 4
        momentum = 0.9 * momentum - RATE * gradient
        parameters = parameters + momentum
    y = f(design @ parameters)
    return {"right": int(((y > 0.5) == (WANTED > 0.5)).sum()), "weights": parameters.tolist()}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Starts that solve XOR, and the best of them, by curve."""
    rows = []
    for name in CURVES:
        right = [r["right"] for r in results if r["curve"] == name]
        solved = sum(n == 4 for n in right)
        low, high = wilson(solved, len(right))
        part = f"{100 * solved / len(right):.1f} ({100 * low:.1f} .. {100 * high:.1f})"
        rows.append((name, f"{solved} of {len(right)}", part, f"{max(right)} of 4"))
    header = ("curve", "starts that solve it", "%", "best start, patterns right")
    return [Table("XOR by one neuron", header, rows)]


def facts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals are taken over."""
    return {"interval": "95 %, Wilson, over starts", "starts": len({r["seed"] for r in results})}


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """The best start of every curve: output over the plane of inputs."""
    axes = figure.subplots(1, len(CURVES), sharey=True)
    a, b = np.meshgrid(np.linspace(-0.3, 1.3, 60), np.linspace(-0.3, 1.3, 60))
    for ax, name in zip(axes, CURVES, strict=True):
        best = max((r for r in results if r["curve"] == name), key=lambda r: r["right"])
        w = best["weights"]
        ax.contourf(a, b, CURVES[name](w[0] * a + w[1] * b + w[2]) > 0.5, levels=[-0.5, 0.5, 1.5], alpha=0.4)
        ax.scatter(*INPUTS.T, c=WANTED, cmap="gray", edgecolors="black", zorder=3)
        ax.set_title(f"{name}\n{best['right']} of 4", fontsize=7)
        ax.set_aspect("equal")
