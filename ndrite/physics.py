"""Device models for a closer look: curves of NDR devices, circuits around them, and curves as tables."""

from emulator.device import Bell, Esaki, Tunnel
from emulator.device.ndr.circuit import Circuit
from emulator.device.ndr.curves import Double
from emulator.device.ndr.window import choose_window
from emulator.mapping import fit_pwl

__all__ = ["Bell", "Circuit", "Double", "Esaki", "Tunnel", "choose_window", "fit_pwl"]
