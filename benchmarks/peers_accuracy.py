"""The same network under the same programming error here and in other simulators, in one run.

    benchmarks/peers/install.sh /tmp/peers
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/peers_accuracy.py --peers /tmp/peers

784-128-10 on Fashion-MNIST, trained here in floats (seed 0), no biases, x exp(1 - x)
above 0. Tiles of 128 rows, 8-bit converters where a simulator has them, no read noise;
every weight is off by a Gaussian error relative to its layer's largest weight.
``numpy`` is that definition and nothing else. Accuracies are over chips, 10,000 test
images each (9,488 on ours, whose first 512 calibrate); the interval is of the mean over
chips (Student's t), so two simulators agree where theirs overlap. Seconds are of all
chips, with making them. Needs ndrite[train,fast] and Fashion-MNIST's training files.
"""

import argparse
import dataclasses
import json
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import MapOptions, Mitigation, map_network
from ndrite.emulator.network import Dense, Ndr, Network
from ndrite.intervals import mean_interval
from ndrite.samples import data_set

HERE = Path(__file__).parent / "peers"
RAW = Mitigation(bias_correction=False, gain_calibration=False, fault_aware=False)
"""Dies as programmed."""
PEERS = {"aihwkit-lightning": "lightning", "analoglib": "analog"}


def trained(x: Any, labels: Any) -> tuple[Any, Any]:
    """Train 784-128-10; return its weights (784, 128) and (128, 10), float32."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(784, 128, bias=False), torch.nn.Linear(128, 10, bias=False)]
    optimiser = torch.optim.Adam([p for layer in layers for p in layer.parameters()], 1e-3)
    inputs, wanted = torch.tensor(x / np.float32(255)), torch.tensor(labels.astype(np.int64))
    for _ in range(6):
        for part in torch.randperm(len(inputs)).split(128):
            v = torch.relu(layers[0](inputs[part]))
            loss = torch.nn.functional.cross_entropy(layers[1](v * torch.exp(1 - v)), wanted[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    w0, w1 = (layer.weight.detach().numpy().T.copy() for layer in layers)
    return w0, w1


def chip_with(error: float) -> Chip:
    """Return a chip whose only error is ``error``: the cells of a pair are far above 0,
    so that no error is cut off there."""
    chip = load_chip("ideal")
    low, span = 200.0, 40.0
    cell = dataclasses.replace(
        chip.cell,
        g_min_uS=low,
        g_max_uS=low + span,
        levels=256,
        programming_error="fitted",
        error_coefficients_uS=(error * span / 2**0.5,),
        fitted_max_uS=low + span,
    )
    readout = dataclasses.replace(chip.readout, kind="adc", adc_bits=8)
    return dataclasses.replace(
        chip, cell=cell, readout=readout, array=dataclasses.replace(chip.array, rows=128)
    )


def ours(w0: Any, w1: Any, x: Any, labels: Any, error: float, chips: int, *, corrected: bool) -> list[float]:
    """Return the accuracy of every die in ndrite; ``corrected``: with the corrections
    that ndrite compile makes."""
    hidden = Ndr(np.ones(128, np.float32), np.ones(128, np.float32))
    net = Network.chain((Dense(w0, np.zeros(128), hidden), Dense(w1, np.zeros(10))), "peers")
    found = []
    for die in range(chips):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompileWarning)
            program = map_network(
                net,
                chip_with(error),
                x[:512],
                seed=die,
                options=MapOptions(one_limit=True, mitigation=Mitigation() if corrected else RAW),
            ).program
        found.append(float((Core(program).infer(x[512:]).argmax(axis=1) == labels[512:]).mean()))
    return found


def definition(w0: Any, w1: Any, x: Any, labels: Any, error: float, chips: int) -> list[float]:
    """Return the accuracy of every die by definition: float32 arithmetic with an error
    on the weights and nothing else."""
    found = []
    for die in range(chips):
        rng = np.random.default_rng(die)
        off = [
            w + np.float32(error) * np.abs(w).max() * rng.standard_normal(w.shape, dtype=np.float32)
            for w in (w0, w1)
        ]
        v = np.maximum(x @ off[0], 0)
        found.append(float(((v * np.exp(1 - v)) @ off[1]).argmax(axis=1).__eq__(labels).mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="what benchmarks/peers/install.sh made")
    parser.add_argument("--chips", type=int, default=10)
    parser.add_argument("--errors", type=float, nargs="*", default=[0.0, 0.02, 0.04, 0.08])
    options = parser.parse_args()
    data = data_set("fashion-mnist")
    w0, w1 = trained(data.x, data.labels)
    x, labels = data.test_x, data.test_labels
    floats = x.astype(np.float32) / np.float32(255)
    print(f"{'error':>6} {'simulator':24} {'accuracy, %':>16} {'seconds':>8}   {options.chips} chips")
    for error in options.errors:
        results: dict[str, tuple[list[float], float]] = {}
        for name, call in (
            ("numpy", lambda e=error: definition(w0, w1, floats, labels, e, options.chips)),
            (
                "ndrite, as programmed",
                lambda e=error: ours(w0, w1, x, labels, e, options.chips, corrected=False),
            ),
            (
                "ndrite, as compiled",
                lambda e=error: ours(w0, w1, x, labels, e, options.chips, corrected=True),
            ),
        ):
            start = time.perf_counter()
            results[name] = (call(), time.perf_counter() - start)
        if options.peers is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "weights.npz"
                np.savez(path, w0=w0, w1=w1, x=floats, labels=labels, error=error)
                for name, peer in PEERS.items():
                    python = options.peers / "bin" / "python"
                    command = [python, HERE / "accuracy_peer.py", peer, path, "--chips", str(options.chips)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    value = json.loads(done.stdout.splitlines()[-1])
                    results[name] = (value["accuracies"], value["seconds"])
        for name, (found, seconds) in results.items():
            mean, half = mean_interval(100 * np.array(found))
            print(f"{error:6.2f} {name:24} {mean:7.2f} ± {half or 0.0:5.2f}  {seconds:8.2f}", flush=True)


if __name__ == "__main__":
    main()
