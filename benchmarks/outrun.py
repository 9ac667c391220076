"""Samples a second end to end: a board behind Ethernet against one CPU core,
network by network.

    OMP_NUM_THREADS=1 python benchmarks/outrun.py [--board ecpix5-85f-maps-udp] [--network LeNet-5] [--json]
    python benchmarks/outrun.py --draw docs/results/outrun-before.json docs/results/outrun.json

``--json`` prints what ``make pages`` fills into ``docs/hardware.md``.

*Board*, simulated: the whole device behind UDP, compiled; clocks from the first
datagram to the last answer, at the board's clock; the first line says what is known of
that from place and route. Every sum is compared with the golden model's, read noise on.
UDP is simulated where datagrams leave the frames, so the line has a column of its own:
bytes counted as sent, frames around them, of a gigabit a second. The slower of the two
is the board's end to end; *limit* names it. *Core*, measured: the golden model's
compiled loops, one thread, at its best of several batch sizes and of two layouts, the
board's and one without copies of kernels. The networks are those of
``benchmarks/walks.py``, and the package's LSTM, on random inputs.

``--draw`` draws two runs of ``--json``: the cycles of a sample, how many there were if
every lane multiplied in every cycle, and samples a second.

A sample of the MLP comes out of its packet a byte a cycle, while the array waits. *MLP,
array alone* is the same array behind a PCIe card's DMA, eight codes a cycle and without
feature maps: no board has that link.
"""

import argparse
import dataclasses
import itertools
import json
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from link import Counted
from walks import NETWORKS, drawn

from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.fpga.performance import GIGABIT_BYTES
from ndrite.boards.fpga.reports import load
from ndrite.boards.fpga.target import Target
from ndrite.boards.sim.pcie import SimCard
from ndrite.boards.sim.udp import SimDatagrams, UdpModel
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.golden.fast import FastCore
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import load_network, zoo
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.arithmetic import slices
from ndrite.host.links.pcie import PcieChannel
from ndrite.host.links.udp import UdpLink
from ndrite.pages import drawing

BATCHES = (1, 64, 448, 2000)
"""Sizes that the core is tried at."""
CHIP = "wan2022"
COMPARED = NETWORKS | {"LSTM": lambda: load_network(zoo.lstm())}


def on_board(program: Program, board: str, x: Any) -> dict[str, Any]:
    """Simulate samples on a board behind Ethernet; return the figures of the board."""
    target = find_target(board)
    model = UdpModel(target.geometry)
    counted = Counted(SimDatagrams(model))
    with Board(UdpLink(counted), timeout_s=60) as device:
        device.program(program)
        cycles, sent = model.cycles, counted.line_bytes
        y = device.infer(x, seed=1)
        cycles, sent = model.cycles - cycles, counted.line_bytes - sent
    return figures(program, target, x, y, cycles, GIGABIT_BYTES * len(x) / sent)


def alone(program: Program, board: str, x: Any) -> dict[str, Any]:
    """Simulate samples on the board's array alone, for a chain: eight codes are loaded
    per cycle, and no line limits it. Return the figures."""
    target = find_target(board)
    geometry = dataclasses.replace(target.geometry, name=f"{board} behind DMA", map_codes=0)
    with Board.over(PcieChannel(SimCard(geometry))) as device:
        device.program(program)
        device.clear_counters()
        y = device.infer(x, seed=1)
        cycles = device.counters()["inference_cycles"]
    return figures(program, target, x, y, cycles, None)


def figures(
    program: Program, target: Target, x: Any, y: Any, cycles: int, line_per_s: float | None
) -> dict[str, Any]:
    """Return the figures of a board from a run of samples; ``line_per_s`` is the number
    of samples per second that its line carries (None: no line)."""
    compute = 1e6 * target.clock_mhz * len(x) / cycles
    line_limits = line_per_s is not None and line_per_s <= compute
    return {
        "samples": len(x),
        "mismatches": int((y != FastCore(program).infer(x, seed=1)).any(axis=1).sum()),
        "cycles": cycles / len(x),
        "busy_cycles": busy_cycles(program, target.geometry),
        "clock_mhz": target.clock_mhz,
        "compute_per_s": compute,
        "line_per_s": line_per_s,
        "board_per_s": line_per_s if line_limits else compute,
        "limit": "line" if line_limits else "array",
    }


def on_core(programs: dict[str, Program], x: Any, seconds: float) -> dict[str, Any]:
    """Return the best rate of one thread, with the layout and the batch
    size that reached it."""
    best, at = 0.0, ("", 0)
    for (layout, program), batch in itertools.product(programs.items(), BATCHES):
        core, codes = FastCore(program), np.resize(x, (batch, x.shape[1]))
        core.infer(codes[:1], seed=1, threads=1)
        until = time.perf_counter() + seconds / len(BATCHES) / len(programs)
        while True:
            begun = time.perf_counter()
            core.infer(codes, seed=1, threads=1)
            rate = batch / (time.perf_counter() - begun)
            best, at = max((best, at), (rate, (layout, batch)))
            if time.perf_counter() > until:
                break
    return {"core_per_s": best, "core_layout": at[0], "core_batch": at[1]}


