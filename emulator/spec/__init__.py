"""What gateware and host must agree on: geometry, arithmetic, noise, registers, packets, image file.

One source for the RTL, the driver, the golden model and the documentation. Imports NumPy only.
"""

from emulator.spec.arithmetic import clip, isqrt, rshift_round
from emulator.spec.errors import GeometryError, ImageError, SpecError
from emulator.spec.geometry import PRESETS, Geometry
from emulator.spec.image import ChipImage, Layer

__all__ = [
    "PRESETS",
    "ChipImage",
    "Geometry",
    "GeometryError",
    "ImageError",
    "Layer",
    "SpecError",
    "clip",
    "isqrt",
    "rshift_round",
]
