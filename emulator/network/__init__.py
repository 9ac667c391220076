"""Float networks: what is trained and compiled, and the float reference an emulated chip is judged by.

Imports NumPy, emulator.errors and emulator.physics (the NDR form) only.
"""

from emulator.network.activation import NAMED, Activation, Named, Ndr
from emulator.network.network import Dense, Network, load_network

__all__ = ["NAMED", "Activation", "Dense", "Named", "Ndr", "Network", "load_network"]
