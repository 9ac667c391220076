"""Build the simulated board once per netlist and tool versions; later opens find it in
the user's cache."""

from __future__ import annotations

import dataclasses
import pkgutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndrite.boards.cache import LOCK, digest, folder, is_whole, locked, prune, seal, used, workshop
from ndrite.boards.netlist import Make, build_id, netlist, verilog
from ndrite.boards.sim.compile import CXX_FLAGS, FAST, HARNESS, SLOW, TOP, VERILATOR_FLAGS, compile_verilog
from ndrite.boards.sim.toolchain import SimulationBuildError, compiler_version, find_compiler, tool_versions
from ndrite.emulator.spec import Geometry

if TYPE_CHECKING:
    from amaranth.hdl import Elaboratable

TOP_OF_PINS = "ndrite.hdl.tops:SimTop"
DEFAULT_DIVISOR = 4
"""Clocks per UART bit in simulation: the fewest with which the receiver still samples
in the middle of a bit."""
KEEP = 48
"""Number of libraries kept in the cache; the least recently used is dropped first. Each
is a few megabytes."""

KEEP_RUNTIMES = 6
"""Number of folders kept in the cache with Verilator's own object files; all designs
with the same tools and flags share a folder."""


def build(
    geometry: Geometry,
    *,
    divisor: int = DEFAULT_DIVISOR,
    platform: object = None,
    learns: bool = False,
) -> Path:
    """Return the shared library of the simulated board for a geometry, compiling it if
    it is not in the cache. ``platform`` selects the gateware design, as
    ``ndrite.hdl.parts.target`` reads it; ``learns`` selects a device with a learning
    core. Raises SimulationBuildError when no compiler is found, a tool fails or the
    cache cannot be written."""
    of_platform = "" if platform is None else f", {platform}"
    return cached_library(
        **design(TOP_OF_PINS, geometry, divisor=divisor, learns=learns),
        platform=platform,
        what=f"geometry {geometry.name}{of_platform}",
    )


def simulated_id(geometry: Geometry, *, platform: object = None) -> int:
    """Return the build id that the simulated board has if ``build`` compiles it from
    the present source files."""
    top = design(TOP_OF_PINS, geometry, divisor=DEFAULT_DIVISOR, learns=False)
    return build_id(netlist(**top, platform=platform))


def design(top: str, geometry: Geometry, **options: Any) -> dict[str, Any]:
    """Return the arguments of ``netlist`` for a simulated device, whose top component
    ``top`` is named as ``module:class``."""

    def make(identity: int) -> Elaboratable:
        component: Elaboratable = pkgutil.resolve_name(top)(geometry, build_id=identity, **options)
        return component

    return {"make": make, "key": f"{top} {dataclasses.replace(geometry, name='')} {options}"}


def cached_library(
    make: Make,
    *,
    key: str,
    platform: object = None,
    what: str,
    harness: Path = HARNESS,
) -> Path:
    """Return the library of a design from the cache; compile it if it is absent or
    damaged, and say so on stderr.

    ``make``, ``key`` and ``platform`` are those of ``ndrite.boards.netlist.netlist``.
    Raises as ``build``.
    """
    compiler = find_compiler()
    flags = " ".join([*compiler[1:], *VERILATOR_FLAGS, *CXX_FLAGS, FAST, SLOW])
    tools = "\n".join([tool_versions(), compiler_version(compiler), flags])
    try:
        design, root = netlist(make, key=key, platform=platform), folder("sim")
        entry = digest(f"{design}\n{tools}".encode() + harness.read_bytes())
        library, runtime = root / f"{entry}.so", root / f"runtime-{digest(tools.encode())}"
        with locked(root / f"{entry}{LOCK}"):  # wait if another process is building this library
            if not is_whole(library):
                begin = time.monotonic()
                _say(f"compiling the simulated board, {what}; once per version ...")
                text = verilog(make(build_id(design)), platform, name=TOP)
                with workshop(root, entry) as work:
                    unfinished = work / "unfinished.so"
                    compile_verilog(
                        text, unfinished, work=work, compiler=compiler, kept=runtime, harness=harness
                    )
                    seal(unfinished, library)
                _say(f"compiled in {time.monotonic() - begin:.0f} s")
                prune(root, "*.so", KEEP, library)
                prune(root, "runtime-*", KEEP_RUNTIMES, runtime)
        used(library)
        return library
    except OSError as error:
        raise SimulationBuildError(f"cannot build the simulated board: {error}") from None


def _say(text: str) -> None:
    print(f"ndrite: {text}", file=sys.stderr, flush=True)
