"""The page's section on tiles: physical arrays and how full they are, beside passes on the FPGA's lanes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from emulator.spec.notebook import table, text
from ndrite.drawing import EMPTY, INK, PALE
from ndrite.pages.run import Report


@dataclass(frozen=True)
class Tiling:
    """One layer on arrays of the chip and on lanes of the FPGA.

    ``rows`` and ``columns`` are weights (K, M), and ``down`` by ``across`` the tiles that they take.
    ``arrays`` counts those of G+ and G- where they are separate. ``used`` is the share of cells 0..1 that
    hold a weight. ``passes`` are those of the FPGA's array for one input vector and DAC slice.
    """

    rows: int
    columns: int
    down: int
    across: int
    arrays: int
    used: float
    passes: int


def tilings(report: Report) -> list[Tiling]:
    """One for each product of the program, in order."""
    subject, array = report.subject, report.subject.die.chip.array
    found = []
    for layer in subject.program.layers:
        k, m = layer.inputs, layer.outputs
        down, across = array.tiles(k, m)
        arrays = down * across * array.arrays_a_tile
        used = 2 * k * m / (arrays * array.rows * array.columns)
        groups = math.ceil(m / report.geometry.lanes)
        passes = layer.tiles(subject.program.rows) * groups
        found.append(Tiling(k, m, down, across, arrays, used, passes))
    return found


def used_share(found: list[Tiling]) -> float:
    """Share 0..1 of all cells of all arrays that hold a weight."""
    arrays = sum(t.arrays for t in found)
    return sum(t.arrays * t.used for t in found) / arrays


def tiles_section(report: Report) -> str:
    """A sentence and a table."""
    array, found = report.subject.die.chip.array, tilings(report)
    rows = [
        (
            f"layer {i}",
            f"{t.rows} x {t.columns}",
            f"{t.down} x {t.across}",
            str(t.arrays),
            f"{t.used:.1%}",
            str(t.passes),
        )
        for i, t in enumerate(found)
    ]
    arrays, passes = (str(sum(getattr(t, name) for t in found)) for name in ("arrays", "passes"))
    rows.append(("all", "", "", arrays, f"{used_share(found):.1%}", passes))
    pairs = (
        "G+ and G- of a weight lie in two arrays, so every tile takes two"
        if array.pairs == "separate"
        else "G+ and G- of a weight lie beside each other in one array"
    )
    words = (
        f"The chip's arrays have {array.rows} rows and {array.columns} columns of cells. {pairs}. A cell is "
        "used when it holds a weight. On the FPGA a pass is one tile of at most "
        f"{report.subject.program.rows} rows on {report.geometry.lanes} lanes (geometry "
        f"{report.geometry.name}), for one input vector."
    )
    head = ("layer", "weights", "tiles (rows x columns)", "arrays", "cells used", "FPGA passes")
    return f"<p>{text(words)}</p>{table(head, rows)}"


def draw(report: Report, axes: Any) -> None:
    """Every layer's tiles at their size in weights: outlined what is there, filled what is used."""
    from matplotlib.patches import Rectangle

    array, found = report.subject.die.chip.array, tilings(report)
    rows, columns = array.rows, array.weights_across
    heights, widths = [t.down * rows for t in found], [t.across * columns for t in found]
    gap = 0.04 * sum(widths)
    left = 0.0
    for number, (t, height, width) in enumerate(zip(found, heights, widths, strict=True)):
        axes.add_patch(Rectangle((left, 0), width, height, facecolor=EMPTY, lw=0))
        axes.add_patch(Rectangle((left, 0), t.columns, t.rows, facecolor=PALE, lw=0))
        for k in range(0, height, rows):
            for m in range(0, width, columns):
                axes.add_patch(Rectangle((left + m, k), columns, rows, fill=False, edgecolor=INK, lw=0.8))
        axes.text(left + width / 2, -0.02 * max(heights), str(number), ha="center", va="bottom", fontsize=8)
        left += width + gap
    axes.set(xlim=(-gap / 2, left - gap / 2), ylim=(1.02 * max(heights), -0.12 * max(heights)), ylabel="rows")
    axes.set_xlabel("columns of weights, layer after layer; a box is a tile, its filled part holds weights")
    axes.set_xticks([])
