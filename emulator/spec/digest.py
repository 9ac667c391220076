"""One digest over a record and its arrays: what a file says of itself, and what its reader checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

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
