"""Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747; MIT licence, Zalando SE).

Ten classes of 28 x 28 grey images. The test set ships with the package in its
original files; the training set is only needed to train, so it is read from a
folder the user names.
"""

import os
from pathlib import Path

from ndrite.emulator.network.datasets.idx import original
from ndrite.emulator.spec.arithmetic import Codes

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
TRAIN_FOLDER = "/usr/share/datasets/fashion-mnist"
"""Folder in which Debian's package dataset-fashion-mnist installs the original files."""

MISSING = "install Debian's package dataset-fashion-mnist, or name a folder with the original files"


def fashion_mnist_test() -> tuple[Codes, Codes]:
    """Return two arrays: the 10,000 test images, uint8 (10000, 784), grey values row by
    row; and their labels, which are indices into ``CLASSES``. Raises DatasetError when
    the packaged files are missing or damaged."""
    return original(Path(__file__).parent / "fashion-mnist", "t10k", 10_000, MISSING)


def fashion_mnist_train(folder: str | os.PathLike[str] = TRAIN_FOLDER) -> tuple[Codes, Codes]:
    """Return the 60,000 training images, uint8 (60000, 784), and their labels, from the
    original ``train-*-ubyte[.gz]`` files in ``folder``. Raises DatasetError when files
    are missing or damaged."""
    return original(Path(folder), "train", 60_000, MISSING)
