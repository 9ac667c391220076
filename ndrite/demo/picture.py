"""The demo's picture: neuron curve and its table, confusion matrix, where the accuracy went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network.datasets.fashion_mnist import CLASSES
from ndrite import drawing
from ndrite.demo.curve import NeuronCurve
from ndrite.drawing import ACCENT, INK


def draw(
    confusion: npt.NDArray[np.int64], losses: list[tuple[str, float]], curve: NeuronCurve | None, path: Path
) -> None:
    """Write the picture (PNG, or what the file's suffix says)."""
    figure = drawing.figure(15, 5)
    parts: Any = figure.subfigures(1, 3, width_ratios=(1.0, 1.15, 1.0))
    left, middle, right = parts
    if curve is not None:
        _curve(left, curve)
    _confusion(middle, confusion)
    _losses(right, losses)
    drawing.save(figure, path)


def _curve(figure: Any, curve: NeuronCurve) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot(curve.volts, curve.device, color=INK, lw=3, alpha=0.35, label="device")
    upper.plot(curve.volts, curve.table, color=ACCENT, lw=1, label="table on the chip")
    upper.plot(curve.ends, np.interp(curve.ends, curve.volts, curve.table), ".", color=ACCENT, ms=4)
    upper.set(title=f"NDR neuron, {len(curve.ends)} segments", ylabel="output (0..255)")
    upper.legend(frameon=False)
    lower.plot(curve.volts, curve.error, color=ACCENT, lw=0.8)
    lower.axhline(0, color="0.6", lw=0.8)
    lower.set(xlabel="voltage (V)", ylabel="error (LSB)")
    lower.set_title(f"largest error {curve.max_error_lsb:.2f} LSB", fontsize=9)


def _confusion(figure: Any, confusion: npt.NDArray[np.int64]) -> None:
    axes = figure.subplots()
    share = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(confusion > 0):
        ink = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(confusion[i, j]), ha="center", va="center", fontsize=6.5, color=ink)
    axes.set_xticks(range(len(CLASSES)), CLASSES, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(CLASSES)), CLASSES, fontsize=8)
    axes.set(title=f"golden, {confusion.sum():,} test samples", xlabel="answer", ylabel="label")


def _losses(figure: Any, losses: list[tuple[str, float]]) -> None:
    axes = figure.subplots()
    names = [name for name, _ in losses]
    values = np.array([100 * value for _, value in losses])
    axes.bar(range(len(values)), values, color=[INK] + [ACCENT] * (len(values) - 1), width=0.6)
    for i, value in enumerate(values):
        change = f" ({value - values[i - 1]:+.2f})" if i else ""
        axes.text(i, value + 0.05, f"{value:.2f} %{change}", ha="center", va="bottom", fontsize=8)
    axes.set_ylim(np.floor(values.min() - 2), np.ceil(values.max() + 1))
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
    axes.set(title="where the accuracy goes", ylabel="accuracy (%), axis cut")
