"""A campaign's chips: a page of all of them, or a picture of how they are spread."""

from pathlib import Path
from typing import Any

import numpy as np

from emulator.files import write_whole
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK
from ndrite.pages.points import Point, is_page, points_page


def draw(summary: dict[str, Any], path: Path, *, name: str) -> Path:
    """A page or a picture of the chips, as the suffix says; errors as ``is_page``.

    The page shows at first yield against threshold, and a selection is a list of chips. The picture is a
    histogram of the chips with the threshold, and yield against threshold.
    """
    what, each, threshold = "rms error", "rms_error_per_chip", summary.get("threshold")
    higher = "accuracy_mean" in summary
    if higher:
        what, each, threshold = "accuracy, %", "accuracy_per_chip", 100 * summary["threshold"]
    values = np.array(summary[each]) * (100 if higher else 1)
    as_good = [100 * float((values >= v if higher else values <= v).mean()) for v in values]
    title, seed = f"{len(values)} chips, {summary['samples']} samples", summary["seed"]
    if is_page(path, len(values)):
        said = f"{summary['samples']} samples, {summary['trials']} trials"
        points = [
            Point(
                f"chip {chip}: {value:.4g}",
                (float(value), good, chip),
                0.0,
                f"# {what} {value:.4g}, {said}\nseed: {seed}\nchips: [{chip}]\n",
                {"chips": chip},
            )
            for chip, (value, good) in enumerate(zip(values, as_good, strict=True))
        ]
        quantities = [
            (f"{what} of a chip", "high" if higher else "low"),
            ("chips at least as good, % (yield at this threshold)", None),
            ("chip", None),
        ]
        note = f"Virtual chips of seed {seed}; every point is one chip, drawn anew."
        shown = {"x": 0, "y": 1, "colour": None, "head": f"seed: {seed}\n"}
        page = points_page(f"{name}: {title}", points, note=note, quantities=quantities, **shown)
        return write_whole(path, page)
    figure = drawing.figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    left.hist(values, bins=min(40, max(5, len(values) // 4)), color=INK)
    left.set(xlabel=f"{what} of a chip", ylabel="chips", title=title)
    order = np.argsort(values)
    right.step(values[order], np.array(as_good)[order], where="pre" if higher else "post", color=INK)
    right.set(xlabel=f"threshold: {what}", ylabel="yield, % of chips", ylim=(0, 102), title="yield")
    if threshold is not None:
        for axes in (left, right):
            axes.axvline(threshold, color=ACCENT, ls="--", label=f"threshold {threshold:g}")
        left.legend()
    return drawing.save(figure, path)
