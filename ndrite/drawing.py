"""drawing: the one palette, and how a matplotlib figure is made and written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from emulator.files import whole_file

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
    with whole_file(path) as file:
        file.write(written(made, path.suffix.lower().lstrip(".") or "png"))
