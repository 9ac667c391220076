"""Arrays of an ``.npz`` file from anywhere: nothing in it is executed, sizes are checked before use.

One digest is over a record and its arrays: what a file says of itself, and what its reader checks.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.spec.errors import SpecError
from emulator.spec.files import whole_file

ARRAY_SUFFIX = ".npy"

FIELD = "sha256"
"""Field of a manifest that holds the digest; left out of it."""


def digest(record: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> str:
    """SHA-256, hexadecimal, over every field of ``record`` but ``sha256``, and every array.

    First the record as JSON with sorted keys, in UTF-8, as it reads back from a file; then each array in the
    order of names: the line ``name dtype shape``, and its bytes (little endian, C order).
    """
    read_back = json.loads(json.dumps({key: value for key, value in record.items() if key != FIELD}))
    whole = hashlib.sha256(json.dumps(read_back, sort_keys=True).encode())
    for name, array in sorted((arrays or {}).items()):
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        whole.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        whole.update(little.tobytes())
    return whole.hexdigest()


class ArchiveError(SpecError):
    """A file that is no archive of plain arrays, or whose sizes exceed what is accepted."""


def write_arrays(
    path: str | os.PathLike[str], manifest: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]
) -> None:
    """Write ``manifest`` as JSON text and the arrays beside it, in whole or not at all."""
    named: dict[str, Any] = {"manifest": np.array(json.dumps(manifest, sort_keys=True)), **arrays}
    with whole_file(Path(path)) as file:
        np.savez_compressed(file, **named)


def read_arrays(
    path: Path,
    *,
    most_bytes: int,
    total_bytes: int,
    limits: dict[str, int] | None = None,
    inside: str | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Every array of the archive by name; read only.

    Parameters
    ----------
    most_bytes, total_bytes:
        Accepted size of one member and of all together, unpacked.
    limits:
        Name of an array -> its own limit, bytes.
    inside:
        Member that is an archive itself: where it is there, its arrays are read in place of the others.

    Raises
    ------
    ArchiveError
        When the file is no zip archive of ``.npy`` members without objects, or is larger than accepted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if inside is not None and inside in archive.namelist():
                info = archive.getinfo(inside)
                _check_total(info.file_size, total_bytes)
                with zipfile.ZipFile(io.BytesIO(read_member(archive, info))) as within:
                    return _arrays(within, most_bytes, total_bytes, limits or {})
            return _arrays(archive, most_bytes, total_bytes, limits or {})
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


def _arrays(
    archive: zipfile.ZipFile, most_bytes: int, total_bytes: int, limits: dict[str, int]
) -> dict[str, npt.NDArray[Any]]:
    members = archive.infolist()
    for info in members:
        limit = limits.get(info.filename.removesuffix(ARRAY_SUFFIX), most_bytes)
        if info.file_size > limit:
            raise ArchiveError(f"member {info.filename} is larger than {limit} bytes")
    _check_total(sum(info.file_size for info in members), total_bytes)
    # Member names are keys, never paths.
    return {
        info.filename.removesuffix(ARRAY_SUFFIX): read_array(read_member(archive, info))
        for info in members
        if info.filename.endswith(ARRAY_SUFFIX)
    }


def _check_total(size: int, accepted: int) -> None:
    if size > accepted:
        raise ArchiveError(f"size is {size} bytes unpacked; accepted: at most {accepted}")


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


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The content of a member. Raises ArchiveError when the directory lies about its size."""
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise ArchiveError(f"member {info.filename} has another size than the archive's directory says")
    return data
