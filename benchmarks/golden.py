r"""What the golden model does on one thread: full layers and the shapes of a
ResNet, read noise on.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/golden.py [--batch 100] [--json]
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/golden.py --network ResNet-18 --batch 8
    OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1 python benchmarks/golden.py --network ResNet-18 --batch 8 \
        --threads

Weights and samples are random: the time does not depend on them. Rates are
multiplications a second, the best of several runs taken in turn; beside them the
compiled loops against the NumPy form of the same model (answers must be equal), and the
share of what float32 BLAS alone does with a square product on this machine. The ratios
of one run hold across machines, the times do not.. ``--peer`` runs the same shapes in
aihwkit-lightning too, before and after: the Python of the environment that
``benchmarks/peers/install.sh`` makes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.golden import Core
from ndrite.emulator.golden import threads as of_threads
from ndrite.emulator.golden.fast import FastCore, available, work
from ndrite.emulator.spec import Layer, Program
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.steps import Pool, Product, Step

ROWS = 128
BLAS_SIDE = 1024
CURVE: dict[str, Any] = {
    "curve_base": np.linspace(0, 255 * 64, 32).astype(np.int32)[None],
    "curve_slope": np.full((1, 32), 511, np.int32),
}


def layer(rng: np.random.Generator, k: int, m: int) -> Layer:
    """Build a random layer with 8-bit converters and noise of both kinds."""
    return Layer(
        weights=rng.integers(-100, 101, (k, m)).astype(np.int16),
        bias=np.zeros(m, np.int32),
        gain=np.full(m, 20000, np.uint16),
        offset=np.zeros(m, np.int16),
        scale=np.full(m, 20000, np.uint16),
        curve=np.zeros(m, np.uint16),
        shift=26,
        vshift=12,
        sigma_out=500,
        var_cell=100,
    )


def full_layers(rng: np.random.Generator) -> Program:
    """Build the program 784-128-10 with random weights."""
    layers = [layer(rng, 784, 128), layer(rng, 128, 10)]
    return Program.chain(name="784-128-10", rows=ROWS, layers=layers, **CURVE)


RESNETS: dict[str, tuple[int, tuple[int, int, int], tuple[int, ...], int, int]] = {
    "ResNet-20": (32, (16, 3, 1), (16, 32, 64), 3, 10),
    "ResNet-18": (224, (64, 7, 2), (64, 128, 256, 512), 2, 1000),
}
"""Side of the input maps; channels, kernel and stride of the first layer; channels of
the stages, blocks of a stage, classes. After a first layer of stride 2 the largest
value of each window of 3 x 3 is taken, as in ResNet-18."""


def resnet(name: str, rng: np.random.Generator) -> Program:
    """Build a program with the shapes of a ResNet: 3 x 3 kernels, 1 x 1 projections, a
    second operand in every block."""
    size, (channels, side, stride), stages, count, classes = RESNETS[name]
    steps: list[Step] = []

    def convolve(source: int, shape: Shape, m: int, side: int, stride: int, skip: int | None = None) -> Shape:
        pad = side // 2
        patches = Patches(shape=shape, kernel=(side, side), stride=(stride, stride), padding=(pad,) * 4)
        second: dict[str, Any] = {}
        if skip is not None:
            second = {"skip": skip, "skip_gain": np.full(m, 100, np.uint16), "skip_shift": 4}
        weights = layer(rng, patches.inputs, m)
        steps.append(Product(layer=weights, sources=(source,), patches=patches, **second))
        return (m, *patches.grid)

    shape = convolve(0, (3, size, size), channels, side, stride)
    if stride > 1:
        window = Patches(shape=shape, kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
        steps.append(Pool(of="max", sources=(1,), patches=window))
        shape = (channels, *window.grid)
    for channels in stages:
        for _ in range(count):
            last, stride = len(steps), 1 if channels == shape[0] else 2
            wide, skip = convolve(last, shape, channels, 3, stride), last
            first = len(steps)
            if stride > 1:
                convolve(last, shape, channels, 1, 2)
                skip = len(steps)
            shape = convolve(first, wide, channels, 3, 1, skip)
    positions = shape[1] * shape[2]
    mean = Pool(
        of="average",
        sources=(len(steps),),
        patches=Patches.whole(shape),
        mul=np.array([round((1 << 16) / positions)], np.uint16),
        pool_shift=16,
    )
    answer = Product(
        layer=layer(rng, stages[-1], classes),
        sources=(len(steps) + 1,),
        patches=Patches.whole((stages[-1], 1, 1)),
        fires=False,
    )
    return Program(name=name, rows=ROWS, shape=(3, size, size), steps=(*steps, mean, answer), **CURVE)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def busy() -> dict[str, int]:
    """Return the nanoseconds that each thread of this process has run on a
    processor (Linux)."""
    tasks = Path("/proc/self/task").iterdir()
    return {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks}


def two_threads(network: str, batch: int, repeat: int = 15) -> dict[str, float]:
    """Measure the speed-up by a second thread: batches run with one and with two
    threads in turn; medians of ``repeat`` batches.

    ``by the clock``: with its least and largest, wrong where others use the processors.
    ``by processor time``: what one thread takes over what the busier one of two takes,
    and the thread that hands out the work. It holds beside other load, and leaves out
    what a thread waits for the other.
    """
    rng = np.random.default_rng(0)
    program = resnet(network, rng)
    core = FastCore(program)
    x = rng.integers(0, 256, (batch, program.inputs)).astype(np.uint8)
    if not np.array_equal(core.infer(x, threads=1), core.infer(x, threads=2)):
        sys.exit(f"{network}: two threads answer otherwise than one")
    clock, processor = [], []
    for _ in range(repeat):
        took, longest = [], []
        for threads in (1, 2):
            before = busy()
            took.append(seconds(partial(core.infer, x, threads=threads)))
            spent = {task: at - before.get(task, 0) for task, at in busy().items()}
            longest.append(spent.pop(str(os.getpid())) + max(spent.values()))
        clock.append(took[0] / took[1])
        processor.append(longest[0] / longest[1])
    return {
        "by the clock": float(np.median(clock)),
        "least": min(clock),
        "largest": max(clock),
        "by processor time": float(np.median(processor)),
    }


def measure(network: str, batch: int, repeat: int = 7) -> dict[str, Any]:
    """Measure the rates of both networks in GMAC/s and the ratios between them."""
    rng = np.random.default_rng(0)
    programs = [full_layers(rng), resnet(network, rng)]
    # More samples for the small network, so that both have the same amount of work.
    counts = [batch * work(programs[1]) // work(programs[0]), batch]
    calls: dict[str, tuple[Callable[[], object], int]] = {}
    for program, count in zip(programs, counts, strict=True):
        x = rng.integers(0, 256, (count, program.inputs)).astype(np.uint8)
        fast, plain = Core(program, fast=True), Core(program, fast=False)
        few = x[: max(1, count // 25)]
        if not np.array_equal(fast.infer(few), plain.infer(few)):
            sys.exit(f"{program.name}: the compiled loops answer otherwise than NumPy")
        each = work(program)
        calls[program.name] = partial(fast.infer, x), count * each
        calls[f"{program.name}, NumPy"] = partial(plain.infer, few), len(few) * each
    square = rng.random((BLAS_SIDE, BLAS_SIDE)).astype(np.float32)
    calls["BLAS"] = partial(np.matmul, square, square), BLAS_SIDE**3
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(repeat):
        for name, (call, _) in calls.items():
            best[name] = min(best[name], seconds(call))
    rate = {name: calls[name][1] / best[name] / 1e9 for name in calls}
    names = [program.name for program in programs]
    return {
        "batch": dict(zip(names, counts, strict=True)),
        "gmac_per_s": rate,
        "samples_per_s": {p.name: 1e9 * rate[p.name] / work(p) for p in programs},
        "ratio": {
            f"{network} to full layers": rate[names[1]] / rate[names[0]],
            **{f"{name}, compiled to NumPy": rate[name] / rate[f"{name}, NumPy"] for name in names},
            **{f"{name} to BLAS alone": rate[name] / rate["BLAS"] for name in names},
        },
    }


def peer(python: Path, network: str, batch: int) -> float:
    """Return the samples per second of aihwkit-lightning on the same shapes, one thread."""
    script = Path(__file__).parent / "peers" / "lightning_resnet.py"
    command = [python, script, "--network", network, "--batch", str(batch)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["samples_per_s"])


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=RESNETS, default="ResNet-20")
    parser.add_argument("--batch", type=int, default=100, help="samples of the network at once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", action="store_true", help="only what a second thread brings")
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="also aihwkit-lightning, in this Python")
    options = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads not in ("1", "2") or os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        sys.exit("set OMP_NUM_THREADS=1 (or 2) and OPENBLAS_NUM_THREADS=1 before Python starts")
    if not available():
        sys.exit("needs numba: pip install numba")
    if options.threads:
        if of_threads.count() != 2:
            sys.exit("set OMP_NUM_THREADS=2")
        found = two_threads(options.network, options.batch)
        if options.json:
            print(json.dumps(found, indent=2))
        for name, value in () if options.json else found.items():
            print(f"{options.network}, {options.batch} samples, two threads to one, {name:17s} {value:5.2f}")
        return 0
    before = None if options.peer is None else peer(options.peer, options.network, options.batch)
    result = measure(options.network, options.batch)
    if before is not None:
        theirs = max(before, peer(options.peer, options.network, options.batch))
        result["samples_per_s"]["aihwkit-lightning"] = theirs
        ours = result["samples_per_s"][options.network]
        result["ratio"][f"{options.network} to aihwkit-lightning"] = ours / theirs
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    for name, rate in result["gmac_per_s"].items():
        samples = result["samples_per_s"].get(name)
        print(f"{name:22s} {rate:6.2f} GMAC/s" + (f", {samples:,.4g} samples/s" if samples else ""))
    if before is not None:
        print(f"aihwkit-lightning: {result['samples_per_s']['aihwkit-lightning']:,.2f} samples/s")
    for name, ratio in result["ratio"].items():
        print(f"{name:38s} {ratio:6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
