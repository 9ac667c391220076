"""Netlists: simulated boards, reports and build ids depend on a digest of the netlist,
so that a changed comment changes none of them.

Elaborating a design takes seconds. The digest of its netlist is remembered in the
user's cache by the digest of the sources, so that only a change of sources elaborates
again, and only one of the netlist compiles.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ndrite.boards.cache import digest, folder, prune, used
from ndrite.emulator.spec.files import whole_file

if TYPE_CHECKING:
    from amaranth.hdl import Elaboratable

SOURCES = ("ndrite.hdl", "ndrite.emulator.spec", "ndrite.boards")
"""Packages whose source code may change a netlist."""
KEEP = 512
"""Number of netlist digests that are remembered; the least recently used is dropped
first. Each is a line of text."""
Make = Callable[[int], "Elaboratable"]
"""A function that makes a design, an Amaranth component, with the given build id."""


def netlist(make: Make, *, key: str, platform: object = None) -> str:
    """Return the SHA-256, hexadecimal, of the RTLIL of a design for ``platform``,
    made with build id 0.

    ``key`` names the design and all that ``make`` makes it of, sources left out.
    """
    memory = folder("netlists")
    note = memory / digest(f"{key}\n{platform!r}\n{sources()}".encode())
    try:
        remembered = note.read_text()
    except (OSError, ValueError):
        remembered = ""
    if re.fullmatch("[0-9a-f]{64}", remembered):
        used(note)
        return remembered
    digest_text = hashlib.sha256(renumbered(rtlil(make(0), platform)).encode()).hexdigest()
    with whole_file(note) as file:
        file.write(digest_text.encode())
    prune(memory, "*[0-9a-f]", KEEP, note)
    return digest_text


def build_id(netlist: str) -> int:
    """Return the 64-bit build id of a design: the first digits of its netlist
    digest, never 0. Since the build id is part of the design, the digest is
    computed with build id 0."""
    return int(netlist[:16], 16) or 1


def rtlil(design: Elaboratable, platform: object = None) -> str:
    """Convert a design to RTLIL text with top module ``top``, without references to
    the source files."""
    _own_yosys()
    from amaranth.back import rtlil

    with _no_collections():
        text: str = rtlil.convert(design, platform=platform, name="top", emit_src=False)
    return text


def verilog(design: Elaboratable, platform: object = None, *, name: str = "top") -> str:
    """Convert a design to Verilog text, without references to the source files."""
    _own_yosys()
    from amaranth.back import verilog

    with _no_collections():
        text: str = verilog.convert(
            design, platform=platform, name=name, emit_src=False, strip_internal_attrs=True
        )
    return text


@cache
def sources() -> str:
    """Return a digest of the source files of the packages ``SOURCES`` and of Amaranth's
    version. Line endings do not change it."""
    whole_digest = hashlib.sha256(importlib.metadata.version("amaranth").encode())
    for package in SOURCES:
        root = _folder(package)
        for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
            content = path.read_bytes().replace(b"\r\n", b"\n")
            whole_digest.update(f"{package}/{path.relative_to(root).as_posix()} {len(content)}\n".encode())
            whole_digest.update(content)
    return whole_digest.hexdigest()


def renumbered(text: str) -> str:
    """Renumber the names in RTLIL text, so that equal designs give equal text:
    Amaranth numbers some names in the order in which objects were made,
    including unused objects."""
    numbers: dict[str, int] = {}

    def renumber(name: re.Match[str]) -> str:
        return "\\port$" + str(numbers.setdefault(name[0], len(numbers)))

    return re.sub(r"\\port\$\d+", renumber, text)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"package {package} is missing: reinstall ndrite")
    return Path(spec.submodule_search_locations[0])


@contextmanager
def _no_collections() -> Iterator[None]:
    """Disable Python's garbage collector during the ``with`` block. Amaranth makes
    millions of objects that stay alive, and searching them for garbage again and again
    takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _own_yosys() -> None:
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
