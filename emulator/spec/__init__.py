"""The contract of gateware and host: geometry, arithmetic, noise, registers,
packets, program file.

One source for the RTL, the driver, the golden model and the documentation. Imports NumPy only.
"""

from ndrite.emulator.spec.arithmetic import clip, isqrt, rshift_round
from ndrite.emulator.spec.errors import GeometryError, ProgramError, SpecError
from ndrite.emulator.spec.geometry import PRESETS, Geometry
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.program import Program
