"""drawing: the one palette, and how a matplotlib figure is made and written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emulator.files import write_whole

INK, ACCENT, PALE, EMPTY = "#1f3a5f", "#c8553d", "#9fb3c8", "#f1f4f8"
SERIES = (INK, ACCENT, "#5b8e7d", "#d9a441", "#7d5ba6", PALE)
"""Colours of series, in their order."""


def figure(width: float, height: float) -> Any:
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def confusion(axes: Any, matrix: Any, names: Sequence[Any], size: float = 7) -> None:
    """Labels (rows) against answers (columns), counts of samples; of many classes the shades alone."""
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(matrix > 0) if len(matrix) <= 16 else ():
        ink = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=size, color=ink)
    turned = any(isinstance(name, str) for name in names)
    axes.set_xticks(
        range(len(names)), names, rotation=60 if turned else 0, ha="right" if turned else "center"
    )
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="label")


def written(made: Any, kind: str, salt: str = "ndrite") -> bytes:
    """The figure as png, svg or pdf. ``salt`` names parts of an SVG, which a page keeps apart."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        made.savefig(buffer, format=kind, metadata=metadata, dpi=130)
    return buffer.getvalue()


def save(made: Any, path: Path) -> None:
    """Write the figure; the name's suffix says in which format."""
    write_whole(path, written(made, path.suffix.lower().lstrip(".") or "png"))
