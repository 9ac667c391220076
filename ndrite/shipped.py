"""What ships with the package, loaded: the trained network and its program."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError, NetworkError
from emulator.network import Network, load_network, zoo
from emulator.spec import Program

NETWORKS = {
    "fashion-mnist": zoo.float_network,
    "lenet5": zoo.lenet5,
    "lstm": zoo.lstm,
    "resnet": zoo.resnet,
}
"""Name -> where its file is."""


def shipped_program() -> Program:
    """The compiled Fashion-MNIST network (784-128-10, NDR neurons)."""
    return Program.load(zoo.program())


def shipped_samples(program: Program) -> npt.NDArray[np.uint8] | None:
    """The training images the shipped program was calibrated on; None for others or without those files."""
    from emulator.mapping.zoo_build import HELD_OUT, SAMPLES
    from emulator.network.datasets import fashion_mnist_train

    if program.checksum() != shipped_program().checksum():
        return None
    try:
        return fashion_mnist_train()[0][-HELD_OUT:][:SAMPLES]
    except DatasetError:
        return None


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


def network_of(program: Program, given: Network | None) -> Network | None:
    """The float network a program was compiled from: the given one, or the shipped one of that name.

    Raises
    ------
    NetworkError
        When the given one is of another size than the program.
    """
    if given is not None:
        if (given.inputs, given.outputs) != (program.inputs, program.outputs):
            raise NetworkError(
                f"network {given.name}: {given.inputs} inputs and {given.outputs} outputs; accepted: "
                f"{program.inputs} and {program.outputs}, as the program"
            )
        return given
    shipped = shipped_network()
    wanted = {"name": shipped.name, "shape": shipped.widths, **shipped.provenance}
    named = program.provenance.get("network")
    return shipped if json.dumps(named, sort_keys=True) == json.dumps(wanted, sort_keys=True) else None
