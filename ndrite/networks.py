"""Float networks: their parts, where they come from, data sets, and learning in situ."""

from emulator.errors import CompileWarning
from emulator.learning.tuning import Plan as TuningPlan
from emulator.learning.tuning.insitu import random_start, train_in_situ
from emulator.network import Dense, Named, Ndr, load_network
from emulator.network.datasets import japanese_vowels
from emulator.network.importing import import_model
from emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
from ndrite.labelled import Labelled, judging_set
from ndrite.shipped import shipped_network, shipped_program

__all__ = [
    "CompileWarning",
    "Dense",
    "Labelled",
    "Named",
    "Ndr",
    "TuningPlan",
    "edge_functions",
    "import_model",
    "japanese_vowels",
    "judging_set",
    "layers_of_functions",
    "load_network",
    "random_start",
    "shipped_network",
    "shipped_program",
    "train_in_situ",
]
