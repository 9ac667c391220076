"""Accuracy against programming error, stuck cells, wires and time, without and with calibration.

Networks trained for the all-hardware chip as those of ``loss`` are put on dies of that chip with one value
changed. Every die is measured as programmed, with its column corrections (bias cells, stuck cells' partners),
with ECRAM pulses alone, and with both. Gradients go back through the cells as read. The loss is against the
same network in float.
"""

from __future__ import annotations

from typing import Any

from emulator.learning.tuning import Plan
from ndrite.intervals import in_points, mean_interval, points
from studies import dies, runs, table
from studies.data import learning_data
from studies.runs import FLOAT, Floats, Runs
from studies.training import CHIP_RATE, EPOCHS, trained

OVER = "95 %, bootstrap over networks, dies and samples"
HARD = "2 x error, stuck cells"
AXES = {
    "programming error": ("x the preset's", (1.0, 3.0)),
    "stuck cells": ("%", (3.0,)),
    "wire resistance": ("ohm a cell", (10.0,)),
    "time": ("s", (172_800.0,)),
    HARD: ("%", (1.0,)),
}
"""Unit and values other than the preset's, which is measured as error 1 x."""
PRESET = {"stuck cells": 0.2, "wire resistance": 1.0, "time": 86_400.0}
STATES = ("as programmed", "pulses alone", "corrections alone", "both")
PLANS = {True: Plan(steps=20, batch=1000, rate=0.01), False: Plan(steps=30, batch=1000, rate=0.02)}
"""With and without corrections."""


def grid(smoke: bool) -> Runs:
    """Network by network, so that a stopped study has few of everything."""
    networks, count, samples, epochs = (2, 1, 300, 0) if smoke else (5, 2, 10_000, EPOCHS)
    return [
        {"axis": axis, "value": value, **network, "samples": samples, "epochs": epochs}
        for network in runs.product(seed=range(1, networks + 1), die=range(count))
        for axis, (_, values) in AXES.items()
        for value in values
        if axis == HARD or not smoke
    ]


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
    net, _ = trained(dies.ANALOG, "ndr", seed, epochs, rate=CHIP_RATE)
    x, labels, *test = learning_data(samples)
    chip, number = dies.changed(dies.ANALOG, **fields(axis, value)), runs.die_number(seed, die)
    found = {}
    for corrected, names in ((False, STATES[:2]), (True, STATES[2:])):
        plan = Plan(steps=1, batch=100) if samples < 1000 else PLANS[corrected]
        made = dies.make(net, chip, number, x[-dies.SAMPLES :], corrected=corrected)
        after = dies.tuned(made, net, x, labels, number, plan, cells=True)
        for name, program in zip(names, (made.program, after), strict=True):
            found[name] = runs.on_die(program, number, *test)
    return runs.kept(runs.in_float(net, *test), found)


def lost(group: Runs, state: str) -> Floats:
    """What is lost to float in a state, (networks, dies, n)."""
    return runs.right(group, FLOAT) - runs.right(group, state)


def along(found: Runs, axis: str) -> dict[float, Runs]:
    """Runs by value, the preset's among them."""
    groups = {value: group for (value,), group in runs.by(runs.where(found, axis=axis), "value").items()}
    if axis in PRESET and (preset := runs.where(found, axis="programming error", value=1.0)):
        groups[PRESET[axis]] = preset
    return dict(sorted(groups.items()))


def tables(found: Runs) -> list[table.Table]:
    """Losses in points, and the part of the loss as programmed that pulses alone and both take back."""
    groups = {
        (f"{axis} {value:g} {unit}",): group
        for axis, (unit, _) in AXES.items()
        for value, group in along(found, axis).items()
    }

    def by_student(group: Runs) -> str:
        """The same of both, by Student's t over networks alone: few of them make a bootstrap short."""
        mean, half = mean_interval(lost(group, STATES[3]).mean(axis=(1, 2)))
        return in_points(mean, mean - (half or 0.0), mean + (half or 0.0))

    columns: dict[str, Any] = {f"{s}, points lost": lambda g, s=s: points(lost(g, s)) for s in STATES} | {
        f"{what}by {name}": lambda g, s=state: table.recovered(lost(g, STATES[0]), lost(g, s))
        for what, name, state in (("recovered ", "pulses", STATES[1]), ("", "both", STATES[3]))
    }
    columns["both, by Student's t over networks"] = by_student
    return [table.table(f"recovery on {dies.ANALOG}: {runs.size(found)}", ("chip",), groups, columns)]


def draw(found: Runs, figure: Any) -> None:
    """Loss along every axis, a line a state."""
    axes = [axis for axis in AXES if axis != HARD and along(found, axis)] or [HARD]
    panels = {
        f"{axis},\n{AXES[axis][0]}": {
            s: {value: lost(group, s) for value, group in along(found, axis).items()} for s in STATES
        }
        for axis in axes
    }
    table.draw(figure, panels, ylabel="accuracy lost, points", alike=True)
