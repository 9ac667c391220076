"""Japanese vowels (M. Kudo, J. Toyama, M. Shimbo, Pattern Recognition Letters 20, 1999, 1103-1111; UCI).

Nine men say the vowels a and e; 12 coefficients of linear prediction a frame, 7 to 29 frames; which of the
nine was it? 270 sequences to train with, 370 to test. The package aeon (BSD licence) carries them as .ts
files; it is read from, never imported, so a wheel that was not installed serves as well.
"""

from __future__ import annotations

import importlib.util
import os
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError
from emulator.network.datasets.time_series import Series, series_of

FEATURES, FRAMES, SPEAKERS = 12, 29, 9
INSIDE = "datasets/data/JapaneseVowels"
"""The folder of the files in the package aeon."""

Sequences = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


def japanese_vowels(
    where: str | os.PathLike[str] | None = None,
) -> tuple[Sequences, Labels, Sequences, Labels]:
    """Training sequences and their labels, then the test set, each in the order of its file.

    Parameters
    ----------
    where:
        A folder with ``JapaneseVowels_TRAIN.ts`` and ``JapaneseVowels_TEST.ts``, or a wheel of aeon; by
        default the installed package aeon.

    Returns
    -------
    sequences:
        float32 (n, 29, 12), coefficients as recorded. Shorter ones have zeros in front, so the last frame
        is always the last of the 29.
    labels:
        uint8 (n,), speakers 0..8.

    Raises
    ------
    DatasetError
        When the files are not there, or a line is not what it should be; file, line and what is accepted.
    """
    train, test = (_part(where, f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))
    return *train, *test


def _part(where: str | os.PathLike[str] | None, name: str) -> tuple[Sequences, Labels]:
    source, text = _text(where, name)
    labels = tuple(str(1 + speaker) for speaker in range(SPEAKERS))
    series = series_of(source, text, channels=FEATURES, longest=FRAMES, labels=labels)
    return _padded(series), np.array([labels.index(s.label) for s in series], np.uint8)


def _padded(series: list[Series]) -> Sequences:
    x = np.zeros((len(series), FRAMES, FEATURES), np.float32)
    for row, one in zip(x, series, strict=True):
        row[FRAMES - len(one.values) :] = one.values
    return x


def _text(where: str | os.PathLike[str] | None, name: str) -> tuple[str, str]:
    """The file's name for messages, and what is in it."""
    path = _installed() if where is None else Path(where)
    try:
        if path.is_dir():
            raw, source = (path / name).read_bytes(), str(path / name)
        else:
            with zipfile.ZipFile(path) as wheel:
                raw, source = wheel.read(f"aeon/{INSIDE}/{name}"), f"{path}: {name}"
        return source, raw.decode()
    except zipfile.BadZipFile:
        raise DatasetError(
            f"{path}: is no wheel; accepted: a folder with {name}, or a wheel of aeon"
        ) from None
    except (OSError, KeyError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"{path}: {name} cannot be read ({reason}); accepted: a folder with it, or a wheel of aeon"
        ) from None


def _installed() -> Path:
    """The folder in the installed aeon; the package itself is not imported, for what it needs is large."""
    spec = importlib.util.find_spec("aeon")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(
            "JapaneseVowels comes with aeon: pip install --no-deps aeon, or name a wheel of it "
            "or a folder with JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts"
        )
    return Path(spec.submodule_search_locations[0]) / INSIDE
