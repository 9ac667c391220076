"""Reader of IDX files, the format of MNIST and Fashion-MNIST, and of their original files."""

import gzip
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ndrite.emulator.errors import DatasetError, require
from ndrite.emulator.spec.arithmetic import Codes

UNSIGNED_BYTE = 0x08
"""Code of the element type in IDX files: unsigned bytes, the only type that
these data sets use."""
GZIP_MAGIC = b"\x1f\x8b"
BYTES_MAX = 1 << 30


def read_idx(path: str | os.PathLike[str], *, dimensions: int) -> Codes:
    """Read an IDX file of unsigned bytes, plain or gzip-compressed.

    The header is two zero bytes, the element type, the number of dimensions, then one
    big-endian 32-bit size per dimension (Y. LeCun, "The MNIST database", file format
    section). Raises DatasetError when the file is missing, is not IDX, or its length
    contradicts its header. ``dimensions``: those that the caller expects: 3 for images
    (n, height, width), 1 for labels (n,).
    """
    path = Path(path)
    raw = _bytes(path)
    if len(raw) < 4:
        raise DatasetError(f"{path}: length is {len(raw)} bytes; accepted: an IDX header of at least 4 bytes")
    zero, kind, rank = struct.unpack_from(">HBB", raw)
    if zero != 0 or kind != UNSIGNED_BYTE:
        raise DatasetError(
            f"{path}: magic is 0x{int.from_bytes(raw[:4], 'big'):08x}; "
            f"accepted: 0x{UNSIGNED_BYTE << 8 | dimensions:08x} (IDX, unsigned bytes)"
        )
    require(rank == dimensions, f"{path}: dimensions", rank, str(dimensions), DatasetError)
    header = 4 + 4 * rank
    if len(raw) < header:
        raise DatasetError(f"{path}: length is {len(raw)} bytes; accepted: a header of {header} bytes")
    sizes = struct.unpack_from(f">{rank}I", raw, 4)
    if 0 in sizes:
        raise DatasetError(f"{path}: sizes are {sizes}; accepted: 1 and more each")
    expected = header + int(np.prod(sizes, dtype=object))
    if len(raw) != expected:
        raise DatasetError(f"{path}: length is {len(raw)} bytes; accepted: {expected} for sizes {sizes}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(sizes)


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from None
    if raw[:2] != GZIP_MAGIC:
        return raw
    # At most BYTES_MAX bytes are decompressed, so that a crafted gzip file cannot fill
    # the memory before its header is checked.
    try:
        with gzip.open(path) as file:
            data = file.read(BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: damaged gzip data ({error})") from None
    if len(data) > BYTES_MAX:
        raise DatasetError(f"{path}: more than {BYTES_MAX} bytes after decompression")
    return data


SIDE, CLASSES = 28, 10


def original(folder: Path, stem: str, count: int, missing: str) -> tuple[Codes, Codes]:
    """Return two arrays from the IDX files in ``folder`` whose names begin with
    ``stem`` (train or t10k): the images, uint8 (count, 784), and the labels (count,).

    Raises DatasetError when files are missing (``missing``: what to do then), damaged,
    or of other sizes.
    """
    images = read_idx(_find(folder, f"{stem}-images-idx3-ubyte", missing), dimensions=3)
    where = _find(folder, f"{stem}-labels-idx1-ubyte", missing)
    labels = read_idx(where, dimensions=1)
    if images.shape != (count, SIDE, SIDE):
        raise DatasetError(
            f"{folder}: {stem} images have sizes {images.shape}; accepted: {(count, SIDE, SIDE)}"
        )
    if labels.shape != (count,):
        raise DatasetError(
            f"{where}: has labels of shape {labels.shape}; accepted: {(count,)}, one for each image"
        )
    require(labels.max() < CLASSES, f"{where}: a label", labels.max(), f"0..{CLASSES - 1}", DatasetError)
    return images.reshape(count, SIDE * SIDE), labels


def _find(folder: Path, name: str, missing: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise DatasetError(f"{folder}: no file {name}.gz or {name}; {missing}")
