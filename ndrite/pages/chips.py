"""A campaign's chips: a page of all of them, or a picture of how they are spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.files import write_whole
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK
from ndrite.pages.points import Look, Point, Quantity, check_picture, points_page


def draw(summary: dict[str, Any], first_chip: int, path: Path, *, name: str) -> None:
    """A page or a picture of the chips, as the suffix says; errors as ``check_picture``."""
    if "accuracy_mean" in summary:
        each = 100 * np.array(summary["accuracy_per_chip"])
        measured = _Measured("accuracy, %", each, 100 * summary["threshold"], True)
    else:
        each = np.array(summary["rms_error_per_chip"])
        measured = _Measured("rms error", each, summary.get("threshold"), False)
    title = f"{len(measured.each)} chips, {summary['samples']} samples"
    if check_picture(path, len(measured.each)):
        write_whole(path, chips_page(measured, summary, first_chip, f"{name}: {title}"))
    else:
        _figure(measured, path, title)


class _Measured(NamedTuple):
    """What is drawn of every chip: accuracy in %, or rms error, with the threshold of a good chip."""

    what: str
    each: npt.NDArray[np.float64]
    threshold: float | None
    higher: bool

    def as_good(self, value: float) -> float:
        """Share of chips at least as good."""
        return float((self.each >= value if self.higher else self.each <= value).mean())


def _figure(measured: _Measured, path: Path, title: str) -> None:
    """Histogram of the chips with the threshold, and yield against threshold."""
    each = np.sort(measured.each)
    figure = drawing.figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    left.hist(each, bins=min(40, max(5, len(each) // 4)), color=INK)
    left.set(xlabel=f"{measured.what} of a chip", ylabel="chips", title=title)
    share = [100 * measured.as_good(value) for value in each]
    right.step(each, share, where="pre" if measured.higher else "post", color=INK)
    right.set(xlabel=f"threshold: {measured.what}", ylabel="yield, % of chips", ylim=(0, 102), title="yield")
    if measured.threshold is not None:
        for axes in (left, right):
            axes.axvline(measured.threshold, color=ACCENT, ls="--", label=f"threshold {measured.threshold:g}")
        left.legend()
    drawing.save(figure, path)


def chips_page(measured: _Measured, summary: dict[str, Any], first_chip: int, title: str) -> str:
    """A page of all chips: at first yield against threshold; a selection is a list of chips."""
    quantities = (
        Quantity(f"{measured.what} of a chip", "high" if measured.higher else "low"),
        Quantity("chips at least as good, % (yield at this threshold)"),
        Quantity("chip"),
    )
    seed = f"seed: {summary['seed']}\n"
    points = [
        Point(
            f"chip {chip}: {value:.4g}",
            (float(value), 100 * measured.as_good(value), chip),
            (None, None, None),
            f"# {measured.what} {value:.4g}, {summary['samples']} samples, {summary['trials']} trials\n"
            f"{seed}chips: [{chip}]\n",
            {"chips": chip},
        )
        for chip, value in enumerate(measured.each, first_chip)
    ]
    note = f"Virtual chips of seed {summary['seed']}; every point is one chip, drawn anew."
    return points_page(Look(title, note, 0, 1, None, seed), quantities, points)
