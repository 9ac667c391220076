"""Float networks: they are trained and mapped, and are the reference for emulated chips.

Imports NumPy, ndrite.emulator.errors and ndrite.emulator.device (the NDR form) only.
"""

from ndrite.emulator.network.activation import NAMED, Activation, Named, Ndr, Sampled
from ndrite.emulator.network.network import Network, load_network
from ndrite.emulator.network.nodes import Dense, Gate, Node, Pool, Product, Table
from ndrite.emulator.spec.flow import State, Term
from ndrite.emulator.spec.meaning import InputRange, Meaning
from ndrite.emulator.spec.patches import Patches
