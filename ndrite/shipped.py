"""What ships with the package, loaded: the trained network and its chip image."""

from __future__ import annotations

from emulator import zoo
from emulator.network import Network, load_network
from emulator.spec import ChipImage


def shipped_image() -> ChipImage:
    """The compiled Fashion-MNIST network (784-128-10, NDR neurons)."""
    return ChipImage.load(zoo.image())


def shipped_network() -> Network:
    """The float network it was compiled from."""
    return load_network(zoo.float_network())
