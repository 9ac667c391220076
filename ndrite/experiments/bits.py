"""Right and wrong, sample by sample, in a JSON file: small enough for every network and die."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def packed(right: Bools, like: Bools | None = None) -> str:
    """Text of ``right`` (n,); of where it differs from ``like``, if that is given, which is shorter."""
    bits = right if like is None else right ^ like
    return base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()


def unpacked(text: str, n: int, like: Bools | None = None) -> Bools:
    """What ``packed`` was given, (n,)."""
    held = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    bits = np.unpackbits(held, count=n).astype(bool)
    return bits if like is None else bits ^ like
