"""The files of a run under their usual names, where a folder stands for a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from host import InputError

NAMES = {
    "network": "float.npz",
    "samples": "samples.npy",
    "inputs": "x.npy",
    "labels": "y.npy",
}
PROGRAM = "program.npz"


def run_files(folder: Path, **given: Any) -> tuple[Path, dict[str, Any]]:
    """The program in a folder, and what lies beside it; ``given`` come first, None where there is nothing.

    Raises
    ------
    InputError
        When the folder has no program.
    """
    program = folder / PROGRAM
    if not program.is_file():
        raise InputError(f"{folder}: no {PROGRAM} in this folder; accepted: a program, or a folder with one")
    found = dict(given)
    for name, file in NAMES.items():
        if found.get(name) is None and (folder / file).is_file():
            found[name] = folder / file
    return program, found
