"""Your own device: measured data (CSV) into the fields of a chip description, or refused with the reason.

Imports ndrite.emulator.device only.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

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
"""One row of so many is held out."""


class Kind(NamedTuple):
    """A kind of device that can be fitted: the section of a chip description that it fills, what fits it with
    which models (the default first), the columns it needs and may have, and what ``held_out`` gives.
    ``either``: columns of which it needs one, for each device below each other or one for each device."""

    section: str
    fit: Callable[[Measurements, str], NdrFit | RramFit | EcramFit]
    models: tuple[str, ...]
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    held_out: str
    either: tuple[str, ...] = ()


KINDS = {
    "ndr": Kind(
        "neuron",
        fit_ndr,
        ("auto", "esaki", "tunnel", "bell", "table"),
        ("voltage", "current"),
        (),
        "rms of every fifth point, of the peak current",
    ),
    "rram": Kind(
        "cell",
        lambda data, _: fit_rram(data),
        ("polynomial",),
        ("target", "conductance"),
        ("time",),
        "of the deviation of every fifth cell",
    ),
    "ecram": Kind(
        "ecram",
        fit_ecram,
        ("linear-step", "exponential"),
        ("pulse", "conductance"),
        (),
        "rms of every fifth pulse, of the range",
    ),
    "potentiation": Kind(
        "ecram",
        fit_steps,
        ("step-table",),
        ("pulse", "direction"),
        ("cycle",),
        "rms of every fifth pulse, of the range",
        ("conductance", "current"),
    ),
}


def held_out_error(data: Measurements, fitted: NdrFit | RramFit | EcramFit) -> float | None:
    """Error, on every fifth row, of a fit of the same model to the others, as the fit's ``held_out``; None
    where what is left is too little to be fitted."""
    out = np.zeros(len(data.device), bool)
    for name in data.devices:  # in the order of the voltage, pulse or target, whatever that of the rows
        rows = np.flatnonzero(data.device == name)
        rows = rows[np.argsort(next(iter(data.columns.values()))[rows], kind="stable")]
        out[rows[EVERY // 2 :: EVERY]] = True
    try:
        return fitted.held_out(data.where(~out), data.where(out))
    except DatasetError:
        return None
