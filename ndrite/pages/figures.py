"""The figures of a report, each drawn once and written as SVG (in the page) or PDF (for papers)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.golden.neuron import table_of
from emulator.mapping.devices import heights_and_peaks, shape_of, trained_shape, window_of
from emulator.network import Ndr
from emulator.spec.brief import table, text
from ndrite.compiled import Compiled
from ndrite.pages import drawing
from ndrite.pages.causes import drawn
from ndrite.pages.drawing import ACCENT, EMPTY, INK, PALE
from ndrite.pages.run import CLASSES_MAX, Report


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


def draw_tiles(report: Report, axes: Any) -> None:
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


CURVES_MAX = 6
LAYERS_MAX = 3
Figure = Any


def figures(report: Report) -> dict[str, Figure]:
    """Matplotlib figures by name; those that the run has something to show for."""
    made: dict[str, Callable[[Report], Figure | None]] = {
        "answers": answers,
        "errors": errors,
        "curves": curves,
        "cells": cells,
        "tiles": tiles,
        "timeline": timeline,
    }
    drawn = {name: draw(report) for name, draw in made.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def svg(figure: Figure, name: str) -> bytes:
    """The figure as SVG; the same figure gives the same bytes."""
    return drawing.written(figure, "svg", name)


def pdf(figure: Figure) -> bytes:
    """The figure as PDF."""
    return drawing.written(figure, "pdf")


def answers(report: Report) -> Figure | None:
    """Labels against answers of the golden model; None for many classes."""
    if not report.classes:
        return _scatter(report)
    matrix = report.confusion
    if len(matrix) > CLASSES_MAX:
        return None
    figure = drawing.figure(5.2, 5.0)
    drawing.confusion(figure.subplots(), matrix, report.subject.program.meaning.classes or range(len(matrix)))
    return figure


def _scatter(report: Report) -> Figure:
    """Every output's targets and answers; on the line, they are equal."""
    figure = drawing.figure(5.2, 5.0)
    axes = figure.subplots()
    for m, (wanted, found) in enumerate(zip(report.labels.T, report.answers.T, strict=True)):
        axes.plot(wanted, found, ".", ms=3, alpha=0.5, label=f"output {m}" if m < CURVES_MAX else None)
    ends = [float(report.labels.min()), float(report.labels.max())]
    axes.plot(ends, ends, color="0.6", lw=0.8)
    unit = report.subject.program.meaning.output_unit
    axes.set(xlabel=f"target{f', {unit}' * bool(unit)}", ylabel=f"answer{f', {unit}' * bool(unit)}")
    if report.labels.shape[1] > 1:
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=3)
    return figure


def errors(report: Report) -> Figure:
    """What every cause does to the outputs and to the accuracy."""
    return drawn(report.explanation)


def curves(report: Report) -> Figure | None:
    """Neurons' curves; None where there are no neurons."""
    figure = drawing.figure(6.4, 5.0)
    return figure if draw_curves(report.subject, figure) else None


def draw_curves(subject: Compiled, figure: Any) -> bool:
    """What neurons of the first layer that has any should compute, and what the chip's tables do.

    Gives whether there is such a layer; ``figure`` is a whole one or a part of one.
    """
    fires = [i for i, dense in enumerate(subject.network.layers) if dense.activation is not None]
    if not fires:
        return False
    number = fires[0]
    dense, layer = subject.network.layers[number], subject.program.layers[number]
    activation = dense.activation
    assert activation is not None
    window = subject.die.arrays[number].window
    if window is None:
        window = window_of(activation, trained_shape(activation), subject.program.curve_base.shape[1])
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    u = window.values()
    if isinstance(activation, Ndr):
        device = 255 * np.clip(shape_of(activation, subject.die.chip.neuron)(u), 0, 1)
        upper.plot(u, device, color=PALE, lw=4, label="the chip's device, at full height")
    heights, _ = heights_and_peaks(activation, dense.outputs)
    _, first = np.unique(layer.curve, return_index=True)
    order = first[np.argsort(heights[first])]
    chosen = np.unique(order[np.linspace(0, len(order) - 1, CURVES_MAX).astype(int)])
    wanted_shape = trained_shape(activation)
    for n, m in enumerate(chosen):
        wanted = 255 * heights[m] * wanted_shape(u)
        table = table_of(subject.program, layer, int(m)).astype(np.float64)
        label = ("the float network's", "on the chip") if n == 0 else (None, None)
        upper.plot(u, wanted, color=INK, lw=1, ls="--", label=label[0])
        upper.plot(u, table, color=ACCENT, lw=1.2, alpha=0.8, label=label[1])
        lower.plot(u, table - wanted, lw=0.8, color=ACCENT, alpha=0.6)
    unit = "u (pre-activation over the neuron's peak)" if isinstance(activation, Ndr) else "pre-activation"
    shown = f"{len(chosen)} of its {len(first)} curves" if len(first) > 1 else "its one curve"
    upper.set(ylabel="output code (0..255)", title=f"layer {number}, {shown}")
    # Below the axes: curves fill them.
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    lower.set(xlabel=unit, ylabel="chip - float")
    lower.axhline(0, color="0.6", lw=0.8)
    return True


def cells(report: Report) -> Figure:
    """Differential conductance of every pair, and what programming and time did to it."""
    arrays = report.subject.die.arrays[:LAYERS_MAX]
    cell = report.subject.die.chip.cell
    figure = drawing.figure(9.0, 3.4 * len(arrays))
    grid = figure.subplots(len(arrays), 3, squeeze=False, width_ratios=(1, 1, 0.8))
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    for row, (number, array) in zip(grid, enumerate(arrays), strict=True):
        mapped = array.mapped
        programmed = mapped.g_plus_uS - mapped.g_minus_uS
        error = programmed - mapped.levels * step
        for axes, values, title in (
            (row[0], programmed, f"layer {number}: G+ - G- (µS)"),
            (row[1], error, "programmed - target (µS)"),
        ):
            limit = max(float(np.percentile(np.abs(values), 99.5)), 1e-9)
            drawn = axes.imshow(
                values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
            )
            axes.set(title=title, xlabel="column", ylabel="row")
            figure.colorbar(drawn, ax=axes, shrink=0.85)
        row[2].hist(error.ravel(), bins=81, color=ACCENT)
        row[2].set(title=f"rms {np.sqrt(np.square(error).mean()):.2f} µS", xlabel="error (µS)", yticks=[])
    return figure


def tiles(report: Report) -> Figure:
    """Arrays that every layer takes on the chip, and their part that holds weights."""
    figure = drawing.figure(9.0, 2.8)
    draw_tiles(report, figure.subplots())
    return figure


def timeline(report: Report) -> Figure | None:
    """In which clock cycles each block worked, packets in and out included."""
    trace = report.trace
    if trace is None:
        return None
    figure = drawing.figure(9.0, 3.2)
    axes = figure.subplots()
    for n, (block, active) in enumerate(reversed(trace.activity.items())):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
        spans = [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        axes.broken_barh(spans, (n - 0.4, 0.8), color=ACCENT if block == "array" else INK, lw=0)
        busy = f"{int(active.sum())} cycles"
        axes.text(trace.traced * 1.01, n, busy, va="center", fontsize=8)
    axes.set_yticks(range(len(trace.activity)), list(reversed(trace.activity)))
    axes.set(xlabel="clock cycle", xlim=(0, trace.traced * 1.14))
    axes.grid(axis="x", lw=0.3)
    return figure
