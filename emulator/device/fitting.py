"""Your own device: measured data (CSV) into the fields of a chip description, or refused with the reason.

Imports emulator.device only.
"""

from emulator.device.ecram.fit import EcramFit, fit_ecram
from emulator.device.measurements import Measurements, read_measurements
from emulator.device.ndr.fit import NdrFit, fit_ndr
from emulator.device.preset import save_preset
from emulator.device.rram.fit import RramFit, fit_rram

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
