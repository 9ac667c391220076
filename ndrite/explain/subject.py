"""What is explained: a float network on a chip, from a network file or from an image's provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.chips import Chip, load_chip, parse_chip
from emulator.compile import Compiled, Mitigation, compile_network
from emulator.errors import ChipError, CompileError, DatasetError
from emulator.network import Network, load_network
from emulator.spec import Program
from host import InputError
from ndrite.shipped import network_of


@dataclass(frozen=True, eq=False)
class Subject:
    """Network, chip, its compilation, and the image that was given (None: a network was given).

    ``same_image``: whether compiling again gave the image's very arrays; None without an image.
    """

    network: Network
    chip: Chip
    compiled: Compiled
    program: Program | None
    same_image: bool | None


def subject_of(
    path: Path, *, chip: str | None, network: Path | None, samples: npt.NDArray[np.uint8], seed: int | None
) -> Subject:
    """Find and compile what ``path`` (a float network, or a chip image) stands for.

    Parameters
    ----------
    chip:
        Needed for a float network; for an image the chip is in its provenance.
    network:
        The float network an image was compiled from; the shipped one when its name says so.
    seed:
        Which chip; an image's own, or 0.

    Raises
    ------
    FileNotFoundError, ProgramError, NetworkError, ChipError
        When a file is missing or is not what it should be.
    InputError
        When something needed was not given.
    """
    if chip is not None:
        floats = load_network(path)
        which = load_chip(chip)
        return Subject(floats, which, compile_network(floats, which, samples, seed=seed or 0), None, None)
    image = Program.load(path)
    content = image.provenance.get("chip")
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: the image does not say which chip it is for; give the float network and --chip"
        )
    try:
        which = parse_chip(content)
    except ChipError as error:
        raise ChipError(f"{path}: {error}") from None
    floats = _network_of(image, path) if network is None else load_network(network)
    if (floats.inputs, floats.outputs) != (image.inputs, image.outputs):
        raise InputError(
            f"the network is {floats.inputs}-...-{floats.outputs}; accepted: {image.inputs}-...-"
            f"{image.outputs}, as {path}"
        )
    given = image.provenance.get("seed", 0)
    compiled = compile_network(
        floats, which, samples, seed=given if seed is None else seed, mitigation=_measures(image, path)
    )
    return Subject(floats, which, compiled, image, compiled.program.checksum() == image.checksum())


def shipped_samples(image: Program) -> npt.NDArray[np.uint8] | None:
    """The training images the shipped image was calibrated on; None for others or without those files."""
    from emulator import zoo
    from emulator.datasets import fashion_mnist_train
    from emulator.zoo.build import HELD_OUT, SAMPLES

    if image.checksum() != Program.load(zoo.image()).checksum():
        return None
    try:
        return fashion_mnist_train()[0][-HELD_OUT:][:SAMPLES]
    except DatasetError:
        return None


def _measures(image: Program, path: Path) -> Mitigation:
    content = image.provenance.get("mitigation", {})
    try:
        return Mitigation(**content)
    except (TypeError, CompileError) as error:
        raise InputError(f"{path}: provenance.mitigation is not understood ({error})") from None


def _network_of(image: Program, path: Path) -> Network:
    shipped = network_of(image, None)
    if not isinstance(shipped, Network):
        raise InputError(
            f"{path}: compiled from a network that does not ship; give it with --network FLOAT.npz"
        )
    return shipped
