"""Device physics in floating point and SI units (conductances in microsiemens): NDR, RRAM, ECRAM, crossbar.

Imports NumPy, SciPy and emulator.errors only.
"""

from emulator.physics.crossbar import effective_matrix
from emulator.physics.drift import DRIFTS, Drift
from emulator.physics.ecram import EcramSpread, Exponential, LinearStep
from emulator.physics.faults import Faults
from emulator.physics.ndr import Bell, Curve, Esaki, NdrModel, Table, Tunnel, tunnel
from emulator.physics.nonlinear import Cubic, effective_matrix_at, operating_point
from emulator.physics.rram import IDEAL, MODELS, WAN_2022, ProgrammingError, effective_read_sigma
from emulator.physics.tuning import Tuning, vary

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
    "Tuning",
    "Tunnel",
    "effective_matrix",
    "effective_matrix_at",
    "effective_read_sigma",
    "operating_point",
    "tunnel",
    "vary",
]
