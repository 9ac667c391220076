"""The figures of a report, each drawn once and written as SVG (in the page) or PDF (for papers)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.neuron import neuron
from emulator.mapping.neuron import heights_and_peaks, shape_of, trained_shape, window_of
from emulator.network import Ndr
from emulator.spec import Layer
from emulator.spec.arithmetic import V_MAX, V_MIN
from ndrite import drawing
from ndrite.causes.picture import drawn
from ndrite.drawing import ACCENT, INK, PALE
from ndrite.pages.run import CLASSES_MAX, Report
from ndrite.pages.tiles import draw as draw_tiles

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
    return _confusion(report) if report.classes else _scatter(report)


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
        axes.legend(frameon=False, fontsize=8)
    return figure


def _confusion(report: Report) -> Figure | None:
    matrix = report.confusion
    if len(matrix) > CLASSES_MAX:
        return None
    figure = drawing.figure(5.2, 5.0)
    axes = figure.subplots()
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(matrix) <= 16:
        for i, j in np.argwhere(matrix > 0):
            colour = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=7, color=colour)
    axes.set(xlabel="answer", ylabel="label")
    names = report.subject.program.meaning.classes or range(len(matrix))
    axes.set_xticks(range(len(matrix)), names, rotation=60 if report.subject.program.meaning.classes else 0)
    axes.set_yticks(range(len(matrix)), names)
    return figure


def errors(report: Report) -> Figure:
    """What every cause does to the outputs and to the accuracy."""
    return drawn(report.explanation)


def curves(report: Report) -> Figure | None:
    """What neurons of the first layer that has any should compute, and what the chip's tables do."""
    subject = report.subject
    fires = [i for i, dense in enumerate(subject.network.layers) if dense.activation is not None]
    if not fires:
        return None
    number = fires[0]
    dense, layer = subject.network.layers[number], subject.program.layers[number]
    activation = dense.activation
    assert activation is not None
    window = subject.die.arrays[number].window
    if window is None:
        window = window_of(activation, trained_shape(activation), subject.program.curve_base.shape[1])
    figure = drawing.figure(9.0, 3.6)
    left, right = figure.subplots(1, 2, sharex=True)
    u = window.values()
    if isinstance(activation, Ndr):
        device = 255 * np.clip(shape_of(activation, subject.die.chip.neuron)(u), 0, 1)
        left.plot(u, device, color=PALE, lw=4, label="the chip's device, at full height")
    heights, _ = heights_and_peaks(activation, dense.outputs)
    _, first = np.unique(layer.curve, return_index=True)
    order = first[np.argsort(heights[first])]
    chosen = np.unique(order[np.linspace(0, len(order) - 1, CURVES_MAX).astype(int)])
    wanted_shape = trained_shape(activation)
    for n, m in enumerate(chosen):
        wanted = 255 * heights[m] * wanted_shape(u)
        table = _table(subject.program.curve_base, subject.program.curve_slope, layer, int(m))
        label = ("the float network's", "on the chip") if n == 0 else (None, None)
        left.plot(u, wanted, color=INK, lw=1, ls="--", label=label[0])
        left.plot(u, table, color=ACCENT, lw=1.2, alpha=0.8, label=label[1])
        right.plot(u, table - wanted, lw=0.8, color=ACCENT, alpha=0.6)
    unit = "u (pre-activation over the neuron's peak)" if isinstance(activation, Ndr) else "pre-activation"
    shown = f"{len(chosen)} of its {len(first)} curves" if len(first) > 1 else "its one curve"
    left.set(xlabel=unit, ylabel="output code (0..255)", title=f"layer {number}, {shown}")
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel=unit, ylabel="chip - float (codes)", title="difference")
    right.axhline(0, color="0.6", lw=0.8)
    return figure


def _table(base: Any, slope: Any, layer: Layer, m: int) -> npt.NDArray[np.float64]:
    codes = np.arange(V_MIN, V_MAX + 1, dtype=np.int64)
    every = np.repeat(codes[:, None], layer.outputs, axis=1)
    return neuron(every, layer, base, slope)[:, m].astype(np.float64)


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
