"""figure: accuracy over each axis of a sweep, the other axes averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.files import whole_file


def axis_summary(rows: list[dict[str, Any]], axis: str) -> list[tuple[Any, float, float, float]]:
    """(value, mean, least, greatest accuracy) for each value of ``axis``, in the order of the rows."""
    groups: dict[Any, list[float]] = {}
    for row in rows:
        groups.setdefault(row[axis], []).append(row["accuracy"])
    return [(value, sum(a) / len(a), min(a), max(a)) for value, a in groups.items()]


def draw(rows: list[dict[str, Any]], axes: tuple[str, ...], folder: Path) -> list[Path]:
    """One figure an axis, ``AXIS.svg`` in ``folder``: mean accuracy and the range over all other axes."""
    from matplotlib.figure import Figure

    paths = []
    for axis in axes:
        found = axis_summary(rows, axis)
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value, *_ in found)
        if numeric:
            found.sort(key=lambda entry: entry[0])
        where = [entry[0] for entry in found] if numeric else list(range(len(found)))
        mean, low, high = ([100 * entry[i] for entry in found] for i in (1, 2, 3))
        drawing = Figure(figsize=(5, 3.4), layout="constrained")
        ax = drawing.subplots()
        ax.fill_between(where, low, high, alpha=0.25, color="#4477aa", label="range over the other axes")
        ax.plot(where, mean, "o-", color="#4477aa", label="mean")
        ax.set(xlabel=axis, ylabel="accuracy, %")
        if not numeric:
            ax.set_xticks(where, [str(entry[0]) for entry in found])
        ax.legend()
        path = folder / f"{axis}.svg"
        with whole_file(path) as file:
            drawing.savefig(file, format="svg")
        paths.append(path)
    return paths
