"""What ships with the package, loaded: the trained networks, and the program of one."""

from __future__ import annotations

from emulator.errors import NetworkError
from emulator.network import Network, load_network, zoo
from emulator.spec import Program

NETWORKS = {"fashion-mnist": zoo.float_network, "lenet5": zoo.lenet5, "lstm": zoo.lstm, "resnet": zoo.resnet}
"""Name -> where its file is."""


def shipped_program() -> Program:
    """The compiled Fashion-MNIST network (784-128-10, NDR neurons)."""
    return Program.load(zoo.program())


def shipped_network(name: str = "fashion-mnist") -> Network:
    """A float network that ships with the package.

    ``fashion-mnist``: 784-128-10 with NDR neurons, which the shipped program was compiled from; ``lenet5`` on
    digits; ``lstm`` on JapaneseVowels; ``resnet`` on Fashion-MNIST.

    Raises
    ------
    NetworkError
        When there is no network of that name.
    """
    if name not in NETWORKS:
        raise NetworkError(f"network is {name!r}; accepted: {', '.join(NETWORKS)}")
    return load_network(NETWORKS[name]())
