"""Labelled samples by name, for calibration, evaluation and training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.spec.brief import brief_repr
from emulator.spec.meaning import Meaning
from host import InputError

Codes = npt.NDArray[np.uint8]
Labels = npt.NDArray[Any]

DATA = ("fashion-mnist", "digits", "digits-32", "mnist")
DIGITS = tuple("0123456789")
CALIBRATION_SAMPLES = 512
"""Samples that set converter ranges where the user gives none."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Training and test samples, uint8 (n, inputs), and their classes (n,).

    ``side``: side of square images; None where samples are a user's own and not known to be images.
    ``classes``: their names.
    """

    __repr__ = brief_repr

    name: str
    x: Codes
    labels: Labels
    test_x: Codes
    test_labels: Labels
    side: int | None = None
    classes: tuple[str, ...] = ()


def data_set(name: str, folder: str | None = None) -> Labelled:
    """A data set by name (``DATA``); ``folder`` has Fashion-MNIST's training files where Debian's has not, or
    all of MNIST's, of which a small part is taken otherwise.

    Raises
    ------
    InputError
        When the name is unknown.
    DatasetError
        When files are missing or damaged.
    MissingExtraError
        When the data set needs a package that is not installed.
    """
    from emulator.network.datasets import (
        CLASSES,
        digits,
        enlarged,
        fashion_mnist_test,
        fashion_mnist_train,
        mnist,
    )
    from emulator.network.datasets.fashion_mnist import TRAIN_FOLDER

    _check(name)
    if name == "digits":
        return Labelled(name, *digits(), 8, DIGITS)
    if name == "digits-32":
        x, y, test_x, test_y = digits()
        return Labelled(name, enlarged(x), y, enlarged(test_x), test_y, 32, DIGITS)
    if name == "mnist":
        return Labelled(name, *mnist(folder), 28, DIGITS)
    x, y = fashion_mnist_train(folder or TRAIN_FOLDER)
    return Labelled(name, x, y, *fashion_mnist_test(), 28, CLASSES)


def judging_set(name: str) -> tuple[Codes, Labels]:
    """Test samples of a data set by name; errors as ``data_set``. Fashion-MNIST's ship with the package."""
    from emulator.network.datasets import fashion_mnist_test

    if name == "fashion-mnist":
        return fashion_mnist_test()
    found = data_set(name)
    return found.test_x, found.test_labels


def typical(name: str) -> Codes:
    """Samples of a data set that set converter ranges; errors as ``data_set``.

    Training samples, except for Fashion-MNIST, whose training images do not ship: its first test images.
    """
    if name == "fashion-mnist":
        return judging_set(name)[0][:CALIBRATION_SAMPLES]
    return data_set(name).x[:CALIBRATION_SAMPLES]


def unseen(name: str) -> tuple[Codes, Labels]:
    """The test samples that ``typical`` does not hold."""
    x, labels = judging_set(name)
    first = CALIBRATION_SAMPLES if name == "fashion-mnist" else 0
    return x[first:], labels[first:]


def chosen_data_set(meaning: Meaning, inputs: int, given: str | None, wanted: str) -> str:
    """``given``, or the data set that the network names.

    Raises
    ------
    InputError
        When neither is there (``wanted``: the options to give instead), its samples have another size, or
        ``given`` ones are in another unit than the network's inputs.
    """
    stored = meaning.inputs
    if given is not None and stored is not None and stored.low.size > 1:
        raise InputError(
            f"data {given}: every input of the network has a range of its own; accepted: {wanted}"
        )
    name = given or meaning.data_set
    if name is None:
        raise InputError(f"the network names no data set; give {wanted}, or data: {', '.join(DATA)}")
    _check(name)
    size = {"fashion-mnist": 784, "digits": 64, "digits-32": 1024, "mnist": 784}[name]
    if size != inputs:
        raise InputError(f"data set {name} has {size} inputs; accepted: {inputs}, as the network takes")
    return name


def check_classes(labels: Labels, samples: int, outputs: int, what: str) -> Labels:
    """``labels`` as they are, when they are classes 0..outputs-1 of so many samples.

    Raises
    ------
    InputError
        When they are not.
    """
    if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{what}: {labels.dtype} {labels.shape}; accepted: integer classes, ({samples},)")
    if samples and not (labels.min() >= 0 and labels.max() < outputs):
        raise InputError(f"{what}: classes are {labels.min()}..{labels.max()}; accepted: 0..{outputs - 1}")
    return labels


def _check(name: str) -> None:
    if name not in DATA:
        raise InputError(f"data set is {name!r}; accepted: {', '.join(DATA)}, or your own inputs and labels")
