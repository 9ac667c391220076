"""Chips, dies and devices for a closer look: descriptions, models, circuits around them, curves as tables."""

from emulator.device.ndr.circuit import Circuit
from emulator.device.ndr.curves import Bell, Double, Esaki, Tunnel
from emulator.device.ndr.window import choose_window
from emulator.device.pulsing import Programming
from emulator.mapping import Die, Mitigation, fit_pwl, program_of
from emulator.spec import PRESETS, Geometry

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
