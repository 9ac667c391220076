"""An explanation, one cause of error at a time, as a table and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ndrite.emulator.mapping.explain import ALL, PROGRAM, SNR_MAX_DB, Explanation, Row
from ndrite.intervals import is_noise, paired
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAYS = ((False, "", INK, "as it is"), (True, ", corrected", ACCENT, "gains and biases corrected"))
SMALL = {"ha": "right", "fontsize": 8, "color": "0.4"}


class _Seen:
    """The score, the signal-to-noise ratio (SNR), and the numbers of lost and won
    samples in a cause's row, without or with correction; empty if there is no score."""

    def __init__(self, row: Row, corrected: bool) -> None:
        self.score = row.score_corrected if corrected else row.score
        self.snr_db: float | None = row.snr_corrected_db if corrected else row.snr_db
        self.lost = row.lost_corrected if corrected else row.lost
        self.won = row.won_corrected if corrected else row.won

    @property
    def error(self) -> float:
        """Return the rms error of the outputs relative to their spread, in percent; inf
        if the outputs do not vary."""
        return 100 * relative_error(SNR_MAX_DB if self.snr_db is None else self.snr_db)

    @property
    def differs(self) -> bool:
        """Return whether any sample's outputs differ from those of the float network."""
        return self.snr_db is not None and self.snr_db < SNR_MAX_DB

    def flips(self, n: int) -> str:
        """Format the accuracy lost or won over ``n`` samples, in percentage
        points, for a table."""
        if self.lost is None or self.won is None:
            return ""
        change = self.lost - self.won
        points = f"{100 * abs(change) / n:.2f} {'won' if change < 0 else 'lost'}" if change else "0"
        return f"{points}, noise" if self.lost + self.won and is_noise(self.lost, self.won, n) else points


def relative_error(snr_db: float) -> float:
    """Convert a signal-to-noise ratio in decibels to the rms error relative to
    the signal's rms."""
    return float(10 ** (-snr_db / 20)) if snr_db > -SNR_MAX_DB else np.inf


def without_effect(found: Explanation) -> str:
    """Return a sentence that names the causes that change no output on these samples;
    empty if every cause changes some."""
    idle = [row.cause for row in found.rows if not _has_effect(row)]
    return f"{len(idle)} causes without effect: {', '.join(idle)}" if idle else ""


def _has_effect(row: Row) -> bool:
    return row.cause in (ALL, PROGRAM) or any(_Seen(row, corrected).differs for corrected, *_ in WAYS)


def table(found: Explanation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the header of the table of causes, and a row for each cause that has an
    effect. Empty columns are left out."""
    measure, rows_shown = found.measure.replace("_", " "), list(filter(_has_effect, found.rows))
    columns = [("cause", *(row.cause for row in rows_shown))]
    for corrected, also, _, _ in WAYS:
        columns_of_rows = [_Seen(row, corrected) for row in rows_shown]
        errors = [
            "" if w.snr_db is None else f"{w.error:.2g} %" if w.differs else "0" for w in columns_of_rows
        ]
        columns += [
            (measure + also, *(found.said(w.score) for w in columns_of_rows)),
            ("points" + also, *(w.flips(found.samples) for w in columns_of_rows)),
            ("error" + also, *errors),
        ]
    columns.append(("covers", *(row.covers for row in rows_shown)))
    header, *rows = zip(*(column for column in columns if any(column[1:])), strict=True)
    return header, rows


def draw(found: Explanation) -> Figure:
    """Draw, for each cause, the error of the outputs in percent of their spread (left
    panel), and the points lost or the rms error of targets (right panel); return the
    matplotlib figure."""
    rows = list(filter(_has_effect, found.rows))
    figure = drawing.figure(11, 0.42 * len(rows) + 1.3)
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))[::-1]
    for corrected, _, colour, label in WAYS:
        for row, place in zip(rows, places + (-0.18 if corrected else 0.18), strict=True):
            cells = _Seen(row, corrected)
            if cells.score is None:
                continue
            left.barh(place, cells.error, height=0.34, color=colour, label=label)
            label = ""
            if not found.is_share:
                right.barh(place, cells.score, height=0.34, color=colour)
            elif cells.lost is not None and cells.won is not None:
                right.barh(place, 100 * (cells.lost - cells.won) / found.samples, height=0.34, color=colour)
                if cells.differs:
                    interval = 100 * np.array(paired(cells.lost, cells.won, found.samples))
                    right.plot(interval, [place, place], color="0.45", lw=0.9)
    left.set_yticks(places, [row.cause for row in rows])
    without = len(found.rows) - len(rows)
    if without:
        right.text(
            1, 1.02, f"{without} causes without effect are left out", transform=right.transAxes, **SMALL
        )
    left.set(xlabel="error of the outputs, rms, % of their spread; longer is worse", xlim=(0, None))
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    right.axvline(0, color="0.6", lw=0.8)
    label = (
        f"points lost from {100 * found.reference:.2f} %; further right is worse\n"
        f"lines: 95 % over {found.samples:,} samples; across 0: noise"
    )
    if not found.is_share:
        right.axvline(found.reference, color="0.45", lw=0.9, ls="--")
        measure = found.measure.replace("_", " ")
        label = f"{measure}, in the model's unit; dashed: float network, {found.reference:.4g}"
    right.set(xlabel=label)
    return figure
