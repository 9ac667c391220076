"""The simulated board: the RTL compiled for this machine, driven as a byte stream or at its UART pins.

Imports hdl (only while building), emulator.spec and host.
"""

from boards.sim.link import Design, SimLink
from boards.sim.sized import SizedBoard
from boards.sim.toolchain import SimulationBuildError

__all__ = ["Design", "SimLink", "SimulationBuildError", "SizedBoard"]
