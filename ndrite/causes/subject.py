"""What is explained: a float network on a die, mapped now or read from files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.mapping import Die, map_network
from emulator.network import Network
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


def subject_of(program: Program, path: Path, *, network: Network | None, seed: int | None) -> Subject:
    """The program that a file holds, with the die beside it.

    Parameters
    ----------
    network:
        The float network it was mapped from; None: the shipped one, when the program's name says so.
    seed:
        The number of the die, where the caller insists on one.

    Raises
    ------
    FileNotFoundError, CompileError
        When the die's file is missing or is not what it should be.
    InputError
        When the network is needed and was not given, or files do not belong together.
    """
    die = die_of(program, path)
    if seed is not None and seed != die.seed:
        raise InputError(
            f"{path}: chip seed is {seed}; accepted: {die.seed}, the die's own (another die: give the "
            "float network and the chip)"
        )
    floats = _network_of(program, path) if network is None else network
    if floats.digest() != die.network:
        name = path if network is None else network.name
        raise InputError(f"{name}: not the float network that {path.name} was mapped from")
    return Subject(floats, program, die)


def mapped_subject(
    network: Network, chip: Chip | str | os.PathLike[str], samples: npt.NDArray[np.uint8], seed: int
) -> Subject:
    """The network on die ``seed`` of a chip, calibrated on samples uint8 (n, inputs).

    Raises
    ------
    ChipError, CompileError
        As ``map_network``.
    """
    program, die, _ = map_network(network, chip, samples, seed=seed)
    return Subject(network, program, die)


def _network_of(program: Program, path: Path) -> Network:
    shipped = network_of(program, None)
    if not isinstance(shipped, Network):
        raise InputError(
            f"{path}: compiled from a network that does not ship; give it with --network FLOAT.npz"
        )
    return shipped
