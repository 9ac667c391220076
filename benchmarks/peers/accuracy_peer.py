"""Accuracy of a network on a peer's chips: programming error alone, read noise
off. Prints JSON.

    python accuracy_peer.py lightning|analog WEIGHTS.npz --chips 10

``WEIGHTS.npz`` holds w0 (784, 128), w1 (128, 10), x float32 (N, 784) in 0..1, labels
(N,) and ``error``, the deviation of a weight relative to its layer's largest. The
activation is x exp(1 - x) above 0, no biases.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

TILE = 128
Chip = Callable[[Any], Any]


def lightning(w0: Any, w1: Any, error: float) -> Chip:
    """Build a chip of aihwkit-lightning with 8-bit converters. It runs in training
    mode, the only mode in which its noise works."""
    import torch
    from aihwkit_lightning.nn import AnalogLinear
    from lightning import config

    torch.set_num_threads(1)
    layers = []
    for w in (w0, w1):
        rpu = config()
        rpu.forward.out_noise = 0.0
        layer = AnalogLinear(*w.shape, bias=False, rpu_config=rpu).train()
        with torch.no_grad():
            clean = torch.from_numpy(w.T.copy())
            layer.weight.copy_(clean + error * clean.abs().max() * torch.randn_like(clean))
        layers.append(layer)

    def infer(x: Any) -> Any:
        with torch.no_grad():
            v = torch.relu(layers[0](torch.from_numpy(x)))
            return layers[1](v * torch.exp(1 - v)).numpy()

    return infer


def analog(w0: Any, w1: Any, error: float) -> Chip:
    """Build a chip of analoglib: pairs of cells without converters. Its error is that
    of a cell; a weight's error is sqrt(2) times as large.

    Its products are currents: the largest weight is the whole range of a cell's conductance.
    """
    from analoglib.crossbar.tiled import TiledCrossbar
    from analoglib.devices import ReRAM

    device = ReRAM(num_states=256, programming_error_sigma=error / np.sqrt(2))
    layers = [TiledCrossbar.from_matrix(w, (TILE, TILE), device=device) for w in (w0, w1)]
    scales = [np.abs(w).max() / (device.g_max - device.g_min) for w in (w0, w1)]

    def infer(x: Any) -> Any:
        v = np.maximum(layers[0].vmm(x) * scales[0], 0)
        return layers[1].vmm(v * np.exp(1 - v)) * scales[1]

    return infer


PEERS = {"lightning": lightning, "analog": analog}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("weights")
    parser.add_argument("--chips", type=int, default=10)
    options = parser.parse_args()
    data = np.load(options.weights)
    accuracies = []
    np.random.seed(0)  # noqa: NPY002 - what the peers draw from
    start = time.perf_counter()
    for _ in range(options.chips):
        found = PEERS[options.peer](data["w0"], data["w1"], float(data["error"]))(data["x"])
        accuracies.append(float((found.argmax(axis=1) == data["labels"]).mean()))
    print(json.dumps({"accuracies": accuracies, "seconds": time.perf_counter() - start}))
