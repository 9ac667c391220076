"""Cycles of whole networks on a board's own gateware, simulated, against the schedule's bound.

    python benchmarks/walks.py [--board ulx3s-85f-128] [--network LeNet-5] [--samples 20] [--uart] [--json]
    python benchmarks/walks.py --network kan.npz --network mlp.npz --data digits --samples 500
    python benchmarks/walks.py --network kan.npz --network mlp.npz --estimate

LeNet-5 is the package's, on real digits. The others have the shapes of MLPerf Tiny's
ResNet-8 and DS-CNN, random weights and random inputs: what they compute means nothing,
but all sums of every sample are compared with the golden model's, read noise on. Array
busy: cycles in which rows are added. MAC use: the network's products with an input
other than 0 over those that the lanes could do in the cycles. The MLP is the package's
own, on Fashion-MNIST. With ``--uart`` samples go through the simulated UART pins at the
board's own bit rate: what of a sample travels, and how many a second that gives at the
board's clock; the weights come by the byte stream behind the pins. Compiling the
simulated board takes minutes, once. With ``--estimate`` nothing is simulated: it prints
the bound of the network, and of what the board walks, where tables are products too. A
network may be a file of ``ndrite train``; ``--data`` names what it was trained on, and
its accuracy on the board stands beside its cycles.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.sim import SimLink
from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.backend.schedule import bound_cycles, products_cycles
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import (
    Dense,
    Meaning,
    Named,
    Network,
    Node,
    Patches,
    Pool,
    Product,
    load_network,
    zoo,
)
from ndrite.emulator.network.datasets import digits, enlarged, fashion_mnist_test
from ndrite.emulator.spec import Geometry, Program, steps
from ndrite.emulator.spec.flow import of_kind
from ndrite.emulator.spec.patches import Shape
from ndrite.evaluations import evaluate
from ndrite.networks import shipped_network
from ndrite.samples import data_set

Codes = npt.NDArray[np.uint8]

SEED = 0
FIT = 64
"""Samples that set a program's converter ranges."""


class Builder:
    """Builds a network of random convolutions, one after the other."""

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
        """Append a convolution with ReLU, padded so that stride 1 keeps the size;
        return the number of its map."""
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
        """Append the mean of every channel and a full layer of ``count`` sums;
        return the network."""
        shape = self.shapes[-1]
        self.nodes.append(Pool("average", (len(self.nodes),), Patches.whole(shape)))
        weights = self.rng.normal(size=(shape[0], count)).astype(np.float32)
        dense = Dense(weights, np.zeros(count, np.float32))
        self.nodes.append(Product(dense, (len(self.nodes),), Patches.whole((shape[0], 1, 1))))
        nodes: tuple[Node, ...] = tuple(self.nodes)
        return Network(nodes, self.shapes[0], "shapes", meaning=Meaning())


def resnet8() -> Network:
    """Build ResNet-8 for 3 x 32 x 32: stages of 16, 32 and 64 channels with a block of
    two convolutions each."""
    made = Builder((3, 32, 32))
    last = made.convolve(0, 16, (3, 3))
    for channels in (16, 32, 64):
        stride = 1 if channels == 16 else 2
        wide = made.convolve(last, channels, (3, 3), stride=stride)
        skip = last if stride == 1 else made.convolve(last, channels, (1, 1), stride=2)
        last = made.convolve(wide, channels, (3, 3), skip=skip)
    return made.classes(10)


def ds_cnn() -> Network:
    """Build DS-CNN for 1 x 49 x 10: 64 channels, and four depthwise convolutions, each
    followed by a pointwise one."""
    made = Builder((1, 49, 10))
    last = made.convolve(0, 64, (10, 4), stride=2)
    for _ in range(4):
        deep = made.convolve(last, 64, (3, 3), groups=64)
        last = made.convolve(deep, 64, (1, 1))
    return made.classes(12)


def lenet5() -> Network:
    """Load the LeNet-5 that ships with the package."""
    return load_network(zoo.lenet5())


NETWORKS: dict[str, Callable[[], Network]] = {
    "MLP": shipped_network,
    "LeNet-5": lenet5,
    "ResNet-8": resnet8,
    "DS-CNN": ds_cnn,
}


def named(name: str) -> Network:
    """Return the network ``name`` of ``NETWORKS``, or load it from a file."""
    return NETWORKS[name]() if name in NETWORKS else load_network(name)


