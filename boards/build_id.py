"""The build id: what a bitstream or a compiled simulation was made from."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from emulator.spec import Geometry

SOURCES = ("hdl", "emulator.spec")
"""Packages whose source shapes the gateware."""


def build_id(geometry: Geometry) -> int:
    """64-bit hash over the RTL's sources and the geometry's fields; never 0.

    Line endings do not count; file names, contents and geometry do.
    """
    digest = hashlib.sha256(_sources())
    for field in dataclasses.fields(geometry):
        if field.name != "name":
            digest.update(f"{field.name}={int(getattr(geometry, field.name))}\n".encode())
    return int.from_bytes(digest.digest()[:8], "little") or 1


@cache
def _sources() -> bytes:
    digest = hashlib.sha256()
    for package in SOURCES:
        root = _folder(package)
        for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
            content = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{package}/{path.relative_to(root).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.digest()


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"package {package} is missing: reinstall ndrite")
    return Path(spec.submodule_search_locations[0])
