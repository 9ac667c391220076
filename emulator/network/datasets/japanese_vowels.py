"""Japanese vowels (M. Kudo, J. Toyama, M. Shimbo, Pattern Recognition Letters 20,
1999, 1103-1111; UCI).

Nine men say the vowels a and e; 12 coefficients of linear prediction a frame, 7 to 29
frames; which of the nine was it? 270 sequences to train with, 370 to test. The package
aeon (BSD licence) carries them as .ts files; it is read from, never imported, so a
wheel that was not installed serves as well.
"""

import importlib.util
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import DatasetError, require
from ndrite.emulator.spec.archive import DAMAGED
from ndrite.emulator.spec.arithmetic import Codes, Floats

FEATURES, FRAMES = 12, 29
LABELS = tuple("123456789")
"""Labels of the speakers."""
INSIDE = "datasets/data/JapaneseVowels"
"""Folder of the data set's files in the package aeon."""

Sequences = npt.NDArray[np.float32]


def japanese_vowels(where: str | os.PathLike[str] | None = None) -> tuple[Sequences, Codes, Sequences, Codes]:
    """Return four arrays: the training sequences and their labels, then the test
    sequences and their labels, each in the order of its file.

    ``where``: a folder with ``JapaneseVowels_TRAIN.ts`` and ``JapaneseVowels_TEST.ts``,
    or a wheel of aeon; by default the installed package aeon. Raises DatasetError when
    the files are not there, or a line is not what it should be; file, line and what is
    accepted. Sequences are float32 (n, 29, 12), coefficients as recorded; shorter ones
    have zeros in front, so the last frame is always the last of the 29. Labels are
    uint8 (n,), speakers 0..8.
    """
    train, test = (_part(where, f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))
    return *train, *test


def _part(where: str | os.PathLike[str] | None, name: str) -> tuple[Sequences, Codes]:
    """Return sequences and labels of a .ts file, the text format of
    timeseriesclassification.com.

    Lines with # are remarks and lines with @ describe the set; after @data each line is
    one series: its channels with a colon between them, a channel's values with commas,
    and the label at the end.
    """
    source, text = _text(where, name)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    begin = next((i for i, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if begin is None:
        raise DatasetError(f"{source}: no line is '@data'; accepted: a .ts file")
    series = [_series(f"{source}, line {n}", line) for n, line in lines[begin + 1 :]]
    if not series:
        raise DatasetError(f"{source}: 0 series follow '@data'; accepted: 1 and more")
    x = np.zeros((len(series), FRAMES, FEATURES), np.float32)
    for row, (values, _) in zip(x, series, strict=True):
        row[FRAMES - len(values) :] = values
    return x, np.array([label for _, label in series], np.uint8)


def _series(at: str, line: str) -> tuple[Floats, int]:
    """Parse one line of a .ts file: return the values (frames, 12) and the label 0..8."""
    *parts, label = line.split(":")
    if len(parts) != FEATURES:
        raise DatasetError(f"{at}: channels are {len(parts)}; accepted: {FEATURES}, then a label")
    if label.strip() not in LABELS:
        raise DatasetError(f"{at}: label is {label.strip()!r}; accepted: {', '.join(LABELS)}")
    rows = [[_number(f"{at}, channel {c}", text) for text in part.split(",")] for c, part in enumerate(parts)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise DatasetError(f"{at}: channels have {lengths[0]} to {lengths[-1]} values; accepted: all alike")
    if lengths[0] > FRAMES:
        raise DatasetError(f"{at}: frames are {lengths[0]}; accepted: 1..{FRAMES}")
    return np.array(rows, np.float64).T, LABELS.index(label.strip())


def _number(at: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    require(math.isfinite(value), f"{at}: value", repr(text.strip()), "a finite number", DatasetError)
    return value


def _text(where: str | os.PathLike[str] | None, name: str) -> tuple[str, str]:
    """Read a data file from a folder or a wheel: return its name for error
    messages, and its text."""
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
            f"{path}: is not a Python wheel; accepted: a folder with {name}, or a wheel of the package aeon"
        ) from None
    except (KeyError, *DAMAGED) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"{path}: {name} cannot be read ({reason}); accepted: a folder with that file, or a wheel of the "
            "package aeon"
        ) from None


def _installed() -> Path:
    """Return the data folder of the installed package aeon, without importing the
    package, whose dependencies are large."""
    spec = importlib.util.find_spec("aeon")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(
            "JapaneseVowels comes with aeon: pip install --no-deps aeon, or name a wheel of it "
            "or a folder with JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts"
        )
    return Path(spec.submodule_search_locations[0]) / INSIDE
