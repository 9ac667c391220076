"""drawing: the palette, and how matplotlib figures are made and written."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ndrite.emulator.spec.files import write_whole
from ndrite.files import picture_format

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, PALE = "#1f3a5f", "#c8553d", "#9fb3c8"
SERIES = (INK, ACCENT, "#5b8e7d", "#d9a441", "#7d5ba6", PALE)
"""Colours of series, in their order."""


def figure(width: float, height: float) -> Figure:
    """Create an empty figure of ``width`` x ``height`` inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def written(made: Figure, kind: str, salt: str = "ndrite") -> bytes:
    """Encode a figure as png, svg or pdf; equal figures give byte-identical files.

    ``salt`` names parts of an SVG, which a page keeps apart.
    """
    from matplotlib import rc_context

    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        made.savefig(buffer, format=kind, metadata=metadata, dpi=130)
    return buffer.getvalue()


def save(made: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure in the format of the file name's suffix, and return the path."""
    return write_whole(path, written(made, picture_format(path)))


@contextmanager
def fitted(path: Path, below: dict[str, str], **above: str) -> Iterator[tuple[Axes, Axes]]:
    """Provide two axes, an upper one for data with their model and a lower one for the
    residuals; at the end of the ``with`` block, write the picture."""
    drawn = figure(7, 6)
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    yield upper, lower
    upper.set(**above)
    lower.set(**below)
    upper.legend(frameon=False)
    lower.axhline(0, color="0.6", lw=0.8)
    save(drawn, path)


def save_all(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write every figure as SVG and PDF into ``folder``, creating it if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [(name, kind) for name in figures for kind in ("svg", "pdf")]
    return [
        write_whole(folder / f"{name}.{kind}", written(figures[name], kind, name)) for name, kind in files
    ]
