"""Cycles of whole networks on a board's own gateware, simulated, against the schedule's bound.

    python benchmarks/walks.py [--board ulx3s-85f-128] [--network LeNet-5] [--samples 20] [--uart] [--json]
    python benchmarks/walks.py --estimate --network kan.npz --network mlp.npz

LeNet-5 is the package's, on real digits. The others have the shapes of MLPerf Tiny's ResNet-8 and DS-CNN,
random weights and random inputs: what they compute means nothing, but all sums of every sample are compared
with the golden model's, read noise on. The bound is positions * K * J * ceil(M / lanes) over the products;
skipping rows that are zero can beat it. With ``--uart`` samples go through the simulated UART pins at the
board's own bit rate: what of a sample travels, and how many a second that gives at the board's clock; the
weights come by the byte stream behind the pins. Compiling the simulated board takes minutes, once. With
``--estimate`` nothing is simulated: it prints the bound of the network, and of what the board walks, where
tables are products too; a network may be a file there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from boards.fpga import find_target
from boards.sim import SimLink
from emulator.mapping import map_network
from emulator.network import Dense, Meaning, Named, Network, Node, Patches, Pool, Product, load_network, zoo
from emulator.network.datasets import digits, enlarged
from emulator.spec.patches import Shape
from emulator.spec.schedule import bound_cycles
from emulator.spec.walk import walked_cycles
from host import Board
from ndrite.evaluations import evaluate

SEED = 0


class Builder:
    """Random convolutions one behind the other."""

    def __init__(self, shape: Shape) -> None:
        self.rng, self.nodes, self.shapes = np.random.default_rng(SEED), [], [shape]  # type: ignore[var-annotated]

    def convolve(
        self,
        source: int,
        outputs: int,
        kernel: tuple[int, int],
        *,
        stride: int = 1,
        groups: int = 1,
        skip: int | None = None,
    ) -> int:
        """A convolution with ReLU, padded as far as its kernel reaches; gives its map's number."""
        shape, (kh, kw) = self.shapes[source], kernel
        padding = (kh - 1) // 2, (kw - 1) // 2, kh // 2, kw // 2
        patches = Patches(shape=shape, kernel=kernel, stride=(stride, stride), padding=padding, groups=groups)
        weights = self.rng.normal(size=(patches.inputs, outputs)) / np.sqrt(patches.inputs)
        dense = Dense(weights.astype(np.float32), np.full(outputs, 0.05, np.float32), Named("relu"))
        weight = None if skip is None else np.full(outputs, 0.5)
        self.nodes.append(Product(dense, (source,), patches, 0.0, skip, weight))
        self.shapes.append((outputs, *patches.grid))
        return len(self.nodes)

    def classes(self, count: int) -> Network:
        """The mean of every channel, then sums."""
        shape = self.shapes[-1]
        self.nodes.append(Pool("average", (len(self.nodes),), Patches.whole(shape)))
        weights = self.rng.normal(size=(shape[0], count)).astype(np.float32)
        dense = Dense(weights, np.zeros(count, np.float32))
        self.nodes.append(Product(dense, (len(self.nodes),), Patches.whole((shape[0], 1, 1))))
        nodes: tuple[Node, ...] = tuple(self.nodes)
        return Network(nodes, self.shapes[0], "shapes", meaning=Meaning())


def resnet8() -> Network:
    """3 x 32 x 32; stages of 16, 32, 64 channels, a block of two convolutions each."""
    made = Builder((3, 32, 32))
    last = made.convolve(0, 16, (3, 3))
    for channels in (16, 32, 64):
        stride = 1 if channels == 16 else 2
        wide = made.convolve(last, channels, (3, 3), stride=stride)
        skip = last if stride == 1 else made.convolve(last, channels, (1, 1), stride=2)
        last = made.convolve(wide, channels, (3, 3), skip=skip)
    return made.classes(10)


def ds_cnn() -> Network:
    """1 x 49 x 10; 64 channels, four depthwise convolutions with a pointwise one behind each."""
    made = Builder((1, 49, 10))
    last = made.convolve(0, 64, (10, 4), stride=2)
    for _ in range(4):
        deep = made.convolve(last, 64, (3, 3), groups=64)
        last = made.convolve(deep, 64, (1, 1))
    return made.classes(12)


def lenet5() -> Network:
    """The package's."""
    return load_network(zoo.lenet5())


NETWORKS: dict[str, Callable[[], Network]] = {"LeNet-5": lenet5, "ResNet-8": resnet8, "DS-CNN": ds_cnn}


