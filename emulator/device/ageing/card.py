"""Result of a fit of ageing: fields of a chip description, and 95 % intervals of the
law's parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Floats, Ints
from ndrite.emulator.spec.brief import record

CELLS_MIN = 10
LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
Interval = tuple[float, float]
ROOM_K = 300.0
"""Temperature in kelvin at which fitted parameters are stated, if it lies within the
measured temperatures."""


@record()
class AgeingFit:
    """Result of a fit of retention, endurance or temperature: the law's parameters with
    their 95 % intervals, the misfit and the noise.

    ``values`` are fields of ``section``; ``parameters`` and ``intervals`` (95 %) the
    law's, by name, with the unit at the end of the name; ``misfit`` what the law misses
    in all cells alike, ``noise`` what differs from cell to cell beside it (both rms, in
    ``unit``), None where the data have neither. ``x``, ``measured`` and ``modelled``
    (n,) are for pictures, ``axes`` their names; ``refit`` is the error of a fit to some
    rows on others, None where a law predicts no rows.
    """

    model: str
    section: str
    values: dict[str, Any]
    cells: int
    parameters: dict[str, float]
    intervals: dict[str, Interval]
    misfit: float | None
    noise: float | None
    unit: str
    x: Floats
    measured: Floats
    modelled: Floats
    axes: tuple[str, str]
    notes: tuple[str, ...]
    refit: Callable[[Measurements, Measurements], float] | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """Return the law's name, its parameters with their 95 % intervals, the
        misfit and the noise."""
        ends = {name: list(interval) for name, interval in self.intervals.items()}
        return {
            "model": self.model,
            "cells": self.cells,
            **{name: value for name, value in self.parameters.items() if name not in self.values},
            **{f"{name}_interval_95": pair for name, pair in ends.items()},
            f"misfit_{self.unit}": self.misfit,
            f"noise_{self.unit}": self.noise,
        }

    @property
    def words(self) -> str:
        """Return the parameters with their intervals, the misfit and the noise as text
        for a device card."""
        parts = [
            f"{name} {self.parameters[name]:.4g} ({low:.4g} .. {high:.4g})"
            for name, (low, high) in self.intervals.items()
        ]
        apart = [
            f"{word} {value:.3g} {self.unit}"
            for word, value in (("misfit", self.misfit), ("noise", self.noise))
            if value is not None
        ]
        return f"95 % intervals over {self.cells} cells: {'; '.join([*parts, *apart])}"

    def held_out(self, kept: Measurements, left: Measurements) -> float:
        """Fit this result's law to the rows ``kept``, and return the rms error of its
        predictions for the held-out rows ``left``, in ``unit``. Raises DatasetError if
        the law cannot predict single rows or ``kept`` has too few of them."""
        if self.refit is None:
            raise DatasetError(
                f"model {self.model} does not predict single rows, so held-out rows have no error"
            )
        return self.refit(kept, left)


def cells_of(data: Measurements, what: str) -> list[Ints]:
    """Return the row numbers of each cell. Raises DatasetError when there are fewer
    than CELLS_MIN cells."""
    names = data.devices
    if len(names) < CELLS_MIN:
        raise DatasetError(
            f"{data.name}: {len(names)} cells; accepted: at least {CELLS_MIN}, each {what}; name them in "
            "a column 'device', or give each cell a value column of its own"
        )
    return [np.flatnonzero(data.device == name) for name in names]


def check_above_0(data: Measurements, name: str, values: Floats, unit: str = "", why: str = "") -> None:
    """Raise DatasetError unless all ``values`` (n,) are above 0; the message names the
    row of the smallest value."""
    if not (values > 0).all():
        row = int(values.argmin())
        raise DatasetError(f"{where(data, row)}: {name} is {values[row]:g}{unit}; accepted: above 0{why}")


def reference_K(kelvin: Floats) -> float:
    """Return the temperature in kelvin at which fitted parameters are stated: ROOM_K if
    it lies within the measured temperatures, else their median."""
    return ROOM_K if kelvin.min() <= ROOM_K <= kelvin.max() else float(np.median(kelvin))


def where(data: Measurements, row: int) -> str:
    """Return the file name and line of a row (or its row number), as the beginning of
    an error message."""
    return f"{data.name}: line {data.line[row]}" if len(data.line) else f"{data.name}: row {row + 1}"
