"""Tables and figures of a study: tables of text, and the figure drawn from one of them."""

import itertools
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ndrite.intervals import crossed, crossed_of, mean_interval
from ndrite.pages.drawing import SERIES
from ndrite.results import Table as Table
from studies.runs import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure as PlotFigure


K = TypeVar("K", bound=tuple[object, ...])
G = TypeVar("G")


@dataclass(frozen=True)
class Figure:
    """How to draw columns of a table as error bars: one panel for each value of column
    ``panel``, and one position on the x axis for each combination of values of the
    columns ``place``. ``series`` are columns whose cells have a mean and its interval;
    ``line`` is the value and label of a horizontal line."""

    place: tuple[str, ...]
    series: tuple[str, ...]
    panel: str | None = None
    line: tuple[float, str] | None = None
    log: bool = False


def table(
    title: str,
    keys: tuple[str, ...],
    groups: Mapping[K, G],
    columns: Mapping[str, Callable[[G], str]],
) -> Table:
    """Build a table with one row for each group of runs. A row has the parts of
    the group's key, named by ``keys``, then the result of each function in
    ``columns`` for the group."""
    rows = [(*key, *(column(group) for column in columns.values())) for key, group in groups.items()]
    return Table(title, (*keys, *columns), rows)


def over_seeds(values: npt.ArrayLike, digits: int = 2) -> str:
    """Format the mean of ``values`` (n,) as ``mean ± half interval``, by Student's t."""
    mean, half = mean_interval(np.asarray(values, np.float64))
    return f"{mean:.{digits}f}" + ("" if half is None else f" ± {half:.{digits}f}")


def points(values: Floats, *, same_dies: bool = False) -> str:
    """Format the mean of ``values`` (networks, dies, n) and its interval by
    ``crossed``, in percent."""
    return in_points(float(values.mean()), *crossed(values, same_dies=same_dies))


def in_points(mean: float, low: float, high: float) -> str:
    """Format a mean and the ends of its interval, all given as fractions, in percent."""
    return f"{100 * mean:.2f} ({100 * low:.2f} .. {100 * high:.2f})"


def behind(on_dies: Floats, beside: Floats) -> tuple[float, float, float]:
    """Return how much less accurate networks on dies (networks, dies, n) are than other
    networks (others, n) on the same samples, with the interval by ``crossed_of``."""
    low, high = crossed_of(lambda ours, others: others - ours, on_dies, beside=beside)
    return float(beside.mean() - on_dies.mean()), low, high


def recovered(before: Floats, after: Floats) -> str:
    """Format which part of a loss is recovered, with its interval by ``crossed_of``, or
    ``-`` if the loss may be zero."""
    if crossed(before)[0] <= 0:
        return "-"
    low, high = crossed_of(lambda b, a: 1.0 - a / b if b > 0 else np.nan, before, after)
    return f"{1 - after.mean() / before.mean():.0%} ({low:.0%} .. {high:.0%})"


def interval(cell: str) -> tuple[float, float, float] | None:
    """Parse a cell such as ``1.0 (0.5 .. 1.5)``, ``1.0 ± 0.5`` or ``1.0`` into mean,
    low and high; return None for any other cell."""
    try:
        numbers = [float(word) for word in re.split(r" \(| \.\. | ± ", cell.rstrip(")"))]
    except ValueError:
        return None
    mean, *ends = numbers
    half = ends[0] if len(ends) == 1 else 0.0
    return (mean, *ends) if len(ends) == 2 else (mean, mean - half, mean + half)  # type: ignore[return-value]


def moved(before: Sequence[Table], after: Sequence[Table]) -> Table:
    """Return the cells whose mean lies outside the interval that it had ``before``. Rows
    are the same if their cells up to the first number are."""
    rows = []
    for then, now in zip(before, after, strict=False):
        rows_then, rows_now = _by_name(then), _by_name(now)
        for key in (key for key in rows_now if key in rows_then):
            for column, old, new in zip(now.header, rows_then[key], rows_now[key], strict=False):
                was, is_now = (interval(cell.replace("%", "")) for cell in (old, new))
                if was and is_now and was[1] < was[2] and not was[1] <= is_now[0] <= was[2]:
                    rows.append((now.title, key[0], column, old, new))
    return Table("moved beyond the interval before", ("table", "row", "column", "before", "now"), rows)


def _by_name(of: Table) -> dict[tuple[str, int], Sequence[str]]:
    """Return the rows of a table by their cells up to the first number, and how many
    rows before them have the same."""
    found: dict[tuple[str, int], Sequence[str]] = {}
    for row in of.rows:
        name = ", ".join(itertools.takewhile(lambda cell: interval(cell) is None, row))
        found[name, sum(key[0] == name for key in found)] = row
    return found


def draw(figure: "PlotFigure", wanted: Figure, tables: Sequence[Table]) -> None:
    """Draw ``figure`` from the last table that has all the columns that ``wanted`` names."""
    needed = {*wanted.place, *wanted.series}
    drawn = next(table for table in reversed(tables) if needed <= set(table.header))
    rows = [dict(zip(drawn.header, row, strict=True)) for row in drawn.rows]
    panels = list(dict.fromkeys(row[wanted.panel] for row in rows)) if wanted.panel else [""]
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    figure.set_size_inches(8, max(3.6, 2.9 * lines))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid, panels, strict=False):
        panel_rows = [row for row in rows if not wanted.panel or row[wanted.panel] == panel]
        for i, series in enumerate(wanted.series):
            shift = 0.5 * ((i + 0.5) / len(wanted.series) - 0.5)
            points = [
                (x + shift, cell) for x, row in enumerate(panel_rows) if (cell := interval(row[series]))
            ]
            x, (mean, low, high) = [x for x, _ in points], np.array([p for _, p in points]).reshape(-1, 3).T
            axes.errorbar(
                x, mean, (mean - low, high - mean), fmt="o", ms=4, capsize=2, color=SERIES[i], label=series
            )
        places = [textwrap.fill(", ".join(row[p] for p in wanted.place), 16) for row in panel_rows]
        axes.set_xticks(range(len(panel_rows)), places, rotation=0 if len(panel_rows) * columns < 9 else 90)
        if wanted.line is not None:
            axes.axhline(wanted.line[0], color="#777777", linewidth=0.8, linestyle="--", label=wanted.line[1])
        axes.set(title=textwrap.fill(panel, 40), yscale="log" if wanted.log else "linear")
        axes.title.set_size(9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].legend(fontsize=7, framealpha=0.9)
