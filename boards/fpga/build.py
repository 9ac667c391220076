"""Build of a board's bitstream: RTLIL, Yosys, nextpnr with several seeds, packer,
report; stored as a whole or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ndrite.boards.fpga import card, route, synthesis, timing, tools
from ndrite.boards.fpga.constraints import SUFFIX, clock_net, constraints
from ndrite.boards.fpga.pcie_target import Buildable
from ndrite.boards.fpga.performance import performance
from ndrite.boards.fpga.reports import board_netlist, of_board
from ndrite.boards.fpga.search import ONE_SEED, Tries, search
from ndrite.boards.fpga.target import Target
from ndrite.boards.fpga.tools import BuildError, TimingError
from ndrite.boards.netlist import build_id, rtlil
from ndrite.emulator.spec import Program

STAGES = ("rtl", "synthesis", "place and route", "bitstream")
Announce = Callable[[str], None]


def build(
    board: Buildable,
    folder: Path,
    *,
    program: Program,
    tries: Tries = ONE_SEED,
    announce: Announce = lambda _: None,
    progress: Announce = lambda _: None,
) -> dict[str, Any]:
    """Build ``board`` into ``folder``, which is replaced as a whole, and return the
    report of the build.

    Raises BuildError when a tool is missing or fails; ``folder`` is then unchanged, and
    the logs are in FOLDER.failed. Raises TimingError when no seed reaches the board's
    clock; ``folder`` then has the report and logs, but no bitstream.

    Parameters
    ----------
    program:
        Network whose rates the report estimates.
    tries:
        Placement seeds to try; the fastest is kept.
    announce:
        Called with one line as each stage ends.
    progress:
        Called about once a second while a tool works, with a few words about where it is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    work.chmod(0o755)
    try:
        if board.family == "xc7":
            report = card.stages(board, work, program, tries.seeds, announce, progress)
        else:
            report = _stages(board, work, program, tries, announce, progress)
        (work / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        _replace(folder, work)
    except BuildError as error:
        failed = folder.with_name(f"{folder.name}.failed")
        _replace(failed, work)
        raise BuildError(f"{board.name}: {error}; logs in {failed}") from None
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if report.get("timing_met") is False:
        raise TimingError(
            f"{board.name}: {report['fmax_mhz']:.1f} MHz of {board.clock_mhz:g} MHz wanted (best of "
            f"{tries.count} seeds, nextpnr's estimate); no bitstream kept, report and logs in {folder}"
        )
    return report


def _stages(
    board: Target,
    work: Path,
    program: Program,
    tries: Tries,
    announce: Announce,
    progress: Announce,
) -> dict[str, Any]:
    wall, ended = tools.stopwatch(announce)

    def found(seed: int, result: timing.Timing) -> None:
        announce(f"seed {seed}: {result.fmax_mhz:.1f} of {board.clock_mhz:g} MHz")

    yosys, packer = tools.find("yosys"), tools.find(route.PACKER[board.family])
    placer = tools.find(route.PLACER[board.family])
    progress(STAGES[0])
    identity = build_id(board_netlist(board))
    (work / "top.il").write_text(rtlil(synthesis.board_top(board, identity), board))
    shutil.copy(synthesis.SOFT, work)
    (work / "synth.ys").write_text(synthesis.script(board))
    ended(STAGES[0])
    progress(STAGES[1])
    tools.run(yosys, ["-q", "-s", "synth.ys"], cwd=work, log=work / "yosys.log")
    clock = clock_net(work / "top.json") if board.family == "ecp5" else ""
    (work / f"top.{SUFFIX[board.family]}").write_text(constraints(board, clock))
    ended(STAGES[1])
    results = search(placer, board, work, tries, found=found, progress=progress)
    ended(STAGES[2])
    seed, result = max(results.items(), key=lambda item: item[1].fmax_mhz)
    if result.met:
        progress(STAGES[3])
        tools.run(packer, route.pack_arguments(board, seed), cwd=work, log=work / "pack.log")
        ended(STAGES[3])
    _keep(board, work, seed)
    return _report(board, program, result, seed) | {
        "seeds": {str(tried): round(timed.fmax_mhz, 2) for tried, timed in results.items()},
        "wall_s": wall,
        "tools": [yosys.version, placer.version, packer.version],
    }


def _report(board: Target, program: Program, result: timing.Timing, seed: int) -> dict[str, Any]:
    used: dict[str, int] = {name: count for name, (count, _) in result.used.items()}
    available = {f"{name}_available": count for name, (_, count) in result.used.items()}
    return {
        **of_board(board),
        "fmax_mhz": round(result.fmax_mhz, 2),
        "fmax_is": _fmax_words(board),
        "timing_met": result.met,
        "clocks": {name: {"achieved": a, "constraint": w} for name, (a, w) in result.clocks.items()},
        **used,
        **available,
        "link": "uart" if board.ethernet is None else "udp",
        "baud": board.baud if board.ethernet is None else None,
        # For a board that misses its timing, rates are computed at the clock
        # frequency that it reaches.
        **performance(board, program, board.clock_mhz if result.met else result.fmax_mhz),
        "seed": seed,
        "critical_paths": list(result.paths),
    }


def _fmax_words(board: Target) -> str:
    if board.family == "gowin":
        return "nextpnr's figure without the DSP arcs, which it does not time: not a speed"
    return "nextpnr's estimate, worst of the reported clocks; not measured on a board"


def _keep(board: Target, work: Path, seed: int) -> None:
    """Delete the large intermediate files of a build in ``work``, and name the
    remaining files after the board."""
    for path in work.iterdir():
        if path.name in (f"top.{route.BITSTREAM[board.family]}", f"top.{SUFFIX[board.family]}"):
            path.rename(path.with_stem(board.name))
        elif path.suffix not in (".log", ".ys") and path.name not in ("stat.json", f"report-{seed}.json"):
            path.unlink()


def _replace(folder: Path, work: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    work.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
