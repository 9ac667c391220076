"""The golden model: what the gateware computes, bit for bit, one module per RTL block.

Imports emulator.spec and NumPy only.
"""

from emulator.golden.codes import Trace
from emulator.golden.core import Core
