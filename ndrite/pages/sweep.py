"""A sweep's points: along every axis, and accuracy against cost, as figures and as a page."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ndrite.costs.parts import MODELLED
from ndrite.intervals import percent
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK, PALE
from ndrite.pages.points import Point, points_page
from ndrite.sweeps.plan import Plan, with_fields


def axis_summary(rows: list[dict[str, Any]], axis: str) -> list[tuple[Any, float, float, float]]:
    """(value, mean, least, greatest accuracy) for each value of ``axis``, in the order of the rows."""
    groups: dict[Any, list[float]] = {}
    for row in rows:
        groups.setdefault(row[axis], []).append(row["accuracy"])
    return [(value, sum(a) / len(a), min(a), max(a)) for value, a in groups.items()]


def draw_axes(rows: list[dict[str, Any]], axes: tuple[str, ...], folder: Path) -> None:
    """One figure an axis, ``AXIS.svg`` in ``folder``: mean accuracy and the range over all other axes."""
    for axis in axes:
        found = axis_summary(rows, axis)
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value, *_ in found)
        if numeric:
            found.sort(key=lambda entry: entry[0])
        values, mean, low, high = (list(column) for column in zip(*found, strict=True))
        where = values if numeric else range(len(values))
        figure = drawing.figure(5, 3.4)
        ax = figure.subplots()
        label = "range over the other axes"
        ax.fill_between(where, *(100 * np.array([low, high])), alpha=0.25, color=INK, label=label)
        ax.plot(where, 100 * np.array(mean), "o-", color=INK, label="mean")
        ax.set(xlabel=axis, ylabel="accuracy, %")
        if not numeric:
            ax.set_xticks(where, [str(value) for value in values])
        ax.legend()
        drawing.save(figure, folder / f"{axis}.svg")


def front(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that none other beats, cheapest first: as accurate or more at as little energy or less.

    Of several alike the first stays.
    """
    found: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda r: (r["energy_pJ"], -r["accuracy"])):
        if not found or row["accuracy"] > found[-1]["accuracy"]:
            found.append(row)
    return found


def draw_front(rows: list[dict[str, Any]], axes: tuple[str, ...], path: Path) -> Path:
    """All points, and the front joined and named by its values of ``axes``; the format is the suffix."""
    best, figure = front(rows), drawing.figure(6.4, 4.2)
    ax = figure.subplots()

    def places(some: list[dict[str, Any]]) -> list[Any]:
        return [[r["energy_pJ"] * 1e-3 for r in some], [100 * r["accuracy"] for r in some]]

    halves = [100 * (r["accuracy_half_interval_95"] or 0.0) for r in rows]
    ax.errorbar(*places(rows), yerr=halves, fmt="o", color=PALE, label="points")
    line = {"color": ACCENT, "drawstyle": "steps-post", "zorder": 3, "label": "Pareto front"}
    ax.plot(*places(best), "o-", **line)
    for row, *place in zip(best, *places(best), strict=True):
        text = ", ".join(f"{axis.rpartition('.')[2]} {row[axis]}" for axis in axes)
        ax.annotate(text, place, fontsize=6, xytext=(4, -8), textcoords="offset points")
    ax.set(xlabel="energy of one inference, nJ (modelled, typical)", ylabel="accuracy, %")
    ax.legend()
    return drawing.save(figure, path)


MEASURES: dict[str, tuple[str, str | None, float]] = {
    "accuracy": ("accuracy, %", "high", 100),
    "energy_pJ": (f"energy, nJ ({MODELLED}, typical)", "low", 1e-3),
    "latency_ns": (f"latency, µs ({MODELLED}, typical)", "low", 1e-3),
    "area_um2": (f"area, mm² ({MODELLED}, typical)", "low", 1e-6),
    "snr_db": ("output SNR, dB", "high", 1),
}
"""Field of a row -> name, which is better, factor."""


def sweep_page(plan: Plan, rows: list[dict[str, Any]]) -> str:
    """One HTML file, where ``is_page`` says that there can be one; at first accuracy against energy, coloured
    by the plan's first axis."""
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
    listed = {"grid"} | {f"{axis}s" for axis in ("seed", "network") if axis in plan.axes}
    kept = {name: value for name, value in plan.fields.items() if name not in listed}
    head = f"# a plan of the values selected, in every combination; save it beside that of {plan.name}\n"
    varied = {point.key: dict(point.axes) for point in plan.points}
    return points_page(
        plan.name,
        note=note,
        quantities=[(name, better) for name, better, _ in MEASURES.values()] + [(a, None) for a in plan.axes],
        points=[_point(plan, row, varied[row["key"]]) for row in rows],
        x=1,
        y=0,
        colour=len(MEASURES) if plan.axes else None,
        head=head + str(yaml.safe_dump(kept, sort_keys=False)),
    )


def _point(plan: Plan, row: dict[str, Any], varied: dict[str, Any]) -> Point:
    where = ", ".join(f"{axis} {row[axis]}" for axis in plan.axes) or plan.name
    label = f"{100 * row['accuracy']:.2f} %, {1e-3 * row['energy_pJ']:.4g} nJ: {where}"
    values = [factor * row[name] for name, (_, _, factor) in MEASURES.items()]
    half = 100 * (row["accuracy_half_interval_95"] or 0.0)
    grid = {axis: varied[axis] for axis in plan.fields.get("grid", {})}
    fields: dict[str, Any] = {"grid": grid} if grid else {}
    if "seed" in plan.axes:
        fields["seeds"] = row["seed"]
    if "network" in plan.axes:
        names = {Path(name).stem: name for name in plan.fields["networks"]}
        fields["networks"] = names[row["network"]]
    text = f"# {label} ({MODELLED}, typical)\n{_of_chip(plan, grid)}"
    return Point(label, (*values, *(row[axis] for axis in plan.axes)), half, text, fields)


def _of_chip(plan: Plan, grid: dict[str, Any]) -> str:
    """The point's chip fields as a chip file of their own, to be joined to the plan's chip."""
    chip = with_fields({}, grid)
    if not chip:
        return f"# its chip is {plan.fields['chip']}\n"
    words = f"# its chip: ndrite compile FLOAT.npz --chip {plan.fields['chip']}+selection.yaml\n"
    return words + str(yaml.safe_dump(chip, sort_keys=False))
