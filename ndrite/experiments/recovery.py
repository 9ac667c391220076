"""Accuracy against programming error, stuck cells, wires and time, without and with calibration.

Five networks are trained for the all-hardware chip as ``ndrite experiment loss`` trains its own, and each is
put on dies of that chip with one value changed. Every die is measured as programmed, with its column
corrections (bias cells, stuck cells' partners), with ECRAM pulses alone, and with both. Gradients go back
through the cells as read. The loss is against the same network in float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.learning.tuning import Plan
from ndrite.experiments import chips, crossing
from ndrite.experiments.crossing import FLOAT, crossed_bits
from ndrite.experiments.loss import ANALOG, CHIP_RATE, EPOCHS, recovered
from ndrite.experiments.runner import Table
from ndrite.experiments.trained import trained
from ndrite.intervals import bars, points

Floats = npt.NDArray[np.float64]

CHIP = ANALOG
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
NETWORKS, DIES = 5, 2
PLAN = Plan(steps=20, batch=1000, rate=0.01)
PLAN_RAW = Plan(steps=30, batch=1000, rate=0.02)


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Network by network, so that a stopped experiment has few of everything."""
    networks, dies, size = NETWORKS, DIES, {"samples": 10_000, "epochs": EPOCHS}
    if smoke:
        networks, dies, size = 2, 1, {"samples": 300, "epochs": 0}
    found = [
        {"axis": axis, "value": value, "seed": seed, "die": die, **size}
        for seed in range(1, networks + 1)
        for die in range(dies)
        for axis, (_, values) in AXES.items()
        for value in values
    ]
    return [r for r in found if r["axis"] == HARD] if smoke else found


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


def run(axis: str, value: float, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """One die of one network: what is right in float and in every state."""
    net, _ = trained(CHIP, "ndr", seed, epochs, rate=CHIP_RATE, tunable=True)
    x, labels, test_x, test_labels = chips.learning_data(samples)
    chip, number = chips.changed(CHIP, **fields(axis, value)), crossing.die_number(seed, die)
    found = {}
    for corrected, names in ((False, STATES[:2]), (True, STATES[2:])):
        plan = PLAN if corrected else PLAN_RAW
        if samples < 1000:
            plan = Plan(steps=1, batch=100)
        one = chips.make(net, chip, number, x[-chips.SAMPLES :], corrected=corrected)
        after = chips.tuned(one, net, x, labels, number, plan, cells=True)
        for name, program in zip(names, (one.program, after), strict=True):
            found[name] = crossing.right_on_die(program, test_x, test_labels, number)
    return crossing.kept(crossing.right_in_float(net, test_x, test_labels), found)


def losses(group: list[dict[str, Any]]) -> dict[str, Floats]:
    """What is lost to float in every state, (networks, dies, n)."""
    in_float = crossed_bits(group, FLOAT)
    return {state: in_float - crossed_bits(group, state) for state in STATES}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Losses in points, and the part of the loss as programmed that pulses alone and both take back."""
    rows = []
    for axis, (unit, _) in AXES.items():
        for value, group in along(results, axis).items():
            lost = losses(group)
            before = lost[STATES[0]]
            rows.append(
                (
                    f"{axis} {value:g} {unit}",
                    *(points(lost[state]) for state in STATES),
                    recovered(before, lost[STATES[1]]),
                    recovered(before, lost[STATES[3]]),
                )
            )
    header = ("chip", *(f"{state}, points lost" for state in STATES), "recovered by pulses", "by both")
    return [Table(f"recovery on {CHIP}: {crossing.size(results)}", header, rows)]


def along(results: list[dict[str, Any]], axis: str) -> dict[float, list[dict[str, Any]]]:
    """Results by value, the preset's among them."""
    found: dict[float, list[dict[str, Any]]] = {}
    for r in results:
        if r["axis"] == axis:
            found.setdefault(r["value"], []).append(r)
        elif axis in PRESET and (r["axis"], r["value"]) == ("programming error", 1.0):
            found.setdefault(PRESET[axis], []).append(r)
    return dict(sorted(found.items()))


facts = crossing.facts


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Loss along every axis, a line a state."""
    names = [axis for axis in AXES if axis != HARD and along(results, axis)]
    panels = figure.subplots(1, max(len(names), 1), sharey=True, squeeze=False)[0]
    for ax, axis in zip(panels, names or [HARD], strict=True):
        groups = along(results, axis)
        for state, colour in zip(STATES, ("#bbbbbb", "#4477aa", "#ccbb44", "#cc3311"), strict=True):
            lost = [losses(group)[state] for group in groups.values()]
            ax.errorbar(list(groups), *bars(*lost), color=colour, capsize=2, label=state)
        if axis == "time":
            ax.set_xscale("log")
        ax.set_xlabel(f"{axis}, {AXES[axis][0]}", fontsize=7)
        ax.tick_params(labelsize=6)
        ax.set_xticks(sorted(groups))  # few: marks of a logarithm's own would overlap
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    panels[0].set_ylabel("accuracy lost, points")
    panels[0].legend(fontsize=6)
