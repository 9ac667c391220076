"""Float networks: their parts, where they come from, and data sets."""

from emulator.errors import CompileWarning
from emulator.network import Dense, Named, Ndr, load_network
from emulator.network.datasets import japanese_vowels
from emulator.network.importing import import_model
from emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
from ndrite.samples import Labelled, judging_set
from ndrite.shipped import shipped_network, shipped_program

__all__ = [
    "CompileWarning",
    "Dense",
    "Labelled",
    "Named",
    "Ndr",
    "edge_functions",
    "import_model",
    "japanese_vowels",
    "judging_set",
    "layers_of_functions",
    "load_network",
    "shipped_network",
    "shipped_program",
]
