"""A sweep's points: along every axis, and accuracy against cost, drawn."""

from pathlib import Path
from typing import Any

from ndrite.costs.parts import MODELLED
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, PALE


def axis_summary(rows: list[dict[str, Any]], axis: str) -> list[tuple[Any, float, float, float]]:
    """(value, mean, least, greatest accuracy) for each value of ``axis``, in the order of the rows."""
    groups: dict[Any, list[float]] = {}
    for row in rows:
        groups.setdefault(row[axis], []).append(row["accuracy"])
    return [(value, sum(a) / len(a), min(a), max(a)) for value, a in groups.items()]


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


MEASURES: dict[str, tuple[str, float]] = {
    "accuracy": ("accuracy, %", 100),
    "energy_pJ": (f"energy, nJ ({MODELLED}, typical)", 1e-3),
    "latency_ns": (f"latency, µs ({MODELLED}, typical)", 1e-3),
    "area_um2": (f"area, mm² ({MODELLED}, typical)", 1e-6),
    "snr_db": ("output SNR, dB", 1),
}
"""Field of a row -> name, factor."""
