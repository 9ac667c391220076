"""Reader of .ts files, the text format of timeseriesclassification.com.

Lines with # are remarks and lines with @ describe the set; after @data each line is one series: its channels
with a colon between them, a channel's values with commas, and the label at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError


@dataclass(frozen=True, eq=False)
class Series:
    """One line: ``values`` float64 (frames, channels), and its ``label`` as it is written."""

    values: npt.NDArray[np.float64]
    label: str


def series_of(
    source: str, text: str, *, channels: int, longest: int, labels: tuple[str, ...]
) -> list[Series]:
    """The series of a file.

    Raises DatasetError, naming file, line, what stands there and what is accepted.

    Parameters
    ----------
    source:
        The file's name, for messages.
    text:
        What is in the file.
    channels, longest, labels:
        What is accepted: channels of every series, its most frames, and its labels.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    begin = next((i for i, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if begin is None:
        raise DatasetError(f"{source}: no line is '@data'; accepted: a .ts file")
    series = [
        _series(f"{source}, line {n}", line, channels, longest, labels) for n, line in lines[begin + 1 :]
    ]
    if not series:
        raise DatasetError(f"{source}: 0 series follow '@data'; accepted: 1 and more")
    return series


def _series(at: str, line: str, channels: int, longest: int, labels: tuple[str, ...]) -> Series:
    *parts, label = line.split(":")
    if len(parts) != channels:
        raise DatasetError(f"{at}: channels are {len(parts)}; accepted: {channels}, then a label")
    if label.strip() not in labels:
        raise DatasetError(f"{at}: label is {label.strip()!r}; accepted: {', '.join(labels)}")
    rows = [[_number(f"{at}, channel {c}", text) for text in part.split(",")] for c, part in enumerate(parts)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise DatasetError(f"{at}: channels have {lengths[0]} to {lengths[-1]} values; accepted: all alike")
    if lengths[0] > longest:
        raise DatasetError(f"{at}: frames are {lengths[0]}; accepted: 1..{longest}")
    return Series(np.array(rows, np.float64).T, label.strip())


def _number(at: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(f"{at}: value is {text.strip()!r}; accepted: a finite number")
    return value
