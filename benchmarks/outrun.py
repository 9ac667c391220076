"""Samples a second end to end: a board behind Ethernet against one CPU core,
network by network.

    OMP_NUM_THREADS=1 python benchmarks/outrun.py [--board ecpix5-85f-maps-udp] [--network LeNet-5] [--json]

*Board*, simulated: the whole device behind UDP, compiled; clocks from the first
datagram to the last answer, at the board's clock; the first line says what is known of
that from place and route. Every sum is compared with the golden model's, read noise on.
UDP is simulated where datagrams leave the frames, so the line has a column of its own:
bytes counted as sent, frames around them, of a gigabit a second. The slower of the two
is the board's end to end; *limit* names it. *Core*, measured: the golden model's
compiled loops, one thread, at its best of several batch sizes and of two layouts, the
board's and one without copies of kernels. The networks are those of
``benchmarks/walks.py``, and the package's LSTM, on random inputs.

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
from typing import Any

import numpy as np
from link import Counted
from walks import NETWORKS, drawn

from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.fpga.performance import GIGABIT_BYTES
from ndrite.boards.fpga.reports import load
from ndrite.boards.sim.pcie import SimCard
from ndrite.boards.sim.udp import SimDatagrams, UdpModel
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.golden.fast import FastCore
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import load_network, zoo
from ndrite.emulator.spec import Program
from ndrite.host.links.pcie import PcieChannel
from ndrite.host.links.udp import UdpLink

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
    return figures(program, target.clock_mhz, x, y, cycles, GIGABIT_BYTES * len(x) / sent)


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
    return figures(program, target.clock_mhz, x, y, cycles, None)


def figures(
    program: Program, clock_mhz: float, x: Any, y: Any, cycles: int, line_per_s: float | None
) -> dict[str, Any]:
    """Return the figures of a board from a run of samples; ``line_per_s`` is the number
    of samples per second that its line carries (None: no line)."""
    compute = 1e6 * clock_mhz * len(x) / cycles
    line_limits = line_per_s is not None and line_per_s <= compute
    return {
        "samples": len(x),
        "mismatches": int((y != FastCore(program).infer(x, seed=1)).any(axis=1).sum()),
        "cycles": cycles / len(x),
        "clock_mhz": clock_mhz,
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


def _row(r: dict[str, Any]) -> str:
    rates = (r[k] for k in ("cycles", "compute_per_s", "line_per_s", "board_per_s"))
    cells = [r["network"], *("-" if rate is None else f"{rate:,.0f}" for rate in rates), r["limit"]]
    cells += [f"{r['core_per_s']:,.0f}", r["core_layout"], r["core_batch"], f"{r['ratio']:.2f}"]
    return "| " + " | ".join(map(str, cells)) + f" | {r['mismatches']} of {r['samples']} |"


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
    options = parser.parse_args()
    target, report = find_target(options.board), load(options.board)
    placed = "no committed report" if report is None else f"{report['fmax_mhz']:g} MHz estimated"
    if not options.json:
        print(f"{options.board}, simulated, at {target.clock_mhz:g} MHz ({placed}); one core, measured\n")
        print(
            "| network | cycles | array /s | line /s | board /s | limit | core /s | layout | batch | ratio "
            "| differ |"
        )
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
                print(_row(rows[-1]), flush=True)
    if options.json:
        print(json.dumps({"board": options.board, "placed": placed, "rows": rows}, indent=1))
    return 1 if any(r["mismatches"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
