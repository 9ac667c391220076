"""What a report is made from: an image file, or a folder with the files of a run under their usual names."""

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
IMAGE = "image.npz"


@dataclass(frozen=True)
class RunFiles:
    """Paths; None: the data set ``data``, or the one that the image names. ``codes``: inputs are codes."""

    image: Path
    network: Path | None = None
    samples: Path | None = None
    inputs: Path | None = None
    labels: Path | None = None
    data: str | None = None
    codes: bool = False


def run_files(run: Path, *, data: str | None = None, codes: bool = False, **given: Path | None) -> RunFiles:
    """Files of ``run``, an image or a folder; ``given`` come first.

    Raises
    ------
    InputError
        When a folder has no image, or there are inputs without labels.
    """
    found = {name: path for name, path in given.items() if path is not None}
    image = run
    if run.is_dir():
        image = run / IMAGE
        if not image.is_file():
            raise InputError(f"{run}: no {IMAGE} in this folder; accepted: a program, or a folder with one")
        for name, file in NAMES.items():
            if (run / file).is_file():
                found.setdefault(name, run / file)
    if ("inputs" in found) != ("labels" in found):
        raise InputError("inputs and labels belong together; accepted: both (x.npy and y.npy) or neither")
    return RunFiles(image, data=data, codes=codes, **found)