def busy_cycles(program: Program, geometry: Geometry) -> float:
    """Return the cycles of a sample if every lane multiplied in every cycle, zeros too."""
    products = sum(
        p.patches.positions * p.layer.weights.size * slices(p.layer.dac_bits) for p in program.products
    )
    return program.calls * products / (geometry.lanes * geometry.lane_rows)


HEADER = (
    "network", "cycles", "array per s", "line per s", "board per s", "limit", "core per s", "layout",
    "batch", "ratio", "differ",
)  # fmt: skip


def _cells(r: dict[str, Any]) -> list[str]:
    """Return the cells of a row of the table, as ``HEADER`` names them."""
    rates = (r[k] for k in ("cycles", "compute_per_s", "line_per_s", "board_per_s"))
    cells = [r["network"], *("-" if rate is None else f"{rate:,.0f}" for rate in rates), r["limit"]]
    cells += [f"{r['core_per_s']:,.0f}", r["core_layout"], str(r["core_batch"]), f"{r['ratio']:.2f}"]
    return [*cells, f"{r['mismatches']} of {r['samples']}"]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def draw(before: Path, now: Path, path: Path) -> None:
    """Draw two runs (files of ``--json``): the cycles of a sample, how few they could be,
    and the samples a second of board and core."""
    runs = [{row["network"]: row for row in json.loads(file.read_text())["rows"]} for file in (before, now)]
    names = [name for name in COMPARED if all(name in run for run in runs)]
    figure = drawing.figure(8, 5.6)
    cycles, rates = figure.subplots(2, 1)
    places = np.arange(len(names))
    looks = zip(runs, ("before", "now"), (-0.2, 0.2), ("--", "-"), drawing.SERIES, strict=False)
    for run, label, side, style, colour in looks:
        total, board, core = (
            [run[name][field] for name in names] for field in ("cycles", "board_per_s", "core_per_s")
        )
        cycles.bar(places + side, total, 0.36, color=colour, alpha=0.45, label=label)
        rates.bar(places + side, board, 0.36, color=colour, alpha=0.45, label=f"board, {label}, simulated")
        rates.hlines(core, places - 0.42, places + 0.42, ls=style, color="black", label=f"core, {label}")
    busy = [runs[1][name]["busy_cycles"] for name in names]
    cycles.hlines(busy, places - 0.42, places + 0.42, color="black", label="every lane busy")
    cycles.set(ylabel="cycles a sample", yscale="log")
    rates.set(ylabel="samples a second", yscale="log")
    for axes in (cycles, rates):
        axes.set_xticks(places, names)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.22))
    drawing.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", default="ecpix5-85f-maps-udp")
    parser.add_argument("--network", action="append", choices=COMPARED, help="default: all")
    parser.add_argument(
        "--samples", type=int, default=20, help="simulated of each network; ten times of the MLP"
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="measured on the core, each network")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--draw", nargs=2, type=Path, metavar="FILE", help="two runs: before, now")
    parser.add_argument(
        "--figure", type=Path, default=Path("docs/images/outrun.svg"), help="where --draw draws"
    )
    options = parser.parse_args()
    if options.draw:
        draw(*options.draw, options.figure)
        return 0
    target, report = find_target(options.board), load(options.board)
    placed = "no committed report" if report is None else f"{report['fmax_mhz']:g} MHz estimated"
    if not options.json:
        print(f"{options.board}, simulated, at {target.clock_mhz:g} MHz ({placed}); one core, measured\n")
        print(_line(HEADER))
        print("|---|---:|---:|---:|---:|---|---:|---|---:|---:|---:|")
    rows = []
    for name in options.network or COMPARED:
        network = COMPARED[name]()
        fitting, x, _ = drawn(name, network, options.samples * (10 if name == "MLP" else 1), None)
        how = MapOptions(target=target.geometry)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompileWarning)  # random weights have no signal
            program = map_network(network, CHIP, fitting, options=how).program
            layouts = {"board's": program, "plain": map_network(network, CHIP, fitting).program}
        core = on_core(layouts, x, options.seconds)
        found = {name: on_board(program, options.board, x)}
        if name == "MLP":
            found["MLP, array alone"] = alone(program, options.board, x)
        for what, r in found.items():
            rows.append({"network": what, **r, **core, "ratio": r["board_per_s"] / core["core_per_s"]})
            if not options.json:
                print(_line(_cells(rows[-1])), flush=True)
    if options.json:
        table = {"header": HEADER, "rows": [_cells(r) for r in rows]}
        found = {"board": options.board, "placed": placed, "rows": rows, "tables": [table]}
        print(json.dumps(found, indent=1))
    return 1 if any(r["mismatches"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
