"""How a campaign's chips are spread."""

from pathlib import Path
from typing import Any

import numpy as np

from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK


def draw(summary: dict[str, Any], path: Path) -> Path:
    """A histogram of the chips with the threshold, and yield against threshold."""
    what, each, threshold = "rms error", "rms_error_per_chip", summary.get("threshold")
    higher = "accuracy_mean" in summary
    if higher:
        what, each, threshold = "accuracy, %", "accuracy_per_chip", 100 * summary["threshold"]
    values = np.array(summary[each]) * (100 if higher else 1)
    as_good = [100 * float((values >= v if higher else values <= v).mean()) for v in values]
    title = f"{len(values)} chips, {summary['samples']} samples"
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
