"""Handwritten digits (E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998).

https://archive.ics.uci.edu/ml/datasets/Optical+Recognition+of+Handwritten+Digits: 1,797
images of 8 x 8 pixels, grey values 0..16, the part written by 13 people, as
scikit-learn ships it, in its order. Small enough to train a network in seconds.
"""

from pathlib import Path

import numpy as np

from ndrite.emulator.errors import DatasetError
from ndrite.emulator.network.datasets.idx import read_idx
from ndrite.emulator.spec.arithmetic import Codes

SIDE = 8
COUNT, TEST = 1_797, 500
GREY_MAX = 16
LARGE, BORDER = 28, 2


def digits() -> tuple[Codes, Codes, Codes, Codes]:
    """Return four arrays: training images uint8 (1297, 64), their labels, test images
    (the last 500 of the data set), and their labels. Grey values are scaled to 0..255.
    Raises DatasetError when the packaged files are missing or damaged."""
    folder = Path(__file__).parent / "uci-digits"
    images = read_idx(folder / "images-idx3-ubyte.gz", dimensions=3)
    labels = read_idx(folder / "labels-idx1-ubyte.gz", dimensions=1)
    if images.shape != (COUNT, SIDE, SIDE) or labels.shape != (COUNT,):
        raise DatasetError(
            f"{folder}: images have shape {images.shape}, labels {labels.shape}; accepted: {COUNT} of each"
        )
    grey = np.rint(images.reshape(COUNT, -1).astype(np.float64) * (255 / GREY_MAX)).astype(np.uint8)
    return grey[:-TEST], labels[:-TEST], grey[-TEST:], labels[-TEST:]


def enlarged(images: Codes) -> Codes:
    """Enlarge digits uint8 (n, 64) to the input format of LeNet-5, uint8 (n, 1024): 28
    x 28 pixels by bilinear interpolation, with a border of 2 zeros."""
    centres = np.clip((np.arange(LARGE) + 0.5) * (SIDE / LARGE) - 0.5, 0, SIDE - 1)
    below = np.minimum(centres.astype(int), SIDE - 2)
    part = centres - below
    weights = np.zeros((LARGE, SIDE))
    weights[np.arange(LARGE), below], weights[np.arange(LARGE), below + 1] = 1 - part, part
    grey = weights @ images.reshape(-1, SIDE, SIDE).astype(np.float64) @ weights.T
    grey = np.pad(grey, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    return np.rint(grey).astype(np.uint8).reshape(len(images), -1)