def drawn(
    name: str, network: Network, samples: int, data: str | None
) -> tuple[Codes, Codes, npt.NDArray[Any] | None]:
    """Return the samples to map with, the samples to run, and their labels; the labels
    are None if the inputs are random."""
    if data is not None:
        found = data_set(data)
        return found.x[:FIT], found.test_x[:samples], found.test_labels[:samples]
    if name == "MLP":
        fashion, classes = fashion_mnist_test()
        return fashion[:FIT], fashion[FIT:][:samples], classes[FIT:][:samples]
    if name == "LeNet-5":
        known, _, test, classes = digits()
        return enlarged(known)[:FIT], enlarged(test)[:samples], classes[:samples]
    x = np.random.default_rng(SEED).integers(0, 256, (FIT + samples, network.inputs)).astype(np.uint8)
    return x[:FIT], x[FIT:], None


def measure(name: str, board: str, samples: int, uart: bool, data: str | None, chip: str) -> dict[str, Any]:
    """Simulate one network on a board and return its figures."""
    network, target = named(name), find_target(board)
    geometry = target.geometry
    fitting, x, labels = drawn(name, network, samples, data)
    samples = len(x)
    program = map_network(network, chip, fitting, options=MapOptions(target=geometry)).program
    link = SimLink(geometry, pins=uart, divisor=target.divisor) if uart else SimLink(geometry)
    with Board(link, timeout_s=60) as device:
        if uart:
            link.model.go(pins=False)
        device.program(program)
        if uart:
            link.model.go(pins=True)
        begin, cycles = time.monotonic(), link.model.cycles
        before = dataclasses.replace(device.session.statistics)
        known = np.zeros(samples, np.int64) if labels is None else labels
        result = evaluate(device, program, x, known, network=network)
        after, cycles = device.session.statistics, link.model.cycles - cycles
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
        "accuracy": None if labels is None else result.accuracy,
        "cycles_per_inference": result.cycles_per_inference,
        "bound_cycles": result.bound_cycles,
        "array_busy": result.array_busy,
        "mac_use": result.mac_use,
        "zeros": result.zeros,
        "samples_per_s": target.clock_mhz * 1e6 / float(result.cycles_per_inference or np.nan),
        "blocks": [list(product.block) for product in program.products],
        "seconds": round(time.monotonic() - begin, 1),
    } | ({"uart": line} if uart else {})


def walked_cycles(program: Program, geometry: Geometry) -> int:
    """Return the fewest cycles in which the array of ``geometry`` can execute
    ``program`` with feature maps.

    As ``bound_cycles``, with tables, copies and joins, which are products there; pools
    and gates take none.
    """
    ours = lower(program)
    first = ours.begins + ours.body
    parts = (
        (1, ours.steps[: ours.begins]),
        (ours.calls, ours.steps[ours.begins : first]),
        (ours.calls - 1, ours.steps[first:-1]),
        (1, ours.steps[-1:]),
    )
    lanes, rows = geometry.lanes, geometry.lane_rows
    return sum(times * products_cycles(of_kind(steps.Product, some), lanes, rows) for times, some in parts)


def estimate(name: str, board: str, chip: str) -> str:
    """Describe the bounds of one network, and the samples per second that they allow at
    the board's clock."""
    network, target = named(name), find_target(board)
    geometry = target.geometry
    x, _, _ = drawn(name, network, 0, None)
    program = map_network(network, chip, x, options=MapOptions(target=geometry)).program
    check_fits(program, geometry)
    walked, bound = (
        walked_cycles(program, geometry),
        bound_cycles(program, geometry.lanes, geometry.lane_rows),
    )
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
    parser.add_argument(
        "--network", action="append", help=f"one or more of {', '.join(NETWORKS)}, or a network's file"
    )
    parser.add_argument("--data", help="data set that the networks were trained on, as ndrite train takes it")
    parser.add_argument("--chip", default="wan2022", help="the chip that networks are mapped for")
    parser.add_argument("--estimate", action="store_true", help="bounds only")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--uart", action="store_true", help="through the pins at the board's bit rate")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = options.network or list(NETWORKS)
    for name in chosen:
        if name not in NETWORKS and not Path(name).is_file():
            parser.error(f"--network is {name}; accepted: a network's file, {', '.join(NETWORKS)}")
    if options.estimate:
        for name in chosen:
            print(estimate(name, options.board, options.chip))
        return 0
    how = (options.board, options.samples, options.uart, options.data, options.chip)
    results = [measure(name, *how) for name in chosen]
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        for r in results:
            print(
                f"{r['network']:<9} {r['board']}, simulated: {r['cycles_per_inference']:,.1f} cycles; array "
                f"busy {100 * r['array_busy']:.1f} %, MAC use {100 * r['mac_use']:.1f} %, zeros "
                f"{100 * r['zeros']:.1f} %, bound {r['bound_cycles']:,}; "
                f"{r['mismatches']} of {r['samples']} samples differ from golden; "
                f"{r['samples_per_s']:,.0f} samples/s at the board's clock"
                + ("" if r["accuracy"] is None else f"; accuracy {100 * r['accuracy']:.1f} %")
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
