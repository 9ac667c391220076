"""Sequences of vowels from .ts files: written by hand here, and the real ones where aeon is installed."""

import importlib.util
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emulator.errors import DatasetError
from emulator.network.datasets import japanese_vowels
from emulator.network.datasets.japanese_vowels import INSIDE

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no line is '@data'; accepted: a \.ts file"),
        (HEAD, "0 series follow '@data'; accepted: 1 and more"),
        (HEAD + line(2, "1", channels=11), "line 6: channels are 11; accepted: 12, then a label"),
        (HEAD + line(2, "1") + line(2, "10"), "line 7: label is '10'; accepted: 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (HEAD + line(30, "1"), r"line 6: frames are 30; accepted: 1\.\.29"),
        (
            HEAD + line(2, "1").replace("1.0", "1.0,5", 1),
            "line 6: channels have 2 to 3 values; accepted: all",
        ),
        (HEAD + line(2, "1").replace("201.0", "?"), r"line 6, channel 2: value is '\?'; accepted: a finite"),
        (
            HEAD + line(2, "1").replace("201.0", "inf"),
            "line 6, channel 2: value is 'inf'; accepted: a finite",
        ),
    ],
)
def test_bad_files_are_refused_by_name_and_line(folder: Path, text: str, message: str) -> None:
    (folder / NAMES[1]).write_text(text)
    with pytest.raises(DatasetError, match=rf"JapaneseVowels_TEST\.ts[:,] {message}"):
        japanese_vowels(folder)


def test_what_is_not_there_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("x")
    with pytest.raises(DatasetError, match="file: is no wheel; accepted: a folder with"):
        japanese_vowels(folder / "file")
    with pytest.raises(
        DatasetError, match=r"nowhere: JapaneseVowels_TRAIN\.ts cannot be read \(No such file"
    ):
        japanese_vowels(folder / "nowhere")
    (folder / NAMES[1]).write_bytes(b"\xff")
    with pytest.raises(DatasetError, match=r"JapaneseVowels_TEST\.ts cannot be read"):
        japanese_vowels(folder)
    with zipfile.ZipFile(folder / "other.whl", "w") as file:
        file.writestr("x", "")
    with pytest.raises(DatasetError, match=r"other\.whl: JapaneseVowels_TRAIN\.ts cannot be read"):
        japanese_vowels(folder / "other.whl")
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
