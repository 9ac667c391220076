"""Device physics in floating point and SI units (conductances in microsiemens): NDR, RRAM, ECRAM, crossbar.

Imports NumPy, SciPy and emulator.errors only.
"""

from emulator.device.array.crossbar import Cubic, effective_matrix, effective_matrix_at, operating_point
from emulator.device.ecram.pulses import EcramSpread, Exponential, LinearStep
from emulator.device.ndr.curves import Bell, Curve, Esaki, NdrModel, Table, Tunnel, tunnel
from emulator.device.ndr.tuning import vary
from emulator.device.rram.drift import DRIFTS, Drift
from emulator.device.rram.programming import IDEAL, MODELS, WAN_2022, Faults, ProgrammingError
from emulator.device.rram.read_noise import effective_read_sigma

__all__ = [
    "DRIFTS",
    "IDEAL",
    "MODELS",
    "WAN_2022",
    "Bell",
    "Cubic",
    "Curve",
    "Drift",
    "EcramSpread",
    "Esaki",
    "Exponential",
    "Faults",
    "LinearStep",
    "NdrModel",
    "ProgrammingError",
    "Table",
    "Tunnel",
    "effective_matrix",
    "effective_matrix_at",
    "effective_read_sigma",
    "operating_point",
    "tunnel",
    "vary",
]
