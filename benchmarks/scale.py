"""What a campaign costs on a board and on this machine: cycles from the RTL, rates from them.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/scale.py [--board ulx3s-85f] [--json]

Runs campaigns of the shipped 784-128-10 network on the board's own geometry, compiled
for this machine, and reads the cycle counters (simulated). An image's cycles are the
mean over the first 1,000 test images, those of the table: zeros are skipped, so images
differ. A board's time is then estimated at the clock its PLL makes (nextpnr's Fmax
where that is not met), with the bytes that cross its link; the golden model is measured
in the same run, one thread.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.fpga.performance import BITS_PER_BYTE, frame_bytes
from ndrite.boards.fpga.reports import load
from ndrite.boards.sim import SimLink
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.mapping.weights import variation_of
from ndrite.emulator.spec.memory_map import CAMPAIGN_CHIPS
from ndrite.emulator.spec.variation import Campaign
from ndrite.host.campaign import samples_at_once
from ndrite.networks import shipped_program
from ndrite.samples import judging_set

CASES = (
    (1, 1, 1),
    (10, 1, 1),
    (100, 100, 1),
    (100, 1000, 1),
    (1000, 1000, 1),
    (1000, 1000, 10),
    (10000, 1000, 1),
)
"""Chips, images, trials of the table."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cycles of one command (clearing the votes, restoring the nominal chip), of
    drawing one chip, and of one image."""

    command: float
    redraw: float
    program: float


def simulated(geometry: Any, program: Any, x: Any, labels: Any) -> Cost:
    """Measure the cycles of campaigns with one chip and with two over the same images;
    the votes must equal the golden model's.

    What the second chip adds is one drawing a batch and all the images, whatever the batches.
    """
    batches = -(-len(x) // samples_at_once(geometry, program.inputs, program.outputs))
    busy, drawing = {}, {}
    with Board(SimLink(geometry)) as board:
        board.program(program)
        for chips in (1, 2):
            board.clear_counters()
            result = board.campaign(x, labels, Campaign(chips=chips, seed=5))
            want = campaign(program, x, labels, Campaign(chips=chips, seed=5))
            if (result.votes != want.votes).any() or (result.correct != want.correct).any():
                sys.exit("votes of the simulated board differ from the golden model's")
            busy[chips] = board.read_register("campaign_cycles")
            drawing[chips] = board.read_register("redraw_cycles")
    redraw = (drawing[2] - drawing[1]) / batches
    added = busy[2] - busy[1]
    return Cost(
        command=(busy[1] - added) / batches, redraw=redraw, program=(added - batches * redraw) / len(x)
    )


def board_seconds(
    cost: Cost, clock_hz: float, baud: float, program: Any, batch: int, case: tuple[int, int, int]
) -> dict[str, float]:
    """Estimate the seconds of one campaign on a board: those of computing, those of the
    link, and the share of computing."""
    chips, images, trials = case
    batches = -(-images // batch)
    rounds = batches * -(-chips // CAMPAIGN_CHIPS)
    cycles = rounds * cost.command + chips * (cost.redraw * batches + images * trials * cost.program)
    packet = 1024
    upload = images * (program.inputs + 4) / packet * frame_bytes(packet)
    votes = rounds * min(images, batch) * program.outputs * 4 / packet * frame_bytes(packet)
    counts = batches * chips * 4 / packet * frame_bytes(packet)
    link = (upload + votes + counts) * BITS_PER_BYTE / baud
    compute = cycles / clock_hz
    return {
        "compute_s": compute,
        "link_s": link,
        "compute_share": compute / (compute + link),
        "images_x_chips_per_s": chips * images * trials / (compute + link),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", default="ulx3s-85f", help="a board with a committed report")
    parser.add_argument(
        "--images",
        type=int,
        default=1000,
        help="images of the simulated campaigns, the first of the test set",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit("set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 before Python starts")
    board, report = find_target(options.board), load(options.board)
    if report is None:
        sys.exit(f"no report of {options.board} is committed")
    g = board.geometry
    program = dataclasses.replace(shipped_program(), variation=variation_of(load_chip("wan2022")))
    x, labels = judging_set("fashion-mnist")
    cost = simulated(g, program, x[: options.images], labels[: options.images])
    clock_hz = 1e6 * (board.clock_mhz if report["timing_met"] else report["fmax_mhz"])
    cells = sum(layer.weights.size for layer in program.layers)
    campaign(program, x[:1000], labels[:1000], Campaign(chips=1))
    start = time.perf_counter()
    campaign(program, x[:1000], labels[:1000], Campaign(chips=50, seed=1))
    golden = 50_000 / (time.perf_counter() - start)
    batch = samples_at_once(g, program.inputs, program.outputs)
    rows = [
        {
            "chips": case[0],
            "images": case[1],
            "trials": case[2],
            "golden_s": case[0] * case[1] * case[2] / golden,
        }
        | board_seconds(cost, clock_hz, board.baud, program, batch, case)
        for case in CASES
    ]
    result: dict[str, Any] = {
        "board": board.name,
        "clock_mhz": clock_hz / 1e6,
        "baud": board.baud,
        "lanes": g.lanes,
        "cells": cells,
        "cells_at_once": g.redraw,
        "redraw_cycles": cost.redraw,
        "redraw_cycles_per_cell_pair": cost.redraw * g.redraw / cells,
        "command_cycles": cost.command,
        "image_cycles": cost.program,
        "images_simulated": options.images,
        "bound_cycles": bound_cycles(program, g.lanes, g.lane_rows),
        "samples_at_once": batch,
        "golden_images_x_chips_per_s": golden,
        "cases": rows,
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.items():
        if name != "cases":
            print(f"{name:30s} {value if isinstance(value, str) else f'{value:,.6g}'}")
    print("chips images trials | board: compute s, link s, computing, images x chips/s | golden, one core: s")
    for row in rows:
        case = f"{row['chips']:5d} {row['images']:6d} {row['trials']:5d}"
        spent = f"{row['compute_s']:12.4g} {row['link_s']:8.4g} {row['compute_share']:6.1%}"
        print(f"{case} | {spent} {row['images_x_chips_per_s']:12,.0f} | {row['golden_s']:10.4g}")


if __name__ == "__main__":
    main()
