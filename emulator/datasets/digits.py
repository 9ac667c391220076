"""Handwritten digits (E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998).

https://archive.ics.uci.edu/ml/datasets/Optical+Recognition+of+Handwritten+Digits: 1,797 images of 8 x 8
pixels, grey values 0..16, the part written by 13 people, as scikit-learn ships it, in its order. Small
enough to train a network in seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.datasets.idx import read_idx
from emulator.errors import DatasetError

SIDE = 8
COUNT, TEST = 1_797, 500
GREY_MAX = 16

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def digits() -> tuple[Images, Labels, Images, Labels]:
    """Training images uint8 (1297, 64) and labels, then the last 500 images as test set, grey values 0..255.

    Raises
    ------
    DatasetError
        When the packaged files are missing or damaged.
    """
    folder = Path(__file__).parent / "uci-digits"
    images = read_idx(folder / "images-idx3-ubyte.gz", dimensions=3)
    labels = read_idx(folder / "labels-idx1-ubyte.gz", dimensions=1)
    if images.shape != (COUNT, SIDE, SIDE) or labels.shape != (COUNT,):
        raise DatasetError(f"{folder}: sizes are {images.shape} and {labels.shape}; accepted: {COUNT} digits")
    grey = np.rint(images.reshape(COUNT, -1).astype(np.float64) * (255 / GREY_MAX)).astype(np.uint8)
    return grey[:-TEST], labels[:-TEST], grey[-TEST:], labels[-TEST:]
