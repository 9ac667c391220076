"""Paths or objects: what users give for a network or a program, and what it stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from emulator.mapping import Die
from emulator.network import Network, load_network, zoo
from emulator.network.importing.read import SUFFIXES, import_model
from emulator.spec import Program
from host import InputError
from ndrite.causes import Subject, subject_of
from ndrite.compiled import Compiled
from ndrite.dies import die_of
from ndrite.samples import array_of

ProgramSource = Program | Compiled | str | os.PathLike[str]
"""A program, the result of ``ndrite.compile``, or the path of a program's file."""


def network_from(source: Any, samples: Any = None) -> Network:
    """A ``Network``, a file of one, a ``torch.nn.Module``, or a model's file (``.onnx``, ``.pt``, ``.pth``).

    ``samples``: typical inputs of a model, in its own unit; they set the ranges of inputs and activations.

    Raises
    ------
    FileNotFoundError, NetworkError, UnsupportedNodeError, MissingExtraError
        When a file is missing, or the model cannot be imported.
    """
    if isinstance(source, Network):
        return source
    if isinstance(source, str | os.PathLike) and Path(source).suffix not in SUFFIXES:
        return load_network(Path(source))
    return import_model(source, samples=None if samples is None else array_of(samples)).network


def program_from(source: Any) -> Program:
    """The program that ``source`` is or holds.

    Raises
    ------
    FileNotFoundError, ProgramError
        When a file is missing or is no program.
    InputError
        When it is none of what is accepted.
    """
    if isinstance(source, Program):
        return source
    if isinstance(source, Compiled):
        return source.program
    if isinstance(source, str | os.PathLike):
        return Program.load(source)
    raise InputError(
        f"program is {type(source).__name__}; accepted: a Program, what compile gives, or a path"
    )


def die_from(source: Any, program: Program, die: Die | None = None) -> Die:
    """The die of ``program``: the given one, the one that was compiled, or the one beside the file.

    Raises
    ------
    FileNotFoundError, CompileError
        When the file beside the program is missing, damaged, or another program's.
    InputError
        When a ``Program`` comes without its die.
    """
    if die is not None:
        return die
    if isinstance(source, Compiled):
        return source.die
    if isinstance(source, str | os.PathLike):
        return die_of(program, source)
    raise InputError("die is missing; accepted: the die that the program was compiled onto")


def load_die(program: str | os.PathLike[str]) -> Die:
    """The die that the program in a file was compiled onto: ``program.die.npz`` beside ``program.npz``.

    Raises
    ------
    FileNotFoundError, ProgramError, CompileError
        When a file is missing or damaged, or the die is another program's.
    """
    return die_of(Program.load(program), program)


def existing_subject(source: Any, program: Program, network: Any = None, seed: int | None = None) -> Subject:
    """What was compiled: network, ``program`` and die of ``source``, from memory or from its files.

    Raises
    ------
    FileNotFoundError, CompileError, InputError
        When a file is missing, files do not belong together, or the network is needed and was not given.
    """
    if isinstance(source, Compiled):
        return Subject(source.network, program, source.die)
    if isinstance(source, str | os.PathLike):
        given = None if network is None else network_from(network)
        return subject_of(program, Path(source), network=given, seed=seed)
    raise InputError(f"program is {type(source).__name__}; accepted: what compile gives, or a path")


def shipped_path() -> Path:
    """The program that ships with the package: 784-128-10 on Fashion-MNIST, its die beside it."""
    return Path(zoo.program())
