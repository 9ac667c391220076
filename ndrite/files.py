"""NumPy files in and out, and where results may be written, with errors that name the file."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.files import check_destination, whole_file
from host import InputError

BYTES_MAX = 8 << 30
STANDARD = "-"
"""Name of standard input or output."""
DAMAGED = (
    *(ValueError, OSError, EOFError, TypeError, SyntaxError, OverflowError),
    *(TokenError, RecursionError, MemoryError, zipfile.BadZipFile),
)
"""What NumPy raises on a header that is none."""


def load_array(path: Path) -> npt.NDArray[Any]:
    """Array of an ``.npy`` file, or of standard input for ``-``; nothing in it is executed.

    Raises
    ------
    InputError
        When there is no such file or it is no plain NumPy array.
    """
    if str(path) == STANDARD:
        return _from_stdin()
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > BYTES_MAX:
        raise InputError(f"{path}: larger than {BYTES_MAX} bytes")
    try:
        # Mapped first: a header that asks for more than the file holds is refused before it is allocated.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as error:
        raise InputError(f"{path}: not a NumPy .npy file ({error})") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path}: an .npz archive; accepted: one array in an .npy file")
    return np.array(array)


def array_of(source: Any) -> npt.NDArray[Any]:
    """The array itself, of a tensor its values, or what the file holds.

    Raises
    ------
    InputError
        When there is no such file or it is no plain NumPy array.
    """
    if isinstance(source, str | os.PathLike):
        return load_array(Path(source))
    return np.asarray(source.detach().cpu().numpy() if hasattr(source, "detach") else source)


def name_of(source: Any, what: str) -> str:
    """What an error calls it: the file's path, or ``what``."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else what


def _from_stdin() -> npt.NDArray[Any]:
    data = sys.stdin.buffer.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise InputError(f"standard input: more than {BYTES_MAX} bytes")
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except DAMAGED as error:
        raise InputError(f"standard input: not a NumPy .npy file ({error})") from None
    if not isinstance(array, np.ndarray):
        raise InputError("standard input: an .npz archive; accepted: one array in an .npy file")
    return array


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an ``.npy`` file in whole or not at all; ``-`` is standard output."""
    if str(path) == STANDARD:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        sys.stdout.buffer.write(buffer.getvalue())
        sys.stdout.buffer.flush()
        return
    with whole_file(path) as file:
        np.save(file, array, allow_pickle=False)


def check_output(path: str | os.PathLike[str]) -> None:
    """Refuse a file that cannot be written, or whose folder does not exist, before the work is done.

    Raises
    ------
    InputError
        When there is no such folder.
    OSError
        When the file cannot be written.
    """
    if os.fspath(path) == STANDARD:
        return
    if not Path(path).parent.is_dir():
        raise InputError(f"{Path(path).parent}: no such folder")
    check_destination(Path(path))
