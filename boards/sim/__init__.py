"""The simulated board: the RTL compiled for this machine, driven as a byte stream or
at its UART pins.

Imports hdl (only while building), ndrite.emulator.spec and host.
"""

from ndrite.boards.sim.link import Design, SimLink
from ndrite.boards.sim.sized import SizedBoard
from ndrite.boards.sim.toolchain import SimulationBuildError

__all__ = ["Design", "SimLink", "SimulationBuildError", "SizedBoard"]
