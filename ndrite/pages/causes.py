"""The picture of an explanation: one cause of error at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.mapping.explain import RMS_ERROR, SNR_MAX_DB, Explanation
from ndrite.intervals import paired
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK

SMALL = {"ha": "right", "fontsize": 8, "color": "0.4"}
SERIES = (("as it is", INK), ("gains and biases corrected", ACCENT))


def drawn(explanation: Explanation) -> Any:
    """The matplotlib figure. Left: error of the outputs, percent of their spread; right: points lost, or the
    rms error of targets."""
    rows = [
        row
        for row in explanation.rows
        if row.score() is None
        or any(s is not None and s < SNR_MAX_DB for s in (row.snr_db, row.snr_corrected_db))
    ]
    figure = drawing.figure(11, 0.42 * len(rows) + 1.3)
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(rows))[::-1]
    for i, (label, colour) in enumerate(SERIES):
        known = [(p, r) for p, r in zip(y, rows, strict=True) if r.score(corrected=bool(i)) is not None]
        places = np.array([place for place, _ in known]) + 0.18 - 0.36 * i
        snrs = [r.snr_corrected_db if i else r.snr_db for _, r in known]
        errors = [100 * relative_error(snr) for snr in snrs if snr is not None]
        left.barh(places, errors, height=0.34, color=colour, label=label)
        if explanation.measure == RMS_ERROR:
            right.barh(places, [r.score(corrected=bool(i)) for _, r in known], height=0.34, color=colour)
            continue
        flips = [(r.lost_corrected, r.won_corrected) if i else (r.lost, r.won) for _, r in known]
        lost = np.array([(a - b) / explanation.samples for a, b in flips if a is not None and b is not None])
        right.barh(places, 100 * lost, height=0.34, color=colour)
        for place, snr, (a, b) in zip(places, snrs, flips, strict=True):
            # Without deviation the outputs are the float network's, whatever the samples.
            if snr is not None and snr < SNR_MAX_DB and a is not None and b is not None:
                low, high = paired(a, b, explanation.samples)
                right.plot([100 * low, 100 * high], [place, place], color="0.45", lw=0.9)
    left.set_yticks(y, [row.cause for row in rows])
    without = len(explanation.rows) - len(rows)
    if without:
        note = f"{without} causes without effect are left out"
        right.text(1, 1.02, note, transform=right.transAxes, **SMALL)
    left.set(xlabel="error of the outputs, rms, % of their spread; longer is worse", xlim=(0, None))
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    right.axvline(0, color="0.6", lw=0.8)
    if explanation.measure == RMS_ERROR:
        right.axvline(explanation.reference, color="0.45", lw=0.9, ls="--")
        right.set(
            xlabel=f"rms error, in the model's unit; dashed: float network, {explanation.reference:.4g}"
        )
        return figure
    right.set(
        xlabel=f"points lost from {100 * explanation.reference:.2f} %; further right is worse\n"
        f"lines: 95 % over {explanation.samples:,} samples; across 0: noise"
    )
    return figure


def draw(explanation: Explanation, path: Path) -> None:
    """Write the picture (PNG, or what the file's suffix says)."""
    figure = drawn(explanation)
    figure.suptitle(
        f"{explanation.network} on {explanation.chip}, {explanation.samples} samples", fontsize=11
    )
    drawing.save(figure, path)


def relative_error(snr_db: float) -> float:
    """Root mean square of an error over that of the signal, of their ratio in decibels."""
    return float(10 ** (-snr_db / 20))
