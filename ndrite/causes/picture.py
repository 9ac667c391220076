"""What every cause of error does to the outputs, and what it costs in accuracy: longer is worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.mapping.explain import SNR_MAX_DB, Explanation, Row
from ndrite.intervals import paired

INK, ACCENT = "#1f3a5f", "#c8553d"
SERIES = (("as it is", INK), ("gains and biases corrected", ACCENT))


def drawn(explanation: Explanation) -> Any:
    """The matplotlib figure. Left: error of the outputs, percent of their spread; right: points lost."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = explanation.rows
    figure = Figure(figsize=(11, 0.42 * len(rows) + 1.3), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(rows))[::-1]
    for i, (label, colour) in enumerate(SERIES):
        known = [(place, *found) for place, row in zip(y, rows, strict=True) if (found := _series(row)[i])]
        places = np.array([place for place, *_ in known]) + 0.18 - 0.36 * i
        errors = [100 * relative_error(snr) for _, snr, _, _ in known]
        left.barh(places, errors, height=0.34, color=colour, label=label)
        lost = np.array([(a - b) / explanation.images for _, _, a, b in known])
        right.barh(places, 100 * lost, height=0.34, color=colour)
        for place, (_, snr, a, b) in zip(places, known, strict=True):
            if snr < SNR_MAX_DB:  # else the outputs are the float network's, whatever the samples
                low, high = paired(a, b, explanation.images)
                right.plot([100 * low, 100 * high], [place, place], color="0.45", lw=0.9)
    left.set_yticks(y, [row.cause for row in rows])
    left.set(xlabel="error of the outputs, rms, % of their spread; longer is worse", xlim=(0, None))
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    right.axvline(0, color="0.6", lw=0.8)
    right.set(
        xlabel=f"points lost from {100 * explanation.reference:.2f} %; further right is worse\n"
        f"lines: 95 % over {explanation.images:,} samples; across 0: noise"
    )
    return figure


def draw(explanation: Explanation, path: Path) -> None:
    """Write the picture (PNG, or what the file's suffix says)."""
    figure = drawn(explanation)
    figure.suptitle(f"{explanation.network} on {explanation.chip}, {explanation.images} samples", fontsize=11)
    figure.savefig(path, dpi=130)


def relative_error(snr_db: float) -> float:
    """Root mean square of an error over that of the signal, of their ratio in decibels."""
    return float(10 ** (-snr_db / 20))


def _series(row: Row) -> tuple[tuple[float, int, int] | None, tuple[float, int, int] | None]:
    """SNR, lost and won, as it is and corrected."""
    corrected = None
    if row.snr_corrected_db is not None and row.lost_corrected is not None and row.won_corrected is not None:
        corrected = row.snr_corrected_db, row.lost_corrected, row.won_corrected
    return (row.snr_db, row.lost, row.won), corrected
