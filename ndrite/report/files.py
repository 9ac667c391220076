"""What a report is made from: a program file, or a folder with the files of a run under their usual names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from host import InputError

NAMES = {
    "network": "float.npz",
    "samples": "samples.npy",
    "inputs": "x.npy",
    "labels": "y.npy",
}
PROGRAM = "program.npz"


@dataclass(frozen=True)
class RunFiles:
    """Paths; None: the data set ``data``, or the one that the program names. ``codes``: inputs are codes."""

    program: Path
    network: Path | None = None
    samples: Path | None = None
    inputs: Path | None = None
    labels: Path | None = None
    data: str | None = None
    codes: bool = False


def run_files(run: Path, *, data: str | None = None, codes: bool = False, **given: Path | None) -> RunFiles:
    """Files of ``run``, a program or a folder; ``given`` come first.

    Raises
    ------
    InputError
        When a folder has no program, or there are inputs without labels.
    """
    found = {name: path for name, path in given.items() if path is not None}
    program = run
    if run.is_dir():
        program = run / PROGRAM
        if not program.is_file():
            raise InputError(f"{run}: no {PROGRAM} in this folder; accepted: a program, or a folder with one")
        for name, file in NAMES.items():
            if (run / file).is_file():
                found.setdefault(name, run / file)
    if ("inputs" in found) != ("labels" in found):
        raise InputError("inputs and labels belong together; accepted: both (x.npy and y.npy) or neither")
    return RunFiles(program, data=data, codes=codes, **found)
