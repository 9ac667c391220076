"""Figures of a compiled network and one run of it, of a campaign's chips, and of
a sweep's points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.compiled import Compiled
from ndrite.emulator.golden.neuron import table_of
from ndrite.emulator.mapping import Die
from ndrite.emulator.mapping.block import blocked, packed
from ndrite.emulator.mapping.devices import heights_and_peaks, shape_of, trained_shape, window_of
from ndrite.emulator.network import Ndr
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK, PALE
from ndrite.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

CURVES_MAX = 6
LAYERS_MAX = 3


class Tiling(NamedTuple):
    """How one layer's weight matrix is placed on arrays of the chip.

    ``rows`` and ``columns`` are weights (K, M), and ``down`` by ``across`` the tiles
    that they take. ``arrays`` counts those of G+ and G- where they are separate.
    ``used`` is the share of cells 0..1 that hold a weight.
    """

    rows: int
    columns: int
    down: int
    across: int
    arrays: int
    used: float


def tilings(whole: Compiled) -> list[Tiling]:
    """Return the tiling of each matrix product of the program, in order."""
    array, tilings_found = whole.die.chip.array, []
    for layer in whole.program.layers:
        k, m = layer.inputs, layer.outputs
        down, across = array.tiles(k, m)
        arrays = down * across * array.arrays_a_tile
        used = 2 * k * m / (arrays * array.rows * array.columns)
        tilings_found.append(Tiling(k, m, down, across, arrays, used))
    return tilings_found


def used_share(found: list[Tiling]) -> float:
    """Return the fraction 0..1 of the cells of all arrays that store a weight."""
    return sum(t.arrays * t.used for t in found) / sum(t.arrays for t in found)


def confusion(
    axes: Axes,
    labels: npt.NDArray[np.integer],
    answers: npt.NDArray[np.integer],
    names: Sequence[str],
    size: float = 7,
) -> None:
    """Draw the confusion matrix of labels (n,), in rows, and answers (n,), in columns:
    counts of samples, or only shades if there are many classes."""
    matrix = counted(labels, answers, len(names))
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(matrix > 0) if len(matrix) <= 16 else ():
        ink = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=size, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="label")


def counted(
    labels: npt.NDArray[np.integer], answers: npt.NDArray[np.integer], classes: int
) -> npt.NDArray[np.int64]:
    """Count samples by true class (row) and answered class (column), (classes, classes)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, answers), 1)
    return counts


def _add_legend(figure: Figure | SubFigure, columns: int) -> None:
    """Place the legend below the axes, since curves and points fill them."""
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=columns)


def targets(wanted: Floats, found: Floats, unit: str) -> Figure:
    """Draw answers against targets, (samples, outputs) each, with the diagonal on
    which both are equal."""
    figure = drawing.figure(5.2, 5.0)
    axes = figure.subplots()
    for m, (x, y) in enumerate(zip(wanted.T, found.T, strict=True)):
        axes.plot(x, y, ".", ms=3, alpha=0.5, label=f"output {m}" if m < CURVES_MAX else None)
    ends = [float(wanted.min()), float(wanted.max())]
    axes.plot(ends, ends, color="0.6", lw=0.8)
    axes.set(xlabel=f"target{f', {unit}' * bool(unit)}", ylabel=f"answer{f', {unit}' * bool(unit)}")
    if wanted.shape[1] > 1:
        _add_legend(figure, 3)
    return figure


def curves(whole: Compiled, figure: Figure | SubFigure) -> bool:
    """Draw the activation curves of some neurons in the first layer that has neurons,
    together with the tables by which the chip computes them.

    Returns whether there is such a layer; ``figure`` is a whole one or a part of one.
    """
    products = zip(whole.network.products, whole.program.products, whole.die.arrays, strict=True)
    fires = [
        (i, *step_parts)
        for i, step_parts in enumerate(products)
        if step_parts[0].dense.activation is not None
    ]
    if not fires:
        return False
    number, node, step, array = fires[0]
    layer, activation = step.layer, blocked(packed(node, step.patches.groups), step.block).dense.activation
    assert activation is not None
    wanted_shape, window = trained_shape(activation), array.window
    if window is None:
        window = window_of(activation, wanted_shape)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    u, unit = window.values(), "pre-activation"
    if isinstance(activation, Ndr):
        unit = "u (pre-activation over the neuron's peak)"
        device = 255 * np.clip(shape_of(activation, whole.die.chip.neuron)(u), 0, 1)
        upper.plot(u, device, color=PALE, lw=4, label="the chip's device, at full height")
    heights, _ = heights_and_peaks(activation, layer.outputs)
    _, first = np.unique(layer.curve, return_index=True)
    order = first[np.argsort(heights[first])]
    chosen = np.unique(order[np.linspace(0, len(order) - 1, CURVES_MAX).astype(int)])
    for n, m in enumerate(chosen):
        target_curve = 255 * heights[m] * wanted_shape(u)
        table = table_of(whole.program, layer, int(m)).astype(np.float64)
        label = ("the float network's", "on the chip") if n == 0 else (None, None)
        upper.plot(u, target_curve, color=INK, lw=1, ls="--", label=label[0])
        upper.plot(u, table, color=ACCENT, lw=1.2, alpha=0.8, label=label[1])
        lower.plot(u, table - target_curve, lw=0.8, color=ACCENT, alpha=0.6)
    caption = f"{len(chosen)} of its {len(first)} curves" if len(first) > 1 else "its one curve"
    upper.set(ylabel="output code (0..255)", title=f"layer {number}, {caption}")
    _add_legend(figure, 2)
    lower.set(xlabel=unit, ylabel="chip - float")
    lower.axhline(0, color="0.6", lw=0.8)
    return True


