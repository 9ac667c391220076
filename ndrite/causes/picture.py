"""Output SNR and accuracy by cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.mapping.explain import Explanation

INK, ACCENT = "#1f3a5f", "#c8553d"


def draw(explanation: Explanation, path: Path) -> None:
    """Write the picture (PNG, or what the file's suffix says)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = explanation.rows
    figure = Figure(figsize=(11, 0.42 * len(rows) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(rows))[::-1]
    series: tuple[tuple[str, str, list[tuple[float | None, float | None]]], ...] = (
        ("as it is", INK, [(r.snr_db, r.accuracy) for r in rows]),
        ("gains and biases corrected", ACCENT, [(r.snr_corrected_db, r.accuracy_corrected) for r in rows]),
    )
    for i, (label, colour, values) in enumerate(series):
        shift = 0.18 - 0.36 * i
        for axis, column in zip(axes, (0, 1), strict=True):
            numbers = [v[column] for v in values]
            known = [k for k, v in enumerate(numbers) if v is not None]
            scale = 100.0 if column else 1.0
            reference = 100 * explanation.reference if column else 0.0
            lengths = [scale * float(numbers[k] or 0.0) - reference for k in known]
            axis.barh(y[known] + shift, lengths, height=0.34, color=colour, label=label, left=0)
    axes[0].set(xlabel="output SNR (dB); longer is better", xlim=(0, None))
    axes[0].set_yticks(y, [row.cause for row in rows])
    axes[1].axvline(0, color="0.6", lw=0.8)
    axes[1].set(xlabel=f"change of accuracy (points) from {100 * explanation.reference:.2f} %")
    axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(f"{explanation.network} on {explanation.chip}, {explanation.images} images", fontsize=11)
    figure.savefig(path, dpi=130)
