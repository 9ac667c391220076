"""Float networks: what is trained and compiled, and the float reference an emulated chip is judged by.

Imports NumPy, emulator.errors and emulator.physics (the NDR form) only.
"""

from emulator.network.activation import NAMED, Activation, Named, Ndr, Sampled
from emulator.network.convolutional import Conv, ConvNetwork, load_any_network
from emulator.network.inputs import InputRange
from emulator.network.network import Dense, Network, load_network
from emulator.network.patches import Patches, Pool

__all__ = [
    "NAMED",
    "Activation",
    "Conv",
    "ConvNetwork",
    "Dense",
    "InputRange",
    "Named",
    "Ndr",
    "Network",
    "Patches",
    "Pool",
    "Sampled",
    "load_any_network",
    "load_network",
]
