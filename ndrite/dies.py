"""The die beside a program's file."""

from __future__ import annotations

import os
from pathlib import Path

from emulator.mapping import Die, die_digest, die_path, load_die, save_die
from emulator.spec import Program
from host import InputError


def die_of(program: Program, path: str | os.PathLike[str]) -> Die:
    """The die that the program of file ``path`` was mapped onto: ``image.die.npz`` beside ``image.npz``.

    Raises
    ------
    FileNotFoundError, CompileError
        When the file is missing or damaged.
    InputError
        When it is another program's.
    """
    beside = die_path(path)
    die = load_die(beside)
    if program.provenance.get("die") != die_digest(die):
        raise InputError(
            f"{beside}: the die of another program than {Path(path).name}; accepted: the one written with it"
        )
    return die


def save_both(program: Program, die: Die, path: str | os.PathLike[str]) -> None:
    """Write a program, and its die beside it; each in whole or not at all, the program last."""
    save_die(die, die_path(path))
    program.save(path)
