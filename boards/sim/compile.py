"""Verilog to shared library: Verilator, then the C++ compiler directly; no make, no perl."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from boards.sim.toolchain import run, verilator_root

HARNESS = Path(__file__).with_name("harness.cpp")
TOP = "sim_top"
"""Module name of the component's Verilog."""
PREFIX = "Vsim"
VERILATOR_FLAGS = (
    "--cc -O3 --x-assign fast --x-initial fast --noassert -Wno-fatal -Wno-lint -Wno-style --quiet"
).split()
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
CXX_FLAGS = (
    "-std=c++20 -fPIC -pthread -w -DVERILATOR=1 -DVM_COVERAGE=0 -DVM_SC=0 -DVM_TIMING=0 -DVM_TRACE=0 "
    "-DVL_IGNORE_UNKNOWN_ARCH"
).split()
TRACE_HARNESS = Path(__file__).with_name("trace_harness.cpp")
TRACE_FLAGS = ("--trace-vcd", "--trace-max-width", "512")
TRACE_CONTROL = '`verilator_config\ntracing_off -scope "*.lane_*" -levels 0\n'
"""The lanes of the array are left out of waveforms: they are most of the design; their sums are at its
ports."""
TRACE_RUNTIME = ("verilated_vcd_c.cpp",)
TRACE_CXX_FLAGS = ("-UVM_TRACE", "-DVM_TRACE=1", "-DVM_TRACE_VCD=1")
FAST, SLOW = "-O2", "-O1"
"""Verilator marks code that runs once as slow; optimising it only costs build time."""


def compile_verilog(
    verilog: str,
    library: Path,
    *,
    work: Path,
    compiler: list[str],
    harness: Path = HARNESS,
    trace: bool = False,
) -> None:
    """Write ``library``, a shared library with the harness's C functions around module ``sim_top``.

    Parameters
    ----------
    verilog:
        Source text of the design.
    library:
        File to write.
    work:
        Existing folder for intermediate files.
    compiler:
        C++ compiler command.
    harness:
        The C++ around the model.
    trace:
        Whether the model can write waveforms; slower.

    Raises
    ------
    SimulationBuildError
        When a tool fails.
    """
    root = verilator_root()
    (work / "sim_top.v").write_text(verilog)
    (work / "trace.vlt").write_text(TRACE_CONTROL)
    control = ("trace.vlt",) if trace else ()
    run(
        [
            str(root / "bin" / "verilator_bin"),
            *VERILATOR_FLAGS,
            *(TRACE_FLAGS if trace else ()),
            *("--prefix", PREFIX, "--top-module", TOP, "--Mdir", "cpp", *control, "sim_top.v"),
        ],
        cwd=work,
        env={"VERILATOR_ROOT": str(root)},
    )
    include = root / "include"
    runtime = (*RUNTIME, *(TRACE_RUNTIME if trace else ()))
    sources = [*sorted((work / "cpp").glob("*.cpp")), *(include / name for name in runtime), harness]
    flags = [
        *CXX_FLAGS,
        *(TRACE_CXX_FLAGS if trace else ()),
        f"-I{HARNESS.parent}",
        f"-I{work / 'cpp'}",
        f"-I{include}",
        f"-I{include / 'vltstd'}",
    ]

    def build(source: Path) -> str:
        target = work / f"{source.stem}.o"
        level = SLOW if "Slow" in source.stem else FAST
        run([*compiler, level, *flags, "-c", str(source), "-o", str(target)])
        return str(target)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(build, sources))
    run([*compiler, "-shared", "-pthread", *objects, "-o", str(library)])
