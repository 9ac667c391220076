"""What an array that skips zeros would do, against the golden model on every core of this machine.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/skip.py --digits digits.npz --mnist mnist.npz
        [--json]

For each board with a committed report: clock cycles an image takes on the first real test images, simulated
on the board's own geometry (outputs must equal the golden model's), at the clock its PLL makes (nextpnr's
Fmax where that is not met). No board was measured, and no link is counted: boards whose inferences overlap
are simulated behind an endless stream of DMA, which loads eight codes a cycle; others take a code a cycle, so
an image takes at least as many cycles as it has inputs, however many are skipped. The golden model runs in
the same run, one process a core, one thread each. The networks come from
``ndrite train --data digits --hidden 48 --epochs 60 -o digits.npz`` and
``ndrite train --data mnist --epochs 60 --batch 64 -o mnist.npz``.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from boards.board import Board
from boards.fpga import find_target
from boards.fpga.reports import load
from boards.sim import SimLink
from boards.sim.pcie import SimCard
from emulator.backend.lay_out import check_fits
from emulator.backend.schedule import bound_cycles
from emulator.device.description import load_chip
from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import load_network
from emulator.network.datasets import digits, fashion_mnist_test, mnist
from emulator.spec import Geometry, Program
from emulator.spec.errors import GeometryError
from host.links.pcie import PcieChannel
from ndrite.networks import shipped_network

TARGETS = ("ulx3s-85f", "ulx3s-85f-128", "ulx3s-25f")
GOLDEN_SECONDS = 3.0
SAMPLES = 256


def work(digits_network: Path, mnist_network: Path) -> dict[str, tuple[Program, Any]]:
    """Name -> program and test images."""
    fashion, _ = fashion_mnist_test()
    _, _, small, _ = digits()
    _, _, large, _ = mnist()
    cases = {}
    for name, network, x in (
        ("fashion-mnist 784-128-10", shipped_network(), fashion),
        ("mnist 784-128-10", load_network(mnist_network), large),
        ("uci digits", load_network(digits_network), small),
    ):
        program = map_network(network, load_chip("wan2022"), x[:SAMPLES]).program
        cases[name] = program, np.ascontiguousarray(x[SAMPLES:])
    return cases


def cycles(geometry: Geometry, program: Program, x: Any) -> float:
    """Simulated clock cycles an image, streaming."""
    overlap = geometry.overlap
    with Board.over(PcieChannel(SimCard(geometry))) if overlap else Board(SimLink(geometry)) as board:
        board.program(program)
        board.clear_counters()
        y = board.infer(x, seed=1, noise=geometry.noise)
        spent = board.counters()["inference_cycles"]
    if (y != Core(program).infer(x, seed=1, noise=geometry.noise)).any():
        sys.exit(f"outputs of the simulated {geometry.name} differ from the golden model's")
    return spent / len(x)


def _golden(program: Program, x: Any, ready: Any, go: Any, out: Any) -> None:
    core = Core(program, fast=True)
    core.infer(x[:256], seed=1)
    ready.release()
    go.wait()
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < GOLDEN_SECONDS:
        core.infer(x, seed=1)
        done += len(x)
    out.put(done / spent)


def golden(program: Program, x: Any, cores: int) -> float:
    """Images a second of ``cores`` processes together, read noise on."""
    context = multiprocessing.get_context("spawn")
    ready, go, out = context.Semaphore(0), context.Event(), context.Queue()
    workers = [context.Process(target=_golden, args=(program, x, ready, go, out)) for _ in range(cores)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    go.set()
    rates = [out.get() for _ in workers]
    for worker in workers:
        worker.join()
    return float(sum(rates))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--digits", type=Path, required=True, metavar="NETWORK")
    parser.add_argument("--mnist", type=Path, required=True, metavar="NETWORK")
    parser.add_argument("--images", type=int, default=300, help="images of each simulated run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit("set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 before Python starts")
    cores = len(os.sched_getaffinity(0))
    cases = work(options.digits, options.mnist)
    # All of the measuring before the simulating: the machine has to be quiet for this minute only.
    software = {case: golden(program, x[:2000], cores) for case, (program, x) in cases.items()}
    print("golden model measured; the simulations that follow are not timed", file=sys.stderr)
    rows = []
    for case, (program, x) in cases.items():
        for name in TARGETS:
            board, report = find_target(name), load(name)
            g = board.geometry
            if report is None:
                continue
            try:
                check_fits(program, g)
            except GeometryError as error:
                print(f"{case} on {name}: left out: {error}", file=sys.stderr)
                continue
            spent = cycles(g, program, x[: options.images])
            loading = -(-program.inputs // g.load_codes)
            clock_mhz = board.clock_mhz if report["timing_met"] else report["fmax_mhz"]
            rate = 1e6 * clock_mhz / max(spent, loading)
            rows.append(
                {
                    "case": case,
                    "board": name,
                    "cycles": spent,
                    "load_cycles": loading,
                    "bound_nothing_skipped": bound_cycles(program, g.lanes, g.lane_rows),
                    "clock_mhz": clock_mhz,
                    "estimated_samples_per_s": rate,
                    "golden_samples_per_s": software[case],
                    "cores": cores,
                    "ratio": rate / software[case],
                }
            )
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| network | board | cycles: nothing skipped | simulated | loading | images/s, estimated | ratio |")
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        clocks = f"{r['bound_nothing_skipped']:,} | {r['cycles']:,.0f} | {r['load_cycles']:,}"
        rates = f"{r['estimated_samples_per_s']:,.0f} at {r['clock_mhz']:g} MHz | {r['ratio']:.2f}"
        print(f"| {r['case']} | `{r['board']}` | {clocks} | {rates} |")
    for case, measured in software.items():
        print(f"golden model, {cores} cores, measured: {case}: {measured:,.0f} images/s")


if __name__ == "__main__":
    main()
