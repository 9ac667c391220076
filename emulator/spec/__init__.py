"""What gateware and host must agree on: geometry, arithmetic, noise, registers, packets, program file.

One source for the RTL, the driver, the golden model and the documentation. Imports NumPy only.
"""

from emulator.spec.arithmetic import clip, isqrt, rshift_round
from emulator.spec.errors import GeometryError, ProgramError, SpecError
from emulator.spec.geometry import PRESETS, Geometry
from emulator.spec.layer import Layer
from emulator.spec.program import Program
