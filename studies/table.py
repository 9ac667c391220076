"""What a study shows: tables of text, and figures of means with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndrite.drawing import PALE, SERIES
from ndrite.intervals import bars, crossed, crossed_of, mean_interval
from studies.runs import Floats

SMALL = {"ha": "right", "fontsize": 7, "color": "#555555"}
Point = Floats | tuple[float, float, float]
"""Of an error bar: what is right, (networks, dies, n), or a mean with the ends of its interval."""
Series = Mapping[Any, Point] | tuple[Any, Any]
"""Error bars by place, a number or a word; or a line's two coordinates."""


@dataclass(frozen=True)
class Table:
    """Title, header, rows of text."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def table(
    title: str,
    keys: tuple[str, ...],
    groups: Mapping[Any, Any],
    columns: Mapping[str, Callable[[Any], str]],
) -> Table:
    """A row for each group of runs, or of what they found: its key, whose parts ``keys`` name, and what each
    column says of it."""
    rows = [(*key, *(column(group) for column in columns.values())) for key, group in groups.items()]
    return Table(title, (*keys, *columns), rows)


def over_seeds(values: Any, digits: int = 2) -> str:
    """``mean ± half interval`` of (n,) values by Student's t."""
    mean, half = mean_interval(np.asarray(values, np.float64))
    return f"{mean:.{digits}f}" + ("" if half is None else f" ± {half:.{digits}f}")


def draw(
    figure: Any,
    panels: Mapping[str, Mapping[str, Series]],
    *,
    ylabel: str,
    columns: int | None = None,
    alike: bool = False,
    log: Sequence[str] = (),
    level: tuple[float, str] | None = None,
) -> None:
    """Panels by title, series by name; in percent.

    Parameters
    ----------
    columns:
        Panels in a row; default: all.
    alike:
        Whether all panels have one scale.
    log:
        Panels whose places are drawn on a logarithmic axis.
    level:
        Where a line is drawn across, and what it is called, such as a published figure.
    """
    columns = columns or len(panels)
    grid = figure.subplots(-(-len(panels) // columns), columns, squeeze=False, sharey=alike).ravel()
    figure.set_size_inches(8, max(3.6, 2.7 * (-(-len(panels) // columns))))
    labels: list[str] = []
    for ax, (title, series) in zip(grid, panels.items(), strict=False):
        names = list(dict.fromkeys(k for s in series.values() if isinstance(s, Mapping) for k in s))
        words = any(isinstance(name, str) for name in names)
        for i, (label, values) in enumerate(series.items()):
            if not isinstance(values, Mapping):
                ax.plot(*values, linewidth=1.2, color=SERIES[i % len(SERIES)], label=label)
                continue
            shift = 0.6 * ((i + 0.5) / len(series) - 0.5) if words else 0.0
            places = [names.index(k) + shift if words else k for k in values]
            mean, error = _bars(list(values.values()))
            # A name with an underscore stands in no legend, and is one of many alike.
            colour = PALE if label.startswith("_") else SERIES[i % len(SERIES)]
            style = {"fmt": "o" if words else "o-", "capsize": 2, "markersize": 4, "color": colour}
            ax.errorbar(places, mean, error, label=label, **style)
        if words:
            ax.set_xticks(range(len(names)), [_broken(n, 90 // (columns * len(names))) for n in names])
        else:
            ax.locator_params(axis="x", nbins=4)
        if title in log:
            ax.set_xscale("log")
        if level is not None:
            ax.axhline(level[0], color="#777777", linewidth=0.8, linestyle="--")
            ax.annotate(
                level[1], (0.98, level[0]), (0, 2), ("axes fraction", "data"), "offset points", **SMALL
            )
        ax.set_title(title, fontsize=9)
        ax.tick_params(labelsize=7)
        if len(series) > 1 and list(series) != labels:
            ax.legend(fontsize=7, framealpha=0.9)
        labels = list(series)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in grid[len(panels) :]:
        ax.set_axis_off()
    for ax in grid[::columns]:
        ax.set_ylabel(ylabel, fontsize=8)


def _broken(name: str, letters: int) -> str:
    """A place's name in lines of at most so many letters, seven to sixteen."""
    return textwrap.fill(name, min(max(letters, 7), 16), break_long_words=False)


def _bars(points: list[Point]) -> tuple[Any, Any]:
    """Means, and how far their intervals reach below and above."""
    mean, below, above = [], [], []
    for point in points:
        if isinstance(point, tuple):
            middle, low, high = (100 * v for v in point)
            under, over = middle - low, high - middle
        else:
            (middle,), ((under,), (over,)) = bars(point)
        mean.append(middle)
        below.append(under)
        above.append(over)
    return mean, [below, above]


def recovered(before: Floats, after: Floats) -> str:
    """The part of a loss that is gone, with its crossed interval; none where there may be no loss at all."""
    if crossed(before)[0] <= 0:
        return "-"
    low, high = crossed_of(lambda b, a: 1.0 - a / b if b > 0 else np.nan, before, after)
    return f"{1 - after.mean() / before.mean():.0%} ({low:.0%} .. {high:.0%})"
