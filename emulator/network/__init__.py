"""Float networks: what is trained and mapped, and the float reference an emulated chip is judged by.

Imports NumPy, emulator.errors and emulator.device (the NDR form) only.
"""

from emulator.network.activation import NAMED, Activation, Named, Ndr, Sampled
from emulator.network.file import load_network
from emulator.network.network import Network
from emulator.network.nodes import Dense, Gate, Node, Pool, Product, Table
from emulator.spec.flow import State, Term
from emulator.spec.meaning import InputRange, Meaning
from emulator.spec.patches import Patches
