"""Learning against the ECRAM itself: its number of states, its nonlinearity, its noise from pulse to pulse.

The chip that has most to learn (twice the error, 1 % stuck cells, nothing corrected) is tuned with two ECRAMs
a neuron of the linear-step law, devices alike, and gradients through the cells as read. One property is
changed at a time.
"""

from __future__ import annotations

from typing import Any

from emulator.learning.tuning import Plan
from ndrite.experiments import chips
from ndrite.experiments.runner import Table, mean_interval, percent

CHIP = "dendritic-ndr+ecram-pair"
CELLS = {"cell__error_scale": 2.0, "cell__stuck_low_percent": 0.5, "cell__stuck_high_percent": 0.5}

AXES: dict[str, tuple[str, tuple[float, ...]]] = {
    "pulses": ("pulses from bound to bound", (8.0, 64.0, 1000.0)),
    "nonlinearity": ("gamma, both ways (1: no step at the bound)", (0.9,)),
    "noise": ("cycle-to-cycle noise, % of a step", (300.0,)),
}
"""Label and values; along ``nonlinearity`` and ``noise``, 0 otherwise, a device has 64 pulses."""
CHIPS = 3
PULSES = 64.0
PLAN = Plan(steps=30, batch=1000, rate=0.02)


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Axis by axis."""
    count, images = (1, 300) if smoke else (CHIPS, 10_000)
    found = [
        {"axis": axis, "value": value, "seed": seed, "images": images}
        for axis, (_, values) in AXES.items()
        for value in values
        for seed in range(count)
    ]
    return [found[0], found[-1]] if smoke else found


def fields(axis: str, value: float) -> dict[str, float]:
    """Changes of the chip description: cells, and an ECRAM between -1 and 1."""
    ecram = {"pulses": PULSES, "nonlinearity": 0.0, "noise": 0.0, axis: value}
    step = 2.0 / ecram["pulses"]
    return {
        **CELLS,
        "ecram__w_min": -1.0,
        "ecram__w_max": 1.0,
        "ecram__step_up": step,
        "ecram__step_down": step,
        "ecram__gamma_up": ecram["nonlinearity"],
        "ecram__gamma_down": ecram["nonlinearity"],
        "ecram__cycle_percent": ecram["noise"],
        "ecram__step_variation_percent": 0.0,
        "ecram__asymmetry_variation_percent": 0.0,
        "ecram__bound_variation_percent": 0.0,
        "ecram__gamma_variation_percent": 0.0,
    }


def run(axis: str, value: float, seed: int, images: int) -> dict[str, Any]:
    """One chip: accuracy in float, before and after tuning."""
    net = chips.network(chips.DENDRITIC)
    x, labels, test_x, test_labels = chips.learning_data(images)
    chip = chips.changed(CHIP, **fields(axis, value))
    made = chips.make(net, chip, seed, x[-chips.SAMPLES :], corrected=False)
    plan = Plan(steps=1, batch=100) if images < 1000 else PLAN
    after = chips.tuned(made, net, x, labels, seed, plan, cells=True)
    return chips.before_and_after(net, (made.program, after), test_x, test_labels, seed)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Losses before and after, and the gain, by ECRAM."""
    rows = []
    for axis, (label, _) in AXES.items():
        for value, group in along(results, axis).items():
            rows.append(
                (
                    label,
                    f"{value:g}",
                    percent([r["float"] - r["before"] for r in group]),
                    percent([r["float"] - r["after"] for r in group]),
                    percent([r["after"] - r["before"] for r in group]),
                )
            )
    header = ("ECRAM", "value", "loss before, points", "loss after, points", "gain, points")
    seeds = len({r["seed"] for r in results})
    return [Table(f"ecram: what it must be, {seeds} chips, {results[0]['images']} images", header, rows)]


def along(results: list[dict[str, Any]], axis: str) -> dict[float, list[dict[str, Any]]]:
    """Results by value; 0 of nonlinearity and noise is the plain device of 64 pulses."""
    found: dict[float, list[dict[str, Any]]] = {}
    for r in results:
        if r["axis"] == axis:
            found.setdefault(r["value"], []).append(r)
        elif axis != "pulses" and (r["axis"], r["value"]) == ("pulses", PULSES):
            found.setdefault(0.0, []).append(r)
    return dict(sorted(found.items()))


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Points gained along every axis."""
    panels = figure.subplots(1, len(AXES), sharey=True)
    for ax, (axis, (label, _)) in zip(panels, AXES.items(), strict=True):
        groups = along(results, axis)
        points = [mean_interval([100 * (r["after"] - r["before"]) for r in g]) for g in groups.values()]
        error = [0.0 if half != half else half for _, half in points]
        ax.errorbar(list(groups), [m for m, _ in points], error, fmt="o-", color="#4477aa", capsize=2)
        if axis == "pulses":
            ax.set_xscale("log")
        ax.set_xlabel(label, fontsize=6)
    panels[0].set_ylabel("gain by tuning, points")
