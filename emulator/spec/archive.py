"""Arrays of an ``.npz`` file from anywhere: nothing in it is executed, sizes are checked before use."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.spec.errors import SpecError

ARRAY_SUFFIX = ".npy"


class ArchiveError(SpecError):
    """A file that is no archive of plain arrays, or whose sizes exceed what is accepted."""


def read_arrays(
    path: Path, *, most_bytes: int, total_bytes: int, limits: dict[str, int] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Every array of the archive by name; read only.

    Parameters
    ----------
    most_bytes, total_bytes:
        Accepted size of one member and of all together, unpacked.
    limits:
        Name of an array -> its own limit, bytes.

    Raises
    ------
    ArchiveError
        When the file is no zip archive of ``.npy`` members without objects, or is larger than accepted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = 0
            for info in members:
                limit = (limits or {}).get(info.filename.removesuffix(ARRAY_SUFFIX), most_bytes)
                total += info.file_size
                if info.file_size > limit:
                    raise ArchiveError(f"member {info.filename} is larger than {limit} bytes")
            if total > total_bytes:
                raise ArchiveError(f"size is {total} bytes unpacked; accepted: at most {total_bytes}")
            # Member names are keys, never paths.
            return {
                info.filename.removesuffix(ARRAY_SUFFIX): read_array(_member(archive, info))
                for info in members
                if info.filename.endswith(ARRAY_SUFFIX)
            }
    except ArchiveError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        ValueError,  # a name that is no text
        NotImplementedError,  # another version or compression
        RuntimeError,  # encrypted
        OSError,
        EOFError,
    ) as error:
        raise ArchiveError(f"not an archive of arrays ({error})") from None


def read_array(data: bytes) -> npt.NDArray[Any]:
    """The array in the content of an ``.npy`` file; a view of ``data``.

    Raises
    ------
    ArchiveError
        When it is none, holds objects, or its header asks for more or less than there is.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    except (
        ValueError,
        TypeError,
        SyntaxError,
        OverflowError,
        RecursionError,
        MemoryError,
        TokenError,
    ) as error:
        raise ArchiveError(f"not a NumPy array ({error})") from None
    if dtype.hasobject:
        raise ArchiveError("holds Python objects; accepted: plain arrays")
    held, count = len(data) - file.tell(), 1
    for size in shape:
        count *= size
    # A size of 0 would let the others be anything.
    if held != count * dtype.itemsize or dtype.itemsize == 0 or min(shape, default=1) < 1:
        raise ArchiveError(f"an array of shape {shape} and type {dtype} in {held} bytes")
    flat = np.frombuffer(data, dtype, offset=file.tell(), count=count)
    return flat.reshape(shape, order="F" if fortran else "C")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        # The directory may lie about the size.
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise ArchiveError(f"member {info.filename} has another size than the archive's directory says")
    return data
