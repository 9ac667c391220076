"""Device physics in floating point and SI units (conductances in microsiemens): NDR curves, RRAM statistics.

Imports NumPy and emulator.errors only.
"""

from emulator.physics.ndr import Bell, Curve, Esaki, NdrModel, Table, Tunnel, tunnel
from emulator.physics.rram import IDEAL, WAN_2022, ProgrammingError, effective_read_sigma

__all__ = [
    "IDEAL",
    "WAN_2022",
    "Bell",
    "Curve",
    "Esaki",
    "NdrModel",
    "ProgrammingError",
    "Table",
    "Tunnel",
    "effective_read_sigma",
    "tunnel",
]
