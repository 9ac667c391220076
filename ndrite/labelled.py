"""Labelled samples by name or from a user's files, for training, calibration and experiments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from host import InputError

DATA = ("fashion-mnist", "digits", "mnist")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Training and test samples, uint8 (n, inputs), and their classes (n,).

    ``side``: side of square images; None where samples are a user's own and not known to be images.
    """

    name: str
    x: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]
    test_x: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[Any]
    side: int | None = None


def labelled(name: str, folder: str | None = None) -> Labelled:
    """A data set by name (``DATA``); ``folder`` has Fashion-MNIST's training files where Debian's has not.

    Raises
    ------
    InputError
        When the name is unknown.
    DatasetError
        When files are missing or damaged.
    MissingExtraError
        When the data set needs a package that is not installed.
    """
    from emulator.datasets import digits, fashion_mnist_test, fashion_mnist_train, mnist
    from emulator.datasets.fashion_mnist import TRAIN_FOLDER

    if name == "digits":
        x, y, test_x, test_y = digits()
        return Labelled(name, x, y, test_x, test_y, 8)
    if name == "mnist":
        return Labelled(name, *mnist(), 28)
    if name == "fashion-mnist":
        x, y = fashion_mnist_train(folder or TRAIN_FOLDER)
        return Labelled(name, x, y, *fashion_mnist_test(), 28)
    raise InputError(f"data set is {name!r}; accepted: {', '.join(DATA)}, or your own --inputs and --labels")


def own_samples(inputs: Path, labels: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """A user's samples uint8 (n, inputs) and classes (n,) from two ``.npy`` files.

    Raises
    ------
    InputError
        When a file is missing, or types or shapes are wrong.
    """
    from ndrite.cli.files import load_array

    x, y = load_array(inputs), load_array(labels)
    if x.ndim != 2 or x.dtype != np.uint8 or not len(x):
        raise InputError(f"{inputs}: {x.dtype} {x.shape}; accepted: uint8 (n, inputs), n at least 1")
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise InputError(f"{labels}: {y.dtype} {y.shape}; accepted: integer classes from 0, ({len(x)},)")
    return x, y
