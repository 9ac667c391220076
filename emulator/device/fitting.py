"""Your own device: measured data (CSV) into the fields of a chip description, or refused with the reason.

Imports emulator.device only.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.device.ecram.fit import EcramFit, fit_ecram
from emulator.device.measurements import Measurements, read_measurements
from emulator.device.ndr.fit import NdrFit, fit_ndr
from emulator.device.preset import save_preset
from emulator.device.rram.fit import RramFit, fit_rram
from emulator.errors import DatasetError

EVERY = 5
"""One row of so many is held out."""

__all__ = [
    "EcramFit",
    "Measurements",
    "NdrFit",
    "RramFit",
    "fit_ecram",
    "fit_ndr",
    "fit_rram",
    "held_out_error",
    "read_measurements",
    "save_preset",
]


def held_out_error(data: Measurements, fitted: NdrFit | RramFit | EcramFit) -> float | None:
    """Error, on every fifth row, of a fit of the same model to the others.

    Of an NDR device rms in units of its peak, where it is not below 0 V; of an ECRAM rms as a part of the
    full range; of RRAM how far the deviation around the targets is from the fitted one, as a part of it. None
    where what is left is too little to be fitted.
    """
    out = np.zeros(len(data.device), bool)
    for name in data.devices:  # in the order of the voltage, pulse or target, whatever that of the rows
        rows = np.flatnonzero(data.device == name)
        rows = rows[np.argsort(next(iter(data.columns.values()))[rows], kind="stable")]
        out[rows[EVERY // 2 :: EVERY]] = True
    kept, left = _rows(data, ~out), _rows(data, out)
    try:
        if isinstance(fitted, NdrFit):
            errors = []
            for curve in fit_ndr(kept, fitted.model).curves:
                v, i = left.of(curve.device)["voltage"], left.of(curve.device)["current"]
                turn = -1.0 if np.median(v) < 0 and np.median(i) <= 0 else 1.0  # measured at negative bias
                v, i = turn * v, turn * i
                errors.append((curve.model.current(v[v >= 0]) - i[v >= 0]) / curve.peak_A)
        elif isinstance(fitted, EcramFit):
            again, errors = fit_ecram(kept, fitted.model), []
            for name in data.devices:
                branches = [b for b in again.branches if b.device == name]
                at = np.concatenate([b.start + b.pulse for b in branches])
                state = np.interp(left.of(name)["pulse"], at, np.concatenate([b.model for b in branches]))
                low, high = again.low_uS * 1e-6, again.high_uS * 1e-6
                errors.append((state + 1) / 2 - (left.of(name)["conductance"] - low) / (high - low))
        else:
            again_rram = fit_rram(kept)
            target, g = left.columns["target"] * 1e6, left.columns["conductance"] * 1e6
            beside = np.abs(g - np.interp(target, again_rram.target, again_rram.mean))
            # Robust, as in the fit: a stuck cell is no deviation.
            return float(abs(1.4826 * np.median(beside / again_rram.model(target)) - 1))
    except DatasetError:
        return None
    return float(np.sqrt(np.square(np.concatenate(errors)).mean()))


def _rows(data: Measurements, which: np.ndarray) -> Measurements:
    columns = {name: values[which] for name, values in data.columns.items()}
    return dataclasses.replace(data, columns=columns, device=data.device[which])
