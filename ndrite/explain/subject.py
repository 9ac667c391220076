"""What is explained: a float network on a die, mapped now or read from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError
from emulator.mapping import Die, map_network
from emulator.network import Network, load_network
from emulator.spec import Program
from host import InputError
from ndrite.dies import die_of
from ndrite.shipped import network_of


@dataclass(frozen=True, eq=False)
class Subject:
    """The float network, its program, and the die that it is on."""

    network: Network
    program: Program
    die: Die


def subject_of(
    path: Path, *, chip: str | None, network: Path | None, samples: npt.NDArray[np.uint8], seed: int | None
) -> Subject:
    """Find what ``path`` stands for: a program with its die beside it, or a float network to be mapped.

    Parameters
    ----------
    chip, seed:
        Needed for a float network, with the number of the die; a program's die is what it is.
    network:
        The float network a program was mapped from; the shipped one when its name says so.

    Raises
    ------
    FileNotFoundError, ProgramError, NetworkError, ChipError, CompileError
        When a file is missing or is not what it should be.
    InputError
        When something needed was not given, or files do not belong together.
    """
    if chip is not None:
        floats = load_network(path)
        program, die, _ = map_network(floats, chip, samples, seed=seed or 0)
        return Subject(floats, program, die)
    program = Program.load(path)
    die = die_of(program, path)
    if seed is not None and seed != die.seed:
        raise InputError(
            f"{path}: --chip-seed is {seed}; accepted: {die.seed}, the die's own (another die: give the "
            "float network and --chip)"
        )
    floats = _network_of(program, path) if network is None else load_network(network)
    if floats.digest() != die.network:
        raise InputError(f"{network or path}: not the float network that {path.name} was mapped from")
    return Subject(floats, program, die)


def shipped_samples(program: Program) -> npt.NDArray[np.uint8] | None:
    """The training images the shipped program was calibrated on; None for others or without those files."""
    from emulator.mapping.zoo_build import HELD_OUT, SAMPLES
    from emulator.network import zoo
    from emulator.network.datasets import fashion_mnist_train

    if program.checksum() != Program.load(zoo.program()).checksum():
        return None
    try:
        return fashion_mnist_train()[0][-HELD_OUT:][:SAMPLES]
    except DatasetError:
        return None


def _network_of(program: Program, path: Path) -> Network:
    shipped = network_of(program, None)
    if not isinstance(shipped, Network):
        raise InputError(
            f"{path}: compiled from a network that does not ship; give it with --network FLOAT.npz"
        )
    return shipped
