"""The die beside a program's file."""

from __future__ import annotations

import os

from emulator.mapping import Die, die_path, load_die, save_die
from emulator.spec import Program


def die_of(program: Program, path: str | os.PathLike[str]) -> Die:
    """The die that the program of file ``path`` was mapped onto: ``program.die.npz`` beside ``program.npz``.

    Raises
    ------
    FileNotFoundError, CompileError
        When the file is missing, damaged, or another program's.
    """
    return load_die(die_path(path), program)


def save_both(program: Program, die: Die, path: str | os.PathLike[str]) -> None:
    """Write a program, and its die beside it; each in whole or not at all, the program last."""
    save_die(die, die_path(path))
    program.save(path)
