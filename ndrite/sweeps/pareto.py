"""pareto: accuracy against modelled energy over a sweep's points, and the points that no other one beats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ndrite import drawing
from ndrite.drawing import ACCENT, PALE
from ndrite.html import check_page
from ndrite.sweeps.plan import SweepError

FORMATS = ("html", "svg", "png", "pdf")
"""The first is the interactive page, the others are pictures."""


def front(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that none other beats, cheapest first: as accurate or more at as little energy or less.

    Of several alike the first stays.
    """
    found: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda r: (r["energy_pJ"], -r["accuracy"])):
        if not found or row["accuracy"] > found[-1]["accuracy"]:
            found.append(row)
    return found


def check_picture(path: Path) -> None:
    """Raise SweepError unless the name ends as a page or picture does, MissingExtraError without plotly."""
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise SweepError(f"picture is {path}; accepted: a name that ends in .{', .'.join(FORMATS)}")
    if path.suffix.lower() == ".html":
        check_page(1)


def draw(rows: list[dict[str, Any]], axes: tuple[str, ...], path: Path) -> None:
    """All points, and the front joined and named by its values of ``axes``; the format is the suffix."""
    best = front(rows)
    figure = drawing.figure(6.4, 4.2)
    ax = figure.subplots()
    ax.errorbar(
        [r["energy_pJ"] * 1e-3 for r in rows],
        [100 * r["accuracy"] for r in rows],
        yerr=[100 * (r["accuracy_half_interval_95"] or 0.0) for r in rows],
        fmt="o",
        color=PALE,
        label="points",
    )
    ax.plot(
        [r["energy_pJ"] * 1e-3 for r in best],
        [100 * r["accuracy"] for r in best],
        "o-",
        color=ACCENT,
        drawstyle="steps-post",
        zorder=3,
        label="Pareto front",
    )
    for row in best:
        text = ", ".join(f"{axis.rpartition('.')[2]} {row[axis]}" for axis in axes)
        ax.annotate(
            text,
            (row["energy_pJ"] * 1e-3, 100 * row["accuracy"]),
            fontsize=6,
            xytext=(4, -8),
            textcoords="offset points",
        )
    ax.set(xlabel="energy of one inference, nJ (modelled, typical)", ylabel="accuracy, %")
    ax.legend()
    drawing.save(figure, path)
