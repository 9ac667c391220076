"""The picture of the demo: its neurons, the confusion matrix, and where the accuracy goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network.datasets.fashion_mnist import CLASSES
from ndrite.compiled import Compiled
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK
from ndrite.pages.figures import draw_curves


def draw(
    whole: Compiled, confusion: npt.NDArray[np.int64], losses: list[tuple[str, float]], path: Path
) -> None:
    """Write the picture (PNG, or what the file's suffix says)."""
    figure = drawing.figure(15, 5)
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1.0, 1.15, 1.0))
    draw_curves(whole, left)
    axes = middle.subplots()
    drawing.confusion(axes, confusion, CLASSES, 6.5)
    axes.set(title=f"golden, {confusion.sum():,} test samples")
    _losses(right, losses)
    drawing.save(figure, path)


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
