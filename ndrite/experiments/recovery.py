"""Accuracy against programming error, stuck cells, wires and time, without and with calibration.

One value of the dendritic chip is changed at a time; every chip is measured as programmed, with its column
corrections (biases, gains, stuck cells' partners), with ECRAM pulses alone, and with both. Gradients go back
through the cells as read. The loss is against the same network in float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.learning.tuning import Plan
from ndrite.experiments import chips
from ndrite.experiments.runner import Table, mean_interval, percent
from ndrite.intervals import crossed_of

CHIP = "dendritic-ndr+ecram-pair"
HARD = "2 x error, stuck cells"
AXES: dict[str, tuple[str, tuple[float, ...]]] = {
    "programming error": ("x the preset's", (1.0, 3.0)),
    "stuck cells": ("%", (3.0,)),
    "wire resistance": ("ohm a cell", (10.0,)),
    "time": ("s", (172_800.0,)),
    HARD: ("%", (1.0,)),
}
"""Unit and values other than the preset's, which is measured as error 1 x."""
PRESET = {"stuck cells": 0.2, "wire resistance": 1.0, "time": 86_400.0}
STATES = ("as programmed", "pulses alone", "corrections alone", "both")
CHIPS, HARD_CHIPS = 3, 5
"""Of a value, and of the hardest case."""
PLAN = Plan(steps=20, batch=1000, rate=0.01)
PLAN_RAW = Plan(steps=30, batch=1000, rate=0.02)


def runs(smoke: bool) -> list[dict[str, Any]]:
    """The hardest case first, then axis by axis."""
    found = [
        {"axis": axis, "value": value, "seed": seed, "images": 300 if smoke else 10_000}
        for axis, (_, values) in reversed(AXES.items())
        for value in values
        for seed in range(HARD_CHIPS if axis == HARD else CHIPS)
    ]
    return found[-1:] if smoke else found


def fields(axis: str, value: float) -> dict[str, float]:
    """Changes of the chip description."""
    stuck = {"cell__stuck_low_percent": value / 2, "cell__stuck_high_percent": value / 2}
    return {
        "programming error": {"cell__error_scale": value},
        "stuck cells": stuck,
        "wire resistance": {"array__wire_resistance_ohm": value},
        "time": {"conditions__time_since_programming_s": value},
        HARD: {"cell__error_scale": 2.0, **stuck},
    }[axis]


def run(axis: str, value: float, seed: int, images: int) -> dict[str, Any]:
    """One chip: accuracy in float and in every state."""
    net = chips.network(chips.DENDRITIC)
    x, labels, test_x, test_labels = chips.learning_data(images)
    chip = chips.changed(CHIP, **fields(axis, value))
    found = {"float": net.accuracy(test_x, test_labels)}
    for corrected, names in ((False, STATES[:2]), (True, STATES[2:])):
        plan = PLAN if corrected else PLAN_RAW
        if images < 1000:
            plan = Plan(steps=1, batch=100)
        one = chips.make(net, chip, seed, x[-chips.SAMPLES :], corrected=corrected)
        after = chips.tuned(one, net, x, labels, seed, plan, cells=True)
        for name, made in zip(names, (one.program, after), strict=True):
            found[name] = chips.accuracy(made, test_x, test_labels, seed)
    return found


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Losses in points, and the part of the loss as programmed that pulses alone and both take back."""
    rows = []
    for axis, (unit, _) in AXES.items():
        for value, group in along(results, axis).items():
            losses = {s: [r["float"] - r[s] for r in group] for s in STATES}
            rows.append(
                (
                    f"{axis} {value:g} {unit}",
                    str(len(group)),
                    *(percent(losses[s]) for s in STATES),
                    recovered(losses[STATES[0]], losses[STATES[1]]),
                    recovered(losses[STATES[0]], losses[STATES[3]]),
                )
            )
    header = ("chip", "chips", *STATES, "recovered by pulses", "by both")
    title = f"recovery: points lost against float, {results[0]['images']} images"
    return [Table(title, header, rows)]


def along(results: list[dict[str, Any]], axis: str) -> dict[float, list[dict[str, Any]]]:
    """Results by value, the preset's among them."""
    found: dict[float, list[dict[str, Any]]] = {}
    for r in results:
        if r["axis"] == axis:
            found.setdefault(r["value"], []).append(r)
        elif axis in PRESET and (r["axis"], r["value"]) == ("programming error", 1.0):
            found.setdefault(PRESET[axis], []).append(r)
    return dict(sorted(found.items()))


def recovered(before: list[float], after: list[float]) -> str:
    """The part of a loss that is gone, with its interval over chips (bootstrap)."""
    total = sum(before)
    if total <= 0:
        return "-"
    low, high = crossed_of(
        lambda b, a: 1.0 - a / b if b > 0 else np.nan,
        *(np.array(losses).reshape(1, -1, 1) for losses in (before, after)),
    )
    return f"{1 - sum(after) / total:.0%} ({low:.0%} .. {high:.0%})"


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Loss along every axis, a line a state."""
    names = [axis for axis in AXES if axis != HARD]
    panels = figure.subplots(1, len(names), sharey=True)
    for ax, axis in zip(panels, names, strict=True):
        groups = along(results, axis)
        for state, colour in zip(STATES, ("#bbbbbb", "#4477aa", "#ccbb44", "#cc3311"), strict=True):
            points = [mean_interval([100 * (r["float"] - r[state]) for r in g]) for g in groups.values()]
            error = [0.0 if half != half else half for _, half in points]
            ax.errorbar(list(groups), [m for m, _ in points], error, color=colour, capsize=2, label=state)
        if axis == "time":
            ax.set_xscale("log")
        ax.set_xlabel(f"{axis}, {AXES[axis][0]}", fontsize=7)
        ax.tick_params(labelsize=6)
        ax.set_xticks(sorted(groups))  # few: marks of a logarithm's own would overlap
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    panels[0].set_ylabel("accuracy lost, points")
    panels[0].legend(fontsize=6)
