"""Fits of a user's own devices: turns measured data (CSV) into fields of a chip description.

Imports ndrite.emulator.device only.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ndrite.emulator.device.ageing import endurance, retention, temperature
from ndrite.emulator.device.ageing.card import AgeingFit as AgeingFit
from ndrite.emulator.device.ecram.fit import EcramFit as EcramFit
from ndrite.emulator.device.ecram.fit import fit_ecram as fit_ecram
from ndrite.emulator.device.ecram.potentiation import fit_steps as fit_steps
from ndrite.emulator.device.measurements import Measurements as Measurements
from ndrite.emulator.device.measurements import read_measurements as read_measurements
from ndrite.emulator.device.ndr.fit import NdrFit as NdrFit
from ndrite.emulator.device.ndr.fit import fit_ndr as fit_ndr
from ndrite.emulator.device.rram.fit import RramFit as RramFit
from ndrite.emulator.device.rram.fit import fit_rram as fit_rram
from ndrite.emulator.errors import DatasetError

EVERY = 5
"""One row in every EVERY rows is held out."""


Fitted = NdrFit | RramFit | EcramFit | AgeingFit
"""Result of a fit: ``values`` of fields in its ``section`` of a chip description,
``summary`` and ``notes``."""


class Kind(NamedTuple):
    """A kind of measurement that can be fitted: the function that fits it, the models
    it offers (the default first), its required and optional columns, and the meaning of
    the ``held_out`` error. ``either`` lists alternative columns of which one is
    required. Devices may be in rows below each other or in a column each."""

    fit: Callable[[Measurements, str], Fitted]
    models: tuple[str, ...]
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    held_out: str
    either: tuple[str, ...] = ()


KINDS = {
    "ndr": Kind(
        fit_ndr,
        ("auto", "esaki", "tunnel", "bell", "table"),
        ("voltage", "current"),
        (),
        "rms of every fifth point, of the peak current",
    ),
    "rram": Kind(
        lambda data, _: fit_rram(data),
        ("polynomial",),
        ("target", "conductance"),
        ("time",),
        "of the deviation of every fifth cell",
    ),
    "ecram": Kind(
        fit_ecram,
        ("linear-step", "exponential"),
        ("pulse", "conductance"),
        (),
        "rms of every fifth pulse, of the range",
    ),
    "potentiation": Kind(
        fit_steps,
        ("step-table",),
        ("pulse", "direction"),
        ("cycle",),
        "rms of every fifth pulse, of the range",
        ("conductance", "current"),
    ),
    "retention": Kind(
        retention.fit_retention,
        retention.MODELS,
        ("time",),
        ("temperature",),
        "rms of every fifth time, of G or in uS as the misfit",
        ("conductance", "state"),
    ),
    "endurance": Kind(
        endurance.fit_endurance,
        endurance.MODELS,
        ("cycle", "direction"),
        (),
        "none: a law of cells predicts no single rows",
        ("conductance", "current"),
    ),
    "temperature": Kind(
        temperature.fit_temperature,
        temperature.MODELS,
        ("temperature",),
        (),
        "none: devices have few temperatures each",
        ("current", "time"),
    ),
}


def held_out_error(data: Measurements, fitted: Fitted) -> float | None:
    """Fit the model of ``fitted`` again without every fifth row, and return its
    error on those rows, as ``fitted.held_out`` defines it; None if too few rows
    remain for a fit."""
    out = np.zeros(len(data.device), bool)
    # The rows are sorted before every fifth is held out, so that the choice does not
    # depend on their order in the file, and run by run: where runs number their pulses
    # anew, every fifth row of all could be one run.
    first, nothing = next(iter(data.columns.values())), np.zeros(len(out))
    keys = [first, data.columns.get("cycle", nothing), data.columns.get("direction", nothing)]
    for name in data.devices:
        rows = np.flatnonzero(data.device == name)
        rows = rows[np.lexsort([key[rows] for key in keys])]
        out[rows[EVERY // 2 :: EVERY]] = True
    try:
        return fitted.held_out(data.where(~out), data.where(out))
    except DatasetError:
        return None
