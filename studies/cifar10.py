"""CIFAR-10 (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009) from a user's folder.

No package carries it. Read are the files of its binary version: records of a label byte and 3,072 bytes, the
planes red, green and blue of 32 x 32 pixels, row by row. (The Python version is pickled, and is not read.)
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError

CHANNELS, SIDE, CLASSES = 3, 32, 10
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
RECORD = 1 + CHANNELS * SIDE * SIDE

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def cifar10(folder: str | os.PathLike[str]) -> tuple[Images, Labels, Images, Labels]:
    """Training images uint8 (n, 3072) and labels (n,), then the test set. Raises DatasetError when a file is
    missing, is not whole records, or holds a label beyond 9; file and what is accepted."""
    parts = [_batch(Path(folder) / name) for name in (*TRAIN, TEST)]
    train = np.concatenate(parts[:-1])
    return train[:, 1:], train[:, 0], parts[-1][:, 1:], parts[-1][:, 0]


def _batch(path: Path) -> npt.NDArray[np.uint8]:
    """Records uint8 (n, 3073)."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror or error}); accepted: a folder with CIFAR-10's "
            f"binary version, {', '.join(TRAIN)} and {TEST}"
        ) from None
    if not raw or len(raw) % RECORD:
        raise DatasetError(f"{path}: length is {len(raw)} bytes; accepted: whole records of {RECORD}")
    records = np.frombuffer(raw, np.uint8).reshape(-1, RECORD)
    if records[:, 0].max() >= CLASSES:
        raise DatasetError(f"{path}: a label is {records[:, 0].max()}; accepted: 0..{CLASSES - 1}")
    return records
