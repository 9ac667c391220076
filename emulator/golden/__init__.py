"""The golden model: what the gateware computes, bit for bit, one module per RTL block.

Imports emulator.spec and NumPy only.
"""

from emulator.golden.core import Core
from emulator.golden.trace import Trace

__all__ = ["Core", "Trace"]
