"""MNIST and Fashion-MNIST in their original files: 28 x 28 grey images and labels 0..9, gzipped or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError
from emulator.network.datasets.idx import read_idx

SIDE, CLASSES = 28, 10

Codes = npt.NDArray[np.uint8]


def original(folder: Path, stem: str, count: int, missing: str) -> tuple[Codes, Codes]:
    """Images uint8 (count, 784) and labels (count,) of ``stem``: train or t10k.

    Parameters
    ----------
    missing:
        What to do where the files are not there, for the error.

    Raises
    ------
    DatasetError
        When files are missing, damaged, or of other sizes.
    """
    images = read_idx(_find(folder, f"{stem}-images-idx3-ubyte", missing), dimensions=3)
    where = _find(folder, f"{stem}-labels-idx1-ubyte", missing)
    labels = read_idx(where, dimensions=1)
    if images.shape != (count, SIDE, SIDE):
        raise DatasetError(
            f"{folder}: {stem} images have sizes {images.shape}; accepted: {(count, SIDE, SIDE)}"
        )
    if labels.shape != (count,):
        raise DatasetError(f"{where}: sizes are {labels.shape}; accepted: {(count,)}")
    if labels.max() >= CLASSES:
        raise DatasetError(f"{where}: a label is {labels.max()}; accepted: 0..{CLASSES - 1}")
    return images.reshape(count, SIDE * SIDE), labels


def _find(folder: Path, name: str, missing: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise DatasetError(f"{folder}: no file {name}.gz or {name}; {missing}")
