"""Float networks: their parts, where they come from, and data sets."""

from ndrite.emulator.errors import CompileWarning, NetworkError, require
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network import Dense, Named, Ndr, Network, load_network, zoo
from ndrite.emulator.network.datasets import japanese_vowels
from ndrite.emulator.network.importing import import_model
from ndrite.emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
from ndrite.emulator.spec import Program
from ndrite.samples import judging_set

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

NETWORKS = {"fashion-mnist": zoo.float_network, "lenet5": zoo.lenet5, "lstm": zoo.lstm, "resnet": zoo.resnet}
"""Name of a network that ships with the package -> function that returns its file."""


def shipped_program() -> Program:
    """Return the compiled Fashion-MNIST network (784-128-10, NDR neurons)."""
    return Program.load(zoo.program())


def shipped_network(name: str = "fashion-mnist") -> Network:
    """Load a float network that ships with the package.

    ``fashion-mnist``: 784-128-10 with NDR neurons, which the shipped program was
    compiled from; ``lenet5`` on digits; ``lstm`` on JapaneseVowels; ``resnet``
    on Fashion-MNIST.

    Raises
    ------
    NetworkError
        When there is no network of that name.
    """
    require(name in NETWORKS, "network", repr(name), ", ".join(NETWORKS), NetworkError)
    return load_network(NETWORKS[name]())
