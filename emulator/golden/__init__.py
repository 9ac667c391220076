"""The golden model: what the gateware computes, bit for bit, one module per RTL block.

Imports ndrite.emulator.spec and NumPy only.
"""

from ndrite.emulator.golden.codes import Trace
from ndrite.emulator.golden.core import Core
