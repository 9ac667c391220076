"""Build the simulated board once per build id and tool versions; later opens find it in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from platformdirs import user_cache_path

from boards.build_id import build_id
from boards.sim.compile import (
    CXX_FLAGS,
    FAST,
    HARNESS,
    SLOW,
    TRACE_CONTROL,
    TRACE_CXX_FLAGS,
    TRACE_FLAGS,
    TRACE_HARNESS,
    VERILATOR_FLAGS,
    compile_verilog,
)
from boards.sim.toolchain import compiler_version, find_compiler, tool_versions
from emulator.spec import Geometry

DEFAULT_DIVISOR = 4
"""UART clocks per bit in simulation: the fastest at which the receiver still samples mid-bit."""
KEEP = 24
"""Libraries kept in the cache, least recently used dropped first; each is a few megabytes."""


def build(
    geometry: Geometry, *, divisor: int = DEFAULT_DIVISOR, trace: bool = False, platform: object = None
) -> Path:
    """Shared library of the RTL for a geometry, compiled now or earlier; ``trace``: one that writes
    waveforms; ``platform``: of the design that it asks for (``hdl.target``).

    Raises
    ------
    SimulationBuildError
        When no compiler is found or a tool fails.
    """
    from hdl.target import is_compact, is_small

    identity = build_id(geometry)
    design = ", compact" * is_compact(platform) + ", small" * is_small(platform)
    return cached_library(
        f"{identity:016x} {divisor}" + design,
        lambda: _verilog(geometry, identity, divisor, platform),
        what=f"geometry {geometry.name}" + design + (", with waveforms" if trace else ""),
        harness=TRACE_HARNESS if trace else HARNESS,
        trace=trace,
    )


def cached_library(
    key: str, verilog: Callable[[], str], *, what: str, harness: Path = HARNESS, trace: bool = False
) -> Path:
    """Library for ``key`` from the cache; when absent, made from ``verilog()``, announced on stderr."""
    compiler = find_compiler()
    flags = " ".join([*compiler[1:], *VERILATOR_FLAGS, *CXX_FLAGS, FAST, SLOW])
    if trace:
        flags = " ".join([flags, *TRACE_FLAGS, TRACE_CONTROL, *TRACE_CXX_FLAGS])
    tools = "\n".join([tool_versions(), compiler_version(compiler), flags])
    harnesses = HARNESS.read_bytes() * trace + harness.read_bytes()
    digest = _digest(f"{key}\n{tools}".encode() + harnesses)
    folder = user_cache_path("ndrite") / "sim"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{digest}.so"
    if not library.exists():
        with _locked(folder / f"{digest}.lock"):
            if not library.exists():  # another process may have built it while this one waited
                kept = folder / f"runtime-{_digest(tools.encode())}"
                compiled = partial(
                    compile_verilog, compiler=compiler, kept=kept, harness=harness, trace=trace
                )
                _build(library, verilog, compiled, what)
                _prune(folder)
    os.utime(library)  # marks it as recently used
    return library


def _build(library: Path, verilog: Callable[[], str], compiled: Callable[..., None], what: str) -> None:
    begin = time.monotonic()
    print(f"ndrite: compiling the simulated board, {what}; once per version ...", file=sys.stderr, flush=True)
    # Beside its destination, so that the rename is atomic: nobody ever loads half a library.
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="build-") as work:
        unfinished = Path(work) / "unfinished.so"
        compiled(verilog(), unfinished, work=Path(work))
        os.replace(unfinished, library)
    print(f"ndrite: compiled in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _verilog(geometry: Geometry, identity: int, divisor: int, platform: object) -> str:
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    from amaranth.back import verilog

    from boards.sim.compile import TOP
    from hdl.sim_top import SimTop

    top = SimTop(geometry, build_id=identity, divisor=divisor)
    text: str = verilog.convert(top, platform=platform, name=TOP, strip_internal_attrs=True)
    return text


def _prune(folder: Path) -> None:
    libraries = sorted(folder.glob("*.so"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in libraries[KEEP:]:
        old.unlink(missing_ok=True)  # a process that has it loaded keeps its copy
        old.with_suffix(".lock").unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
