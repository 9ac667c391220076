"""Verilog to shared library: Verilator, then the C++ compiler directly; no make, no perl."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ndrite.boards.cache import is_whole, seal
from ndrite.boards.sim.toolchain import run, verilator_root

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
FAST, SLOW = "-O1", "-O0"
"""-O2 takes half as long again to build and gains nothing. Verilator marks code that runs once as slow."""
RARE = "rare.cpp"
"""All of the slow code in one source: what costs there is reading the same headers for each."""


def compile_verilog(
    verilog: str,
    library: Path,
    *,
    work: Path,
    compiler: list[str],
    kept: Path,
    harness: Path = HARNESS,
) -> None:
    """Write ``library``, a shared library with the harness's C functions around module ``sim_top``.

    Raises SimulationBuildError when a tool fails.

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
    kept:
        Folder for the objects of Verilator's own C++, the same for every design with these tools and flags;
        made when absent. Objects come into it whole, and are made again when they no longer are.
    harness:
        The C++ around the model.
    """
    root = verilator_root()
    (work / "sim_top.v").write_text(verilog)
    run(
        [
            str(root / "bin" / "verilator_bin"),
            *VERILATOR_FLAGS,
            *("--prefix", PREFIX, "--top-module", TOP, "--Mdir", "cpp", "sim_top.v"),
        ],
        cwd=work,
        env={"VERILATOR_ROOT": str(root)},
    )
    include = root / "include"
    slow = sorted((work / "cpp").glob("*Slow.cpp"))
    (work / RARE).write_text("".join(f'#include "{source.name}"\n' for source in slow))
    fast = [source for source in sorted((work / "cpp").glob("*.cpp")) if source not in slow]
    runtime = [include / name for name in RUNTIME]
    flags = [
        *CXX_FLAGS,
        f"-I{HARNESS.parent}",
        f"-I{work / 'cpp'}",
        f"-I{include}",
        f"-I{include / 'vltstd'}",
    ]

    def build(source: Path) -> str:
        target = (kept if source in runtime else work) / f"{source.stem}.o"
        if not is_whole(target):
            partial = work / f"{source.stem}.partial.o"
            level = SLOW if source.name == RARE else FAST
            run([*compiler, level, *flags, "-c", str(source), "-o", str(partial)])
            seal(partial, target)
        return str(target)

    kept.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(build, [*fast, work / RARE, *runtime, harness]))
    run([*compiler, "-shared", "-pthread", *objects, "-o", str(library)])
