"""Reading and writing arrays: NumPy files, and the codes of a user's inputs."""

import io
import os
import sys
import warnings
import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.meaning import InputRange
from ndrite.host import InputError, InputWarning

BYTES_MAX = 8 << 30
STANDARD = "-"
"""File name that stands for standard input or output."""
PICTURES = (".png", ".svg", ".pdf")
DAMAGED = (
    *(ValueError, OSError, EOFError, TypeError, SyntaxError, OverflowError),
    *(TokenError, RecursionError, MemoryError, zipfile.BadZipFile),
)
"""Errors that NumPy raises for a damaged header."""
Takes = Network | Program
"""A network or a program: both state what their inputs and outputs are."""


def array_of(source: object) -> npt.NDArray[Any]:
    """Return the array itself, the values of a tensor, or the contents of an ``.npy``
    file (``-``: standard input).

    Nothing in a file is executed. Raises InputError when there is no such file or it is
    no plain NumPy array.
    """
    if not isinstance(source, str | os.PathLike):
        if np.ma.is_masked(source):
            raise InputError("an array has masked values; accepted: arrays without masked values")
        return np.asarray(source.detach().cpu().numpy() if hasattr(source, "detach") else source)
    path, standard = Path(source), os.fspath(source) == STANDARD
    name = "standard input" if standard else str(path)
    if not standard and not path.is_file():
        raise InputError(f"{path}: no such file")
    data = sys.stdin.buffer.read(BYTES_MAX + 1) if standard else b""
    if (len(data) if standard else path.stat().st_size) > BYTES_MAX:
        raise InputError(f"{name}: larger than {BYTES_MAX} bytes")
    try:
        # The file is memory-mapped first: a header that claims more data than the file
        # has is then rejected before memory is allocated.
        file: io.BytesIO | Path = io.BytesIO(data) if standard else path
        array = np.load(file, mmap_mode=None if standard else "r", allow_pickle=False)
    except DAMAGED as error:
        raise InputError(f"{name}: not a NumPy .npy file ({error})") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{name}: an .npz archive; accepted: one array in an .npy file")
    return np.array(array)


def name_of(source: object, what: str) -> str:
    """Return the name of ``source`` for errors: the file's path, or ``what`` if
    it is not a file."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else what


def save_array(path: str | os.PathLike[str], array: npt.NDArray[np.generic]) -> Path:
    """Write an ``.npy`` file in whole or not at all (``-``: standard
    output); return its path."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    if os.fspath(path) != STANDARD:
        return write_whole(path, buffer.getvalue())
    sys.stdout.buffer.write(buffer.getvalue())
    sys.stdout.buffer.flush()
    return Path(path)


def picture_format(path: str | os.PathLike[str], what: str = "picture") -> str:
    """Return the format ``png``, ``svg`` or ``pdf`` from a file name's suffix. Raises
    InputError for any other suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURES:
        raise InputError(f"{what} is {os.fspath(path)}; accepted: a name that ends in {', '.join(PICTURES)}")
    return suffix[1:]


def encode(
    x: npt.NDArray[np.generic], of: Takes, *, what: str = "x", codes: bool = False
) -> npt.NDArray[np.uint8]:
    """Convert inputs (n, ...) to the input codes uint8 (n, inputs) of a network or program.

    ``InputWarning`` says how many values lay outside the range of their input, and the
    first of them. With an input range, ``x`` is in the model's own unit, whatever its
    dtype; ``codes`` says that it holds codes all the same. Without a range, ``x`` must
    be codes, uint8. Raises InputError when shape or dtype do not fit, axes are in
    another order, a value is not finite, or values lie so far outside the stored range
    (by more than its whole width) that they must be in another unit.
    """
    stored, inputs = of.meaning.inputs, of.inputs
    if not isinstance(x, np.ndarray) or x.ndim < 2 or x[:1].size not in (0, inputs):
        raise InputError(f"{what}: shape {np.shape(x)}; accepted: (n, {inputs})")
    own_shape = (of.calls, *of.shape) if stored is None or stored.axes is None else stored.shape
    own_sizes, given_sizes = ([n for n in shape if n > 1] for shape in (own_shape, x.shape[1:]))
    if own_sizes != given_sizes and sorted(own_sizes) == sorted(given_sizes):
        sizes = f"(n, {', '.join(map(str, own_sizes))})"
        raise InputError(f"{what}: shape {x.shape}; accepted: {sizes}, in this order")
    flat = x.reshape(len(x), inputs)
    if codes or stored is None:
        if flat.dtype != np.uint8:
            unit = "" if codes else "; other values need a program that stores the range of its inputs"
            raise InputError(f"{what}: dtype {flat.dtype}; accepted: uint8, codes 0..255{unit}")
        return np.ascontiguousarray(flat)
    if not np.issubdtype(flat.dtype, np.number) or np.issubdtype(flat.dtype, np.complexfloating):
        raise InputError(f"{what}: dtype {flat.dtype}; accepted: real numbers in {_words(stored)}")
    values = flat.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{what}: holds a value that is not finite; accepted: finite numbers")
    lowest, highest = float(stored.low.min()), float(stored.high.max())
    width = highest - lowest
    if values.size and (values.min() < lowest - width or values.max() > highest + width):
        hint = "; if they are codes 0..255, say so (codes)" if flat.dtype == np.uint8 else ""
        raise InputError(
            f"{what}: values are {values.min():g}..{values.max():g}; accepted: the model's own unit, "
            f"{_words(stored)} in the program{hint}"
        )
    outside = (values < stored.low) | (values > stored.high)
    if outside.any():
        row, column = (int(place) for place in np.argwhere(outside)[0])
        low, high = (np.broadcast_to(end, (inputs,))[column] for end in (stored.low, stored.high))
        warnings.warn(
            f"{what}: {outside.sum():,} of {values.size:,} input values ({100 * outside.mean():.2g} %) lie "
            f"outside the range of their input and were held at its ends; the first: {what}[{row}, {column}] "
            f"is {values[row, column]:g}; accepted: {low:g}..{high:g}",
            InputWarning,
            stacklevel=4,
        )
    return stored.encode(values)


def _words(stored: InputRange) -> str:
    return f"{stored.low.min():g}..{stored.high.max():g}"
