"""Campaigns of the golden model against other simulators, in one run, one thread each.

    benchmarks/peers/install.sh /tmp/peers
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/campaign.py --peers /tmp/peers [--json]

The work: 784-128-10 on tiles of 128 rows, C virtual chips x N images, programming error
and read noise on, 8-bit converters. Ours and a peer's run in turn, ``--rounds`` times;
the ratio is the median of the rounds. ``--whole`` also runs 1,000 chips x 1,000 images
on ours. ``gemm_share`` is the share of this core's float32 matrix-product rate
(measured here, 2000 x 2000) that the golden model reaches at 1,000 images.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.mapping.weights import variation_of
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.variation import Campaign
from ndrite.networks import shipped_network, shipped_program
from ndrite.samples import judging_set

PEERS = {"aihwkit-lightning": "lightning.py", "analoglib": "analog.py"}
HERE = Path(__file__).parent / "peers"
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def best(call: Callable[[], object], rounds: int) -> float:
    """Return the shortest time of one call, seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(program: Program, x: Any, labels: Any, chips: int) -> float:
    """Return images x chips per second of a campaign on the golden model."""
    return chips * len(x) / best(lambda: campaign(program, x, labels, Campaign(chips=chips, seed=1)), 3)


def single(program: Program, x: Any) -> dict[str, float]:
    """Return the rates of one programmed chip on the golden model, and their share of a
    matrix product's rate."""
    core = Core(program, fast=True)
    thousand = x[:1000]
    core.infer(thousand)
    a = np.random.default_rng(0).random((2000, 2000), np.float32)
    peak = 2000**3 / best(lambda: a @ a, 5)
    macs = sum(layer.weights.size for layer in program.layers)
    noisy = 1000 / best(lambda: core.infer(thousand, seed=1), 9)
    quiet = 1000 / best(lambda: core.infer(thousand, noise=False), 9)
    return {
        "samples_per_s_noise": noisy,
        "samples_per_s_no_noise": quiet,
        "one_image_us": 1e6 * best(lambda: core.infer(thousand[:1], seed=1), 200),
        "gemm_gmac_per_s": peak / 1e9,
        "gemm_share_noise": noisy * macs / peak,
        "gemm_share_no_noise": quiet * macs / peak,
    }


def peer(python: Path, script: str, weights: Path, images: int, chips: int) -> float:
    """Run a peer in its own Python environment; return its images x chips per second."""
    sizes = ["--images", str(images), "--chips", str(chips)]
    command: list[str | Path] = [python, HERE / script, weights, *sizes]
    done = subprocess.run(command, env=os.environ | THREADS, capture_output=True, text=True, cwd=HERE)
    if done.returncode:
        sys.exit(f"{script} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return chips * images / float(found["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, help="folder made by benchmarks/peers/install.sh")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--chips", type=int, default=100, help="chips of our runs beside each peer")
    parser.add_argument("--peer-chips", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5, help="times that each pair is run in turn")
    parser.add_argument("--whole", action="store_true", help="also 1,000 chips x 1,000 images on ours")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit("set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 before Python starts")
    program = dataclasses.replace(shipped_program(), variation=variation_of(load_chip("wan2022")))
    x, labels = judging_set("fashion-mnist")
    x, labels = x[: options.images], labels[: options.images]
    campaign(program, x, labels, Campaign(chips=1))
    result: dict[str, Any] = {"one_chip": single(program, x), "peers": []}
    if options.peers is not None:
        network = shipped_network()
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "weights.npz"
            w0, w1 = (layer.weights.astype(np.float32) for layer in network.layers)
            np.savez(weights, w0=w0, w1=w1, x=(x / 255).astype(np.float32))
            for name, script in PEERS.items():
                python = options.peers / "bin" / "python"
                rounds = []
                for _ in range(options.rounds):
                    own = ours(program, x, labels, options.chips)
                    theirs = peer(python, script, weights, len(x), options.peer_chips)
                    rounds.append({"ours": own, "theirs": theirs, "ratio": own / theirs})
                ratio = statistics.median(r["ratio"] for r in rounds)
                result["peers"].append({"peer": name, "ratio": ratio, "rounds": rounds})
    if options.whole:
        start = time.perf_counter()
        campaign(program, x, labels, Campaign(chips=1000, seed=2))
        result["thousand_chips_s"] = time.perf_counter() - start
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result["one_chip"].items():
        print(f"{name:24s} {value:14,.2f}")
    for row in result["peers"]:
        print(f"{row['peer']}: {row['ratio']:.2f}x (median of rounds, images x chips/s)")
        for r in row["rounds"]:
            print(f"    ours {r['ours']:10,.0f}   theirs {r['theirs']:10,.0f}   {r['ratio']:.2f}x")
    if options.whole:
        print(f"1,000 chips x {len(x)} images: {result['thousand_chips_s']:.2f} s")


if __name__ == "__main__":
    main()
