"""The figures of a report, each drawn once and written as SVG (in the page) or PDF (for papers)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.neuron import neuron
from emulator.mapping.neuron import heights_and_peaks, shape_of, trained_shape, window_of
from emulator.mapping.weights import level_targets
from emulator.network import Ndr
from emulator.spec import Layer
from emulator.spec.arithmetic import V_MAX, V_MIN
from ndrite.pages.run import CLASSES_MAX, Report

INK, ACCENT, PALE = "#1f3a5f", "#c8553d", "#9fb3c8"
CURVES_MAX = 6
LAYERS_MAX = 3
Figure = Any


def figures(report: Report) -> dict[str, Figure]:
    """Matplotlib figures by name; those that the run has something to show for."""
    made: dict[str, Callable[[Report], Figure | None]] = {
        "confusion": confusion,
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
    return _written(figure, "svg", name)


def pdf(figure: Figure) -> bytes:
    """The figure as PDF."""
    return _written(figure, "pdf", "")


def _written(figure: Figure, kind: str, salt: str) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"CreationDate": None}
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=150)
    return buffer.getvalue()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plain

    figure = Plain(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def confusion(report: Report) -> Figure | None:
    """Labels against answers of the golden model; None for many classes."""
    matrix = report.confusion
    if len(matrix) > CLASSES_MAX:
        return None
    figure = _figure(5.2, 5.0)
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
    """Output SNR of every cause alone, and of all together."""
    rows = report.explanation.rows
    figure = _figure(7.5, 0.3 * len(rows) + 1.0)
    axes = figure.subplots()
    y = np.arange(len(rows))[::-1]
    axes.barh(y + 0.18, [r.snr_db for r in rows], height=0.34, color=INK, label="as it is")
    corrected = [
        (p, r.snr_corrected_db) for p, r in zip(y, rows, strict=True) if r.snr_corrected_db is not None
    ]
    axes.barh(
        [p - 0.18 for p, _ in corrected],
        [v for _, v in corrected],
        height=0.34,
        color=ACCENT,
        label="gains and biases corrected",
    )
    axes.set_yticks(y, [r.cause for r in rows])
    axes.set(xlabel="output SNR (dB); 100: no effect", xlim=(0, 105))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def curves(report: Report) -> Figure | None:
    """What the first hidden layer's neurons compute: before training, wanted, and the chip's table."""
    subject = report.subject
    dense = subject.network.layers[0]
    if dense.activation is None:
        return None
    layer = subject.program.layers[0]
    activation = dense.activation
    window = subject.die.arrays[0].window
    if window is None:
        window = window_of(activation, trained_shape(activation), subject.program.curve_base.shape[1])
    figure = _figure(9.0, 3.6)
    left, right = figure.subplots(1, 2, sharex=True)
    u = window.values()
    if isinstance(activation, Ndr):
        before = 255 * np.clip(shape_of(activation, subject.die.chip.neuron)(u), 0, 1)
        left.plot(u, before, color=PALE, lw=4, label="device before training")
    heights, _ = heights_and_peaks(activation, dense.outputs)
    _, first = np.unique(layer.curve, return_index=True)
    order = first[np.argsort(heights[first])]
    chosen = np.unique(order[np.linspace(0, len(order) - 1, CURVES_MAX).astype(int)])
    wanted_shape = trained_shape(activation)
    for n, m in enumerate(chosen):
        wanted = 255 * heights[m] * wanted_shape(u)
        table = _table(subject.program.curve_base, subject.program.curve_slope, layer, int(m))
        label = {"wanted": "trained", "table": "on the chip"} if n == 0 else {"wanted": None, "table": None}
        left.plot(u, wanted, color=INK, lw=1, ls="--", label=label["wanted"])
        left.plot(u, table, color=ACCENT, lw=1.2, alpha=0.8, label=label["table"])
        right.plot(u, table - wanted, lw=0.8, color=ACCENT, alpha=0.6)
    unit = "u (pre-activation over the neuron's peak)" if isinstance(activation, Ndr) else "pre-activation"
    left.set(
        xlabel=unit, ylabel="output code (0..255)", title=f"layer 0, {len(chosen)} of its {len(first)} curves"
    )
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel=unit, ylabel="on the chip - trained (codes)", title="difference")
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
    figure = _figure(9.0, 3.4 * len(arrays))
    grid = figure.subplots(len(arrays), 3, squeeze=False, width_ratios=(1, 1, 0.8))
    step = (cell.g_max_uS - cell.g_min_uS) / (len(level_targets(cell)) - 1)
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
    """Row tiles and column groups that every layer takes on the array."""
    from matplotlib.patches import Rectangle

    program, lanes = report.subject.program, report.geometry.lanes
    figure = _figure(9.0, 2.8)
    axes = figure.subplots()
    left = 0.0
    for number, layer in enumerate(program.layers):
        rows = layer.tile_rows(program.rows)
        for k in range(0, layer.inputs, rows):
            for m in range(0, layer.outputs, lanes):
                height, width = min(rows, layer.inputs - k), min(lanes, layer.outputs - m)
                axes.add_patch(
                    Rectangle((left + m, k), width, height, facecolor=PALE, edgecolor=INK, lw=1, alpha=0.7)
                )
        label = f"layer {number}\n{layer.inputs} x {layer.outputs}"
        axes.text(
            left + layer.outputs / 2, -0.02 * _tallest(report), label, ha="center", va="bottom", fontsize=8
        )
        left += layer.outputs + 0.25 * lanes
    axes.set(xlim=(-5, left), ylim=(_tallest(report), -0.2 * _tallest(report)), ylabel="rows")
    axes.set_xlabel(f"columns, in groups of {lanes} lanes; a box is one pass of at most {program.rows} rows")
    axes.set_xticks([])
    return figure


def _tallest(report: Report) -> int:
    return max(layer.inputs for layer in report.subject.program.layers)


def timeline(report: Report) -> Figure | None:
    """In which clock cycles each block worked, packets in and out included."""
    trace = report.trace
    if trace is None:
        return None
    figure = _figure(9.0, 3.2)
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
