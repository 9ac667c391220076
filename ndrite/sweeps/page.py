"""page: a sweep's points to look through in a browser, and what is selected as chip fields or as a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ndrite.costs import MODELLED
from ndrite.html import Look, Point, Quantity, points_page
from ndrite.intervals import percent
from ndrite.sweeps.plan import Plan

MEASURES = (
    # field of a row, quantity, factor, field of half its interval
    ("accuracy", Quantity("accuracy, %", "high"), 100, "accuracy_half_interval_95"),
    ("energy_pJ", Quantity(f"energy of an inference, nJ ({MODELLED}, typical)", "low"), 1e-3, None),
    ("latency_ns", Quantity(f"latency, µs ({MODELLED}, typical)", "low"), 1e-3, None),
    ("area_um2", Quantity(f"area, mm² ({MODELLED}, typical)", "low"), 1e-6, None),
    ("snr_db", Quantity("output SNR of the last layer, dB", "high"), 1, None),
)


def sweep_page(plan: Plan, rows: list[dict[str, Any]]) -> str:
    """One HTML file; at first accuracy against energy, coloured by the plan's first axis.

    Raises
    ------
    MissingExtraError, EmulatorError
        As ``points_page``.
    """
    quantities = [quantity for _, quantity, _, _ in MEASURES] + [Quantity(axis) for axis in plan.axes]
    note = (
        f"{len(rows)} points of the plan {plan.name} on the chip {plan.fields['chip']}. The line joins "
        "points that none other beats on both axes."
    )
    if any(row["accuracy_half_interval_95"] for row in rows):
        note += " Bars: 95 % of the mean over virtual chips."
    else:
        best = max(rows, key=lambda row: row["accuracy"])
        known = percent(best["accuracy"], best["count"])
        note += f" The best has {known} of {best['count']:,} samples right; in brackets: 95 % over samples."
    varied = {point.key: dict(point.axes) for point in plan.points}
    look = Look(plan.name, note, 1, 0, len(MEASURES) if plan.axes else None, _head(plan))
    return points_page(look, quantities, [_point(plan, row, varied[row["key"]]) for row in rows])


def _point(plan: Plan, row: dict[str, Any], varied: dict[str, Any]) -> Point:
    where = ", ".join(f"{axis} {row[axis]}" for axis in plan.axes) or plan.name
    label = f"{100 * row['accuracy']:.2f} %, {1e-3 * row['energy_pJ']:.4g} nJ: {where}"
    values = [factor * row[name] for name, _, factor, _ in MEASURES] + [row[axis] for axis in plan.axes]
    halves = [
        None if half is None or not row[half] else factor * row[half] for _, _, factor, half in MEASURES
    ]
    grid = {axis: varied[axis] for axis in plan.fields.get("grid", {})}
    fields: dict[str, Any] = {"grid": grid} if grid else {}
    if "seed" in plan.axes:
        fields["seeds"] = row["seed"]
    if "network" in plan.axes:
        names = {Path(name).stem: name for name in plan.fields["networks"]}
        fields["networks"] = names[row["network"]]
    text = f"# {label} ({MODELLED}, typical)\n{_of_chip(plan, grid)}"
    return Point(label, tuple(values), (*halves, *(None for _ in plan.axes)), text, fields)


def _of_chip(plan: Plan, grid: dict[str, Any]) -> str:
    """The point's chip fields as a chip file of their own, to be joined to the plan's chip."""
    chip: dict[str, dict[str, Any]] = {}
    for axis, value in grid.items():
        section, _, name = axis.partition(".")
        chip.setdefault(section, {})[name] = value
    if not chip:
        return f"# its chip is {plan.fields['chip']}\n"
    words = f"# its chip: ndrite compile FLOAT.npz --chip {plan.fields['chip']}+selection.yaml\n"
    return words + str(yaml.safe_dump(chip, sort_keys=False))


def _head(plan: Plan) -> str:
    """The plan without what a selection lists."""
    listed = {"grid"} | {f"{axis}s" for axis in ("seed", "network") if axis in plan.axes}
    kept = {name: value for name, value in plan.fields.items() if name not in listed}
    words = f"# a plan of the values selected, in every combination; save it beside that of {plan.name}\n"
    return words + str(yaml.safe_dump(kept, sort_keys=False))