def cells(die: Die) -> Figure:
    """Draw the differential conductance of every pair of cells, and the errors of it
    that programming and time cause."""
    arrays, cell = die.arrays[:LAYERS_MAX], die.chip.cell
    figure = drawing.figure(9.0, 3.4 * len(arrays))
    grid = figure.subplots(len(arrays), 3, squeeze=False, width_ratios=(1, 1, 0.8))
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    for number, (row, array) in enumerate(zip(grid, arrays, strict=True)):
        programmed = array.mapped.g_plus_uS - array.mapped.g_minus_uS
        error = programmed - array.mapped.levels * step
        titles = (f"layer {number}: G+ - G- (µS)", "programmed - target (µS)")
        for axes, values, title in zip(row, (programmed, error), titles, strict=False):
            limit = max(float(np.percentile(np.abs(values), 99.5)), 1e-9)
            colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
            drawn = axes.imshow(values, **colours, aspect="auto", interpolation="none")
            axes.set(title=title, xlabel="column", ylabel="row")
            figure.colorbar(drawn, ax=axes, shrink=0.85)
        row[2].hist(error.ravel(), bins=81, color=ACCENT)
        row[2].set(title=f"rms {np.sqrt(np.square(error).mean()):.2f} µS", xlabel="error (µS)", yticks=[])
    return figure


def chips(summary: dict[str, Any]) -> Figure:
    """Draw a campaign's histogram of accuracies with the yield threshold, and the yield
    against the threshold."""
    (per_chip,) = (name for name in summary if name.endswith("_per_chip"))
    measure, threshold = per_chip.removesuffix("_per_chip").replace("_", " "), summary.get("threshold")
    higher = measure.endswith("accuracy")
    if higher:
        measure, threshold = f"{measure}, %", 100 * summary["threshold"]
    values = np.array(summary[per_chip]) * (100 if higher else 1)
    as_good = [100 * float((values >= v if higher else values <= v).mean()) for v in values]
    title = f"{len(values)} chips, {summary['samples']} samples"
    figure = drawing.figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    left.hist(values, bins=min(40, max(5, len(values) // 4)), color=INK)
    left.set(xlabel=f"{measure} of a chip", ylabel="chips", title=title)
    order = np.argsort(values)
    right.step(values[order], np.array(as_good)[order], where="pre" if higher else "post", color=INK)
    right.set(xlabel=f"threshold: {measure}", ylabel="yield, % of chips", ylim=(0, 102), title="yield")
    if threshold is not None:
        for axes in (left, right):
            axes.axvline(threshold, color=ACCENT, ls="--", label=f"threshold {threshold:g}")
        left.legend()
    return figure


def front(
    rows: list[Row],
    best: list[Row],
    axes: tuple[str, ...],
    score: str,
    shown: tuple[str, float],
) -> Figure:
    """Draw all points of a sweep. The points ``best`` are joined by a line and labelled
    with their values of ``axes``. ``score`` is the field on the vertical axis,
    ``shown`` its label and factor."""
    label, factor = shown
    figure = drawing.figure(6.4, 4.2)
    ax = figure.subplots()

    def places(some: list[Row]) -> tuple[list[float], list[float]]:
        return [r["energy_pJ"] * 1e-3 for r in some], [factor * r[score] for r in some]

    halves = [factor * (r.get(f"{score}_half_interval_95") or 0.0) for r in rows]
    ax.errorbar(*places(rows), yerr=halves, fmt="o", color=PALE, label="points")
    ax.plot(*places(best), "o-", color=ACCENT, drawstyle="steps-post", zorder=3, label="Pareto front")
    for row, energy, value in zip(best, *places(best), strict=True):
        text = ", ".join(f"{axis.rpartition('.')[2]} {row[axis]}" for axis in axes)
        ax.annotate(text, (energy, value), fontsize=6, xytext=(4, -8), textcoords="offset points")
    ax.set(xlabel="energy of one inference, nJ (modelled, typical)", ylabel=label)
    ax.legend()
    return figure