def measure(name: str, board: str, samples: int, uart: bool) -> dict[str, Any]:
    """One network's figures."""
    network, target = NETWORKS[name](), find_target(board)
    geometry = target.geometry
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 256, (64 + samples, network.inputs)).astype(np.uint8)
    labels = rng.integers(0, network.outputs, 64 + samples)
    if name == "LeNet-5":
        known, _, test, classes = digits()
        x = np.concatenate([enlarged(known)[:64], enlarged(test)[:samples]])
        labels[64:] = classes[:samples]
    fit = {"lanes": geometry.lanes, "depth": geometry.weight_depth}
    program = map_network(network, "wan2022", x[:64], **fit).program
    link = SimLink(geometry, pins=uart, divisor=target.divisor) if uart else SimLink(geometry)
    with Board(link, timeout_s=60) as device:
        if uart:
            link.model.go(pins=False)
        device.program(program)
        if uart:
            link.model.go(pins=True)
        begin, cycles = time.monotonic(), link.model.cycles
        before = dataclasses.replace(device.session.statistics)
        result = evaluate(device, program, x[64:], labels[64:])
        after, cycles = device.session.statistics, link.model.cycles - cycles
        counters = device.counters()
    line = {
        "baud": target.baud,
        "bytes_sent_per_inference": (after.bytes_sent - before.bytes_sent) / samples,
        "bytes_received_per_inference": (after.bytes_received - before.bytes_received) / samples,
        "line_cycles_per_inference": cycles / samples,
        "samples_per_s": target.clock_mhz * 1e6 * samples / cycles,
    }
    return {
        "network": name,
        "board": board,
        "samples": samples,
        "mismatches": result.mismatches,
        "cycles_per_inference": result.cycles_per_inference,
        "bound_cycles": bound_cycles(program, geometry.lanes, geometry.slices),
        "efficiency": result.efficiency,
        "rows_per_inference": counters["busy_cycles"] / samples,
        "blocks": [list(product.block) for product in program.products],
        "seconds": round(time.monotonic() - begin, 1),
    } | ({"uart": line} if uart else {})


def estimate(name: str, board: str) -> str:
    """Bounds of one network, and the samples a second that the board's clock has cycles for."""
    network = NETWORKS[name]() if name in NETWORKS else load_network(name)
    target = find_target(board)
    geometry = target.geometry
    x = np.random.default_rng(SEED).integers(0, 256, (64, network.inputs)).astype(np.uint8)
    program = map_network(network, "wan2022", x, lanes=geometry.lanes, depth=geometry.weight_depth).program
    walked, bound = walked_cycles(program, geometry), bound_cycles(program, geometry.lanes, geometry.slices)
    return (
        f"{name:<9} {board}, estimated: bound {bound:,} cycles, "
        f"of what is walked {walked:,}: at most {target.clock_mhz * 1e6 / walked:,.0f} samples/s at "
        f"{target.clock_mhz:g} MHz"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", default="ulx3s-85f-128")
    parser.add_argument("--network", action="append", help=f"one or more of {', '.join(NETWORKS)}")
    parser.add_argument("--estimate", action="store_true", help="bounds only; networks may be files too")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--uart", action="store_true", help="through the pins at the board's bit rate")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = options.network or list(NETWORKS)
    if options.estimate:
        for name in chosen:
            print(estimate(name, options.board))
        return 0
    if unknown := set(chosen) - set(NETWORKS):
        parser.error(f"--network is {', '.join(sorted(unknown))}; accepted: {', '.join(NETWORKS)}")
    results = [measure(name, options.board, options.samples, options.uart) for name in chosen]
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        for r in results:
            print(
                f"{r['network']:<9} {r['board']}, simulated: {r['cycles_per_inference']:,.1f} cycles, bound "
                f"{r['bound_cycles']:,}: {100 * r['efficiency']:.1f} %; {r['rows_per_inference']:,.0f} rows; "
                f"{r['mismatches']} of {r['samples']} samples differ from golden"
            )
            if "uart" in r:
                line = r["uart"]
                print(
                    f"{'':<9} UART at {line['baud'] / 1e6:g} Mbaud, simulated at its pins: "
                    f"{line['bytes_sent_per_inference']:,.0f} bytes in, "
                    f"{line['bytes_received_per_inference']:,.0f} out a sample, "
                    f"{line['line_cycles_per_inference']:,.0f} clocks, {line['samples_per_s']:,.0f} samples/s"
                )
    return 1 if any(r["mismatches"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
