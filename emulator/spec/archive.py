"""Reader and writer of arrays in ``.npz`` files from anywhere: nothing in a file is
executed, sizes are checked before use.

One digest is over a record and its arrays: what a file says of itself, and what
its reader checks.
"""

import dataclasses
import hashlib
import io
import json
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.errors import SpecError, require
from ndrite.emulator.spec.files import whole_file

ARRAY_SUFFIX = ".npy"
Arrays = dict[str, npt.NDArray[Any]]
Made = TypeVar("Made")

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ValueError,  # a member's name is not text
    NotImplementedError,  # unsupported zip version or compression
    RuntimeError,  # a member is encrypted
    OSError,
    EOFError,
)
"""Exceptions that opening and reading a damaged zip archive may raise."""
FIELD = "sha256"
"""Field of a manifest that holds the digest; the digest does not cover it."""


def digest(record: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> str:
    """Return one SHA-256, hexadecimal, over every array and every field of ``record``
    except ``sha256``.

    First the record as JSON with sorted keys, in UTF-8, as it reads back from a file;
    then each array in the order of names: the line ``name dtype shape``, and its bytes
    (little endian, C order).
    """
    read_back = json.loads(json.dumps({key: value for key, value in record.items() if key != FIELD}))
    sha = hashlib.sha256(json.dumps(read_back, sort_keys=True).encode())
    for name, array in sorted((arrays or {}).items()):
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        sha.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        sha.update(little.data)
    return sha.hexdigest()


class ArchiveError(SpecError):
    """A file is not an archive of plain arrays, or its sizes exceed what is accepted."""


@dataclasses.dataclass(frozen=True)
class FileKind:
    """A kind of file: a manifest and arrays, protected by one digest.

    name, version
        What the manifest's ``format`` and ``format_version`` say of it.
    error, known
        What refusals are raised as, and what assembling raises besides with a
        message for people.
    most_bytes, total_bytes
        Accepted size of one member and of all together, unpacked.
    limits
        Name of an array -> its own limit, bytes.
    inside
        Member that is an archive itself: where it is there, its arrays are read in
        place of the others.
    otherwise
        What to do where there is no file of this version.
    """

    name: str
    version: int
    error: type[ValueError]
    known: tuple[type[ValueError], ...]
    most_bytes: int
    total_bytes: int
    limits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    inside: str | None = None
    otherwise: str = ""

    @property
    def head(self) -> dict[str, Any]:
        """The manifest fields that identify this kind of file: its format and version."""
        return {"format": f"ndrite-{self.name}", "format_version": self.version}

    def written(self, manifest: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
        """Return the manifest as a file will contain it, including its digest."""
        read_back: dict[str, Any] = json.loads(json.dumps(self.head | manifest))
        return read_back | {FIELD: digest(read_back, arrays)}

    def save(self, path: str | os.PathLike[str], manifest: dict[str, Any], arrays: Arrays) -> None:
        """Write a file completely or not at all (temporary file, then rename)."""
        text = json.dumps(self.written(manifest, arrays), sort_keys=True)
        entries: dict[str, Any] = {"manifest": np.array(text), **arrays}
        with whole_file(Path(path)) as file:
            np.savez_compressed(file, **entries)

    def load(self, path: str | os.PathLike[str], assemble: Callable[[dict[str, Any], Arrays], Made]) -> Made:
        """Read a file that ``save`` wrote, and return the result of ``assemble`` for
        its manifest and arrays.

        Raises FileNotFoundError when there is no such file. Raises ``error`` when
        it is of another kind or version, was changed since it was written, or
        cannot be assembled.
        """
        require(isinstance(path, str | os.PathLike), "path", repr(path), "text or a path", self.error)
        path, otherwise = Path(path), self.otherwise and f"; {self.otherwise}"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such {self.name} file{otherwise}")
        try:
            arrays = self._arrays(path)
            manifest = json.loads(str(arrays.pop("manifest", "null")))
            if not isinstance(manifest, dict):
                raise self.error(f"no manifest in the file; accepted: a {self.name} file")
            format_here, format_known = (
                f"{m.get('format')} {m.get('format_version')}" for m in (manifest, self.head)
            )
            require(
                format_here == format_known, "format", format_here, f"{format_known}{otherwise}", self.error
            )
            if manifest.get(FIELD) != digest(manifest, arrays):
                raise self.error(
                    "checksum differs: manifest and arrays are not those the file was written with"
                )
            return assemble(manifest, arrays)
        except (self.error, *self.known) as found:
            raise self.error(f"{path}: {found}") from None
        except (TypeError, KeyError, AttributeError, IndexError) as found:
            raise self.error(
                f"{path}: a field of the manifest is missing or has the wrong type ({found})"
            ) from None
        except (ValueError, RecursionError) as found:
            raise self.error(f"{path}: not a {self.name} file ({found})") from None

    def _arrays(self, path: Path) -> Arrays:
        """Return every array of the archive by name, read-only. Raises ArchiveError
        when the file is not a zip archive of ``.npy`` members without objects, or is
        larger than accepted."""
        try:
            with zipfile.ZipFile(path) as archive:
                if self.inside is None or self.inside not in archive.namelist():
                    return self._members(archive)
                info = archive.getinfo(self.inside)
                self._check_total(info.file_size)
                with zipfile.ZipFile(io.BytesIO(read_member(archive, info))) as within:
                    return self._members(within)
        except ArchiveError:
            raise
        except DAMAGED as error:
            raise ArchiveError(f"not an archive of arrays ({error})") from None

    def _members(self, archive: zipfile.ZipFile) -> Arrays:
        members = archive.infolist()
        if members and all(info.header_offset > 0 for info in members):
            # Where an archive nested in a larger file is complete and the larger file
            # is cut off, zipfile would read the nested one instead.
            raise ArchiveError(
                "the file is cut off, only an archive inside it is complete; copy the file again"
            )
        for info in members:
            limit = self.limits.get(info.filename.removesuffix(ARRAY_SUFFIX), self.most_bytes)
            if info.file_size > limit:
                raise ArchiveError(f"member {info.filename} is larger than {limit} bytes")
        self._check_total(sum(info.file_size for info in members))
        # Member names are used as keys of a dictionary and never as paths, so they
        # cannot lead outside.
        return {
            info.filename.removesuffix(ARRAY_SUFFIX): read_array(read_member(archive, info))
            for info in members
            if info.filename.endswith(ARRAY_SUFFIX)
        }

    def _check_total(self, size: int) -> None:
        if size > self.total_bytes:
            raise ArchiveError(f"size is {size} bytes unpacked; accepted: at most {self.total_bytes}")


@cache
def _has_arrays(kind: Any) -> bool:
    """Return whether a type is a dataclass with array fields."""
    hints = get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    # Type hints of arrays have the origin ``np.ndarray`` or, from NumPy 2.5 on, the
    # alias ``npt.NDArray`` itself.
    return any(get_origin(hint) in (np.ndarray, npt.NDArray) for hint in hints.values())


def flat(where: str, record: Any, arrays: Arrays, apart: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields of a dataclass as plain values for JSON, and add its arrays to
    ``arrays`` under the names ``where.field``. The fields of a nested dataclass with
    arrays are listed among those of ``record``. ``apart``: values to use in place of
    some fields, by field name."""
    entry: dict[str, Any] = {}
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if apart is not None and f.name in apart:
            entry[f.name] = apart[f.name]
        elif isinstance(value, np.ndarray):
            arrays[f"{where}.{f.name}"] = value
        elif _has_arrays(value.__class__):
            entry |= flat(where, value, arrays, apart)
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            entry[f.name] = [dataclasses.asdict(part) for part in value]
        else:
            entry[f.name] = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
    return entry


def built(
    where: str,
    kind: type[Made],
    entry: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    apart: Mapping[str, Any] | None = None,
) -> Made:
    """Rebuild the dataclass ``kind`` from the output of ``flat``. ``apart`` has the
    values of the fields that ``flat`` was also given as ``apart``. A KeyError names
    the missing field."""
    values: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for f in dataclasses.fields(kind):  # type: ignore[arg-type]
        name, of = f"{where}.{f.name}", hints[f.name]
        if apart is not None and f.name in apart:
            values[f.name] = apart[f.name]
        elif _has_arrays(of):
            values[f.name] = built(where, of, entry, arrays, apart)
        elif name in arrays:
            values[f.name] = arrays[name]
        elif f.name in entry:
            values[f.name] = _made(of, entry[f.name])
        elif f.default is not None:
            raise KeyError(name)
    return kind(**values)


def _made(of: Any, value: Any) -> Any:
    """Convert a plain value, as read from JSON, to a value of the type ``of``."""
    if dataclasses.is_dataclass(of):
        return of(**tuples(value))  # type: ignore[operator]
    parts = [part for part in get_args(of) if dataclasses.is_dataclass(part)]
    return tuple(_made(parts[0], part) for part in value) if parts else tuples(value)


def tuples(value: Any) -> Any:
    """Convert a list to a tuple; in a mapping, convert the lists among its values."""
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def read_array(data: bytes) -> npt.NDArray[Any]:
    """Return the array in the content of an ``.npy`` file, as a view of ``data``.
    Raises ArchiveError when the content is not an array, contains objects, or its size
    differs from what its header says."""
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
    byte_count, count = len(data) - file.tell(), 1
    for size in shape:
        count *= size
    # Sizes of 0 are refused: with one of them, the other sizes could have any value and
    # the byte count would still be right.
    if byte_count != count * dtype.itemsize or dtype.itemsize == 0 or min(shape, default=1) < 1:
        wanted = f"an array of shape {shape} and type {dtype}"
        raise ArchiveError(f"data has {byte_count} bytes, which is not the size of {wanted}")
    flat = np.frombuffer(data, dtype, offset=file.tell(), count=count)
    return flat.reshape(shape, order="F" if fortran else "C")


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the content of a member of the archive. Raises ArchiveError when its size
    differs from what the archive's directory says."""
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise ArchiveError(
            f"member {info.filename} does not have the size that the archive's directory states"
        )
    return data
