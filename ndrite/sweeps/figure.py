"""figure: accuracy over each axis of a sweep, the other axes averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ndrite import drawing
from ndrite.drawing import INK


def axis_summary(rows: list[dict[str, Any]], axis: str) -> list[tuple[Any, float, float, float]]:
    """(value, mean, least, greatest accuracy) for each value of ``axis``, in the order of the rows."""
    groups: dict[Any, list[float]] = {}
    for row in rows:
        groups.setdefault(row[axis], []).append(row["accuracy"])
    return [(value, sum(a) / len(a), min(a), max(a)) for value, a in groups.items()]


def draw(rows: list[dict[str, Any]], axes: tuple[str, ...], folder: Path) -> list[Path]:
    """One figure an axis, ``AXIS.svg`` in ``folder``: mean accuracy and the range over all other axes."""
    paths = []
    for axis in axes:
        found = axis_summary(rows, axis)
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value, *_ in found)
        if numeric:
            found.sort(key=lambda entry: entry[0])
        where = [entry[0] for entry in found] if numeric else list(range(len(found)))
        mean, low, high = ([100 * entry[i] for entry in found] for i in (1, 2, 3))
        figure = drawing.figure(5, 3.4)
        ax = figure.subplots()
        ax.fill_between(where, low, high, alpha=0.25, color=INK, label="range over the other axes")
        ax.plot(where, mean, "o-", color=INK, label="mean")
        ax.set(xlabel=axis, ylabel="accuracy, %")
        if not numeric:
            ax.set_xticks(where, [str(entry[0]) for entry in found])
        ax.legend()
        path = folder / f"{axis}.svg"
        drawing.save(figure, path)
        paths.append(path)
    return paths
