"""Names for work on chips, dies and devices in detail: descriptions, models, the
circuits around them, curves as tables."""

from ndrite.emulator.device.ndr.circuit import Circuit
from ndrite.emulator.device.ndr.curves import Bell, Double, Esaki, Tunnel
from ndrite.emulator.device.ndr.window import choose_window
from ndrite.emulator.device.pulsing import Programming
from ndrite.emulator.mapping import Die, Mitigation, fit_pwl, program_of
from ndrite.emulator.spec import PRESETS, Geometry

__all__ = [
    "PRESETS",
    "Bell",
    "Circuit",
    "Die",
    "Double",
    "Esaki",
    "Geometry",
    "Mitigation",
    "Programming",
    "Tunnel",
    "choose_window",
    "fit_pwl",
    "program_of",
]
