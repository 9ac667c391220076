"""Verilog to shared library: Verilator, then the C++ compiler directly; no make, no perl."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ndrite.boards.cache import is_whole, seal
from ndrite.boards.sim.toolchain import run, verilator_root

HARNESS = Path(__file__).with_name("harness.cpp")
TOP = "sim_top"
"""Name of the top module in the Verilog of the component."""
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
"""Compiler flags for fast and slow sources: -O2 takes half as long again and gains
nothing. Verilator marks code that runs only once as slow."""
RARE, SHORT = "rare.cpp", "short.cpp"
"""Names of joined sources: all slow sources in one, and all short sources in another.
This saves time, since each source reads the same headers."""
LONG_FROM = 1 << 18
"""Size in bytes from which a C++ source is compiled on its own."""


def compile_verilog(
    verilog: str,
    library: Path,
    *,
    work: Path,
    compiler: list[str],
    kept: Path,
    harness: Path = HARNESS,
) -> None:
    """Compile Verilog with top module ``sim_top`` to ``library``, a shared library with
    the C functions of the harness.

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
        Folder for the objects of Verilator's own C++, the same for every design with
        these tools and flags; made when absent. Objects come into it whole, and are
        made again when they no longer are.
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
    fast = [source for source in sorted((work / "cpp").glob("*.cpp")) if source not in slow]
    long = [source for source in fast if source.stat().st_size >= LONG_FROM]
    short = [*(source for source in fast if source not in long), harness.absolute()]
    for name, sources in ((RARE, slow), (SHORT, short)):
        (work / name).write_text("".join(f'#include "{source}"\n' for source in sources))
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
        objects = list(pool.map(build, [*long, work / RARE, work / SHORT, *runtime]))
    run([*compiler, "-shared", "-pthread", *objects, "-o", str(library)])
