"""Your own device: measured data (CSV) into the fields of a chip description, or refused with the reason.

Imports NumPy, SciPy, PyYAML and emulator.{errors,physics,chips} only.
"""

from emulator.fit.ecram import EcramFit, fit_ecram
from emulator.fit.measurements import Measurements, read_measurements
from emulator.fit.ndr import NdrFit, fit_ndr
from emulator.fit.preset import save_preset
from emulator.fit.rram import RramFit, fit_rram

__all__ = [
    "EcramFit",
    "Measurements",
    "NdrFit",
    "RramFit",
    "fit_ecram",
    "fit_ndr",
    "fit_rram",
    "read_measurements",
    "save_preset",
]
