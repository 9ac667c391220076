"""atlas: one page with the accuracy of in-situ learning over device properties, by
rule, and with your devices on it."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.learning.insitu import IMPROVEMENTS, Place
from ndrite.emulator.spec import brief
from ndrite.emulator.spec.files import write_whole
from ndrite.intervals import mean_interval
from ndrite.pages import drawing
from ndrite.results import Result, Table, percents
from ndrite.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

OWN = ""
"""Name of the improvement that leaves a device unchanged."""
LOSSES = (3, 1)
"""Losses against float training, in percentage points; for each, the nearest point of
the map with at most this loss is named."""
FINEST = Place(states=1.0, asymmetry=1 / 16, noise=0.1)
"""Smallest states, asymmetry and noise that count in distances between positions on the
map; smaller values count as these."""


class Dot(NamedTuple):
    """A device shown on the atlas: its name, the improvement made to it, its
    description, and its position on the map."""

    name: str
    change: str
    device: Chip
    place: Place


def doublings(a: Place, b: Place) -> float:
    """Return the distance between two positions on the map: how often states, asymmetry
    and noise double between them, summed."""
    logs = [abs(math.log2(max(x, least) / max(y, least))) for x, y, least in zip(a, b, FINEST, strict=True)]
    return sum(logs)


@dataclass(frozen=True, eq=False, repr=False)
class Atlas(Result):
    """The result of ``ndrite.atlas``: a map of accuracies over device properties, with
    devices placed on it.

    Attributes
    ----------
    dots:
        Each device as it is, and with each improvement.
    floats:
        The row of the same networks trained in floats.
    rows:
        One per rule of each dot (``device``, ``change``), and of each place of the map
        (``states``, ``asymmetry``, ``noise``): ``rule``, ``rate``, ``accuracy`` (0..1)
        on test samples, half its 95 % interval over seeds, ``accuracy_held_out``.
    """

    dots: Sequence[Dot]
    floats: Row
    rows: list[Row]

    @cached_property
    def rules(self) -> list[str]:
        """Return the names of the learning rules, in order."""
        return list(dict.fromkeys(row["rule"] for row in self.rows))

    @cached_property
    def map(self) -> list[Row]:
        """Return the rows of results for the map's points."""
        return [row for row in self.rows if "device" not in row]

    def of_dot(self, name: str, rule: str, change: str = OWN) -> Row:
        """Return the row of results for a device, unchanged or with one improvement."""
        key = (name, change, rule)
        return next(r for r in self.rows if (r.get("device"), r.get("change"), r["rule"]) == key)

    def best_rule(self, name: str) -> str:
        """Return the learning rule with which an unchanged device has the best
        held-out accuracy."""
        return max(self.rules, key=lambda rule: self.of_dot(name, rule)["accuracy_held_out"])

    def nearest(self, place: Place, rule: str, points: float) -> Row | None:
        """Return the point of the map nearest to ``place`` whose loss against float
        training is at most ``points`` percentage points, or None if there is none."""
        accuracy_min = self.floats["accuracy"] - points / 100
        fit = [row for row in self.map if row["rule"] == rule and row["accuracy"] >= accuracy_min]
        return min(fit, key=lambda row: doublings(place, _place(row)), default=None)

    def gain(self, name: str, rule: str, change: str) -> tuple[float, float | None]:
        """Return by how much an improvement raises a device's accuracy, as a mean over
        runs with equal seeds, and half its 95 % interval."""
        before, after = (np.array(self.of_dot(name, rule, c)["accuracy_per_seed"]) for c in (OWN, change))
        return mean_interval(after - before)

    def worth_most(self, name: str, rule: str) -> str:
        """Return the improvement of a device that raises its accuracy most."""
        return max(IMPROVEMENTS, key=lambda change: self.gain(name, rule, change)[0])

    @property
    def own(self) -> list[Dot]:
        """Return the devices as they were given, without their improved variants."""
        return [dot for dot in self.dots if dot.change == OWN]

    def as_dict(self) -> dict[str, Any]:
        return {
            "float": self.floats,
            "devices": {dot.name: self._device(dot) for dot in self.own},
            "tables": [
                {
                    "title": table.title,
                    "header": list(table.header),
                    "rows": [list(row) for row in table.rows],
                }
                for table in (*self.tables(), *self.details())
            ],
            "trainings": self.floats["trainings"] + sum(row["trainings"] for row in self.rows),
            "rows": self.rows,
        }

    def _device(self, dot: Dot) -> dict[str, Any]:
        best = self.best_rule(dot.name)
        of_rules = {}
        for rule in self.rules:
            row = self.of_dot(dot.name, rule)
            nearest = {str(points): self.nearest(dot.place, rule, points) for points in LOSSES}
            of_rules[rule] = {
                "accuracy": row["accuracy"],
                "accuracy_half_interval_95": row["accuracy_half_interval_95"],
                "loss": self.floats["accuracy"] - row["accuracy"],
                "nearest": {p: None if r is None else _place(r)._asdict() for p, r in nearest.items()},
                "gains": {change: self.gain(dot.name, rule, change) for change in IMPROVEMENTS},
            }
        worth_most = self.worth_most(dot.name, best)
        return {"place": dot.place._asdict(), "best_rule": best, "worth_most": worth_most, "rules": of_rules}

    def tables(self) -> Iterable[Table]:
        lost = [f"nearest, {points} points lost" for points in LOSSES]
        rows = []
        for dot in self.own:
            rule = self.best_rule(dot.name)
            nearest = [_said(self.nearest(dot.place, rule, points)) for points in LOSSES]
            change = self.worth_most(dot.name, rule)
            worth = f"{change}: {_points(self.gain(dot.name, rule, change))}"
            place = _said(dot.place._asdict())
            rows.append((dot.name, place, rule, *self._measured(dot, rule), *nearest, worth))
        axes = ", ".join(Place._fields)
        header = ("device", axes, "best rule", "accuracy, %", "loss, points", *lost, "worth most")
        yield Table(f"devices; floats: {_with_half(self.floats)} %", header, rows)
        rows = []
        for dot in self.own:
            for rule in self.rules:
                gains = [_points(self.gain(dot.name, rule, change)) for change in IMPROVEMENTS]
                rows.append((dot.name, rule, *self._measured(dot, rule), *gains))
        header = ("device", "rule", "accuracy, %", "loss, points", *IMPROVEMENTS)
        yield Table("devices by rule, and points gained by one improvement", header, rows)
        rows = [
            (dot.name, rule, *(_said(self.nearest(dot.place, rule, points)) for points in LOSSES))
            for dot in self.own
            for rule in self.rules
        ]
        yield Table(f"nearest places by rule: {axes}", ("device", "rule", *lost), rows)

    def _measured(self, dot: Dot, rule: str) -> tuple[str, str]:
        """Format the accuracy of an unchanged device, in percent, and its loss against
        float training, in percentage points."""
        row = self.of_dot(dot.name, rule)
        return _with_half(row), f"{100 * (self.floats['accuracy'] - row['accuracy']):.1f}"

    def details(self) -> Iterable[Table]:
        keys = ("rule", *Place._fields)
        rows = [(*(f"{row[k]}" for k in keys), f"{row['rate']:g}", _with_half(row)) for row in self.map]
        yield Table("all places", (*keys, "rate", "accuracy, %"), rows)

    def lines(self) -> Iterable[str]:
        for dot in self.own:
            rule = self.best_rule(dot.name)
            change = self.worth_most(dot.name, rule)
            gain, half = self.gain(dot.name, rule, change)
            clear = "" if half is None or gain > half else ", within the noise of the seeds"
            place = _said(dot.place._asdict())
            yield (
                f"{dot.name} (states, asymmetry, noise {place}) learns best by {rule}, "
                f"{percents(self.of_dot(dot.name, rule)['accuracy'])} %; worth most: {change}, "
                f"{_points((gain, half))} points{clear}"
            )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the atlas as one HTML file that needs no other file. Raises OSError if
        it cannot be written."""
        svg = base64.b64encode(drawing.written(draw(self), "svg", "atlas")).decode()
        tables = [(t.title, brief.table(t.header, t.rows)) for t in (*self.tables(), *self.details())]
        from ndrite.pages.report import environment

        template = environment().get_template("atlas.html")
        return write_whole(path, template.render(atlas=self, svg=svg, tables=tables).lstrip())


def _place(row: Row) -> Place:
    return Place(*(row[name] for name in Place._fields))


def _said(place: Row | None) -> str:
    """Format a position on the map as text: states, asymmetry and noise."""
    if place is None:
        return "none on the map"
    return f"{place['states']:.4g}, {place['asymmetry']:.2g}, {place['noise']:.2g}"


def _with_half(row: Row) -> str:
    """Format an accuracy and half its 95 % interval, in percent."""
    return _points((row["accuracy"], row["accuracy_half_interval_95"]))


def _points(value: tuple[float, float | None]) -> str:
    mean, half = value
    return f"{100 * mean:.1f}" + ("" if half is None else f" ± {100 * half:.1f}")


def draw(atlas: Atlas) -> Figure:
    """Draw the atlas as a matplotlib figure: accuracy over states and asymmetry, in one
    panel for each learning rule and noise."""
    axis = {name: sorted({row[name] for row in atlas.map}) for name in Place._fields}
    states, asymmetry, noise = (axis[name] for name in Place._fields)
    figure = drawing.figure(1.2 + 3.4 * len(noise), 0.6 + 2.1 * len(atlas.rules))
    panels = figure.subplots(len(atlas.rules), len(noise), squeeze=False, sharex=True, sharey=True)
    shades = {"cmap": "viridis", "vmin": 0, "vmax": 100 * atlas.floats["accuracy"], "origin": "lower"}
    image: AxesImage | None = None
    for rule, row_of_panels in zip(atlas.rules, panels, strict=True):
        for value, axes in zip(noise, row_of_panels, strict=True):
            places = [row for row in atlas.map if row["rule"] == rule and row["noise"] == value]
            accuracy_of = {(row["states"], row["asymmetry"]): 100 * row["accuracy"] for row in places}
            cells = np.array([[accuracy_of[s, a] for s in states] for a in asymmetry])
            image = axes.imshow(cells, aspect="auto", **shades)
            for (y, x), accuracy in np.ndenumerate(cells):
                ink = "white" if accuracy < 55 else "black"
                axes.text(x, y, f"{accuracy:.0f}", ha="center", va="center", fontsize=6, color=ink)
            axes.set_xticks(range(len(states)), [f"{s:g}" for s in states], fontsize=7)
            axes.set_yticks(range(len(asymmetry)), [f"{a:g}" for a in asymmetry], fontsize=7)
            axes.set_title(f"{rule}, noise {value:g} of a step", fontsize=8)
            _draw_dots(axes, atlas, rule, _near(atlas, value, noise), (states, asymmetry), shades["vmax"])
    for axes in panels[-1]:
        axes.set_xlabel("states", fontsize=8)
    for axes in panels[:, 0]:
        axes.set_ylabel("asymmetry", fontsize=8)
    assert image is not None
    figure.colorbar(image, ax=panels, shrink=0.6, label="accuracy on test samples, %")
    names = [f"{number} {dot.name}" for number, dot in enumerate(atlas.own, 1)]
    lines = [", ".join(names[first : first + 4]) for first in range(0, len(names), 4)]
    figure.suptitle("\n".join(lines), fontsize=8)
    return figure


def _near(atlas: Atlas, value: float, noise: Sequence[float]) -> list[tuple[int, Dot]]:
    """Select the devices for the panel of noise ``value``, each with its number from 1:
    those whose noise is nearer to ``value`` than to any other value in ``noise``."""

    def nearest(noise_of_device: float) -> float:
        noise_of_device = max(noise_of_device, FINEST.noise)
        return min(noise, key=lambda n: abs(math.log2(max(n, FINEST.noise) / noise_of_device)))

    return [(number, dot) for number, dot in enumerate(atlas.own, 1) if nearest(dot.place.noise) == value]


def _draw_dots(
    axes: Axes,
    atlas: Atlas,
    rule: str,
    dots: list[tuple[int, Dot]],
    axis: tuple[list[float], list[float]],
    top: float,
) -> None:
    """Draw devices on a panel, each with its accuracy; devices that are closer than
    half a cell share a label."""
    states, asymmetry = axis
    labels: list[tuple[float, float, list[str]]] = []
    for number, dot in dots:
        x = float(np.interp(math.log2(dot.place.states), np.log2(states), range(len(states))))
        y = float(np.interp(dot.place.asymmetry, asymmetry, range(len(asymmetry))))
        row = atlas.of_dot(dot.name, rule)
        axes.scatter([x], [y], c=[100 * row["accuracy"]], cmap="viridis", vmin=0, vmax=top, **MARK)
        words = next((words for u, v, words in labels if max(abs(u - x), abs(v - y)) < 0.5), None)
        if words is None:
            words = []
            labels.append((x, y, words))
        words.append(f"{number}: {_with_half(row)}")
    for x, y, words in labels:
        axes.annotate("\n".join(words), (x, y), **LABEL)


MARK: dict[str, Any] = {"s": 70, "edgecolors": drawing.ACCENT, "linewidths": 1.8, "zorder": 3}
LABEL: dict[str, Any] = {
    "fontsize": 6,
    "xytext": (0, -9),
    "textcoords": "offset points",
    "ha": "center",
    "va": "top",
    "bbox": {"boxstyle": "round,pad=0.15", "fc": "white", "ec": drawing.ACCENT, "lw": 0.6},
}
