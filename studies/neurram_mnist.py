"""NeuRRAM's MNIST network: seven layers, inputs and activations of 3 bits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.intervals import points
from studies import noise_grid, runs, table
from studies.data import whole_mnist
from studies.published import Found, percent
from studies.runs import Runs

OVER = "over networks, each network's dies, and the 10,000 test images (bootstrap), 95 %"
BITS, NOISE, RATE = 3, 0.05, 6e-3


def grid(smoke: bool) -> Runs:
    """A network each."""
    if smoke:
        return [{"seed": 1, "train": 2000, "epochs": 1, "dies": 1, "samples": 300}]
    size = {"train": 60_000, "epochs": 4, "dies": 3, "samples": 10_000}
    return [{"seed": seed, **size} for seed in range(1, 4)]


def run(folder: Path | None, seed: int, train: int, epochs: int, dies: int, samples: int) -> dict[str, Any]:
    """Train one network; what it gets right in floats, on each die, and what it costs there."""
    from emulator.learning.training.extra import torch
    from studies import networks, noisy

    images, labels, test_images, test_labels = whole_mnist(folder)
    x, test = (noisy.few_bits(v, BITS).view(-1, 1, 28, 28) for v in (images[:train], test_images[:samples]))
    classes, wanted = (torch.from_numpy(v.astype(np.int64)) for v in (labels[:train], test_labels[:samples]))
    recipe = {"epochs": epochs, "rate": RATE, "noise": NOISE}
    make, data = partial(networks.seven_layers, BITS), (x, classes, test, wanted)
    return noise_grid.measured(make, data, seed=seed, dies=dies, recipe=recipe, costed=32)


def found(of: Runs) -> dict[str, Found]:
    """Means and their intervals, in percent and points."""
    in_float, on_dies = runs.right(of), runs.right(of, "on_dies")
    values = {"chip": on_dies, "software": in_float, "loss": in_float - on_dies}
    return {key: percent(v) for key, v in values.items()}


def tables(of: Runs) -> list[table.Table]:
    """Network by network, and what one inference costs."""
    columns: dict[str, Any] = {
        "float, %": lambda r: f"{100 * runs.right([r]).mean():.2f}",
        f"{of[0]['dies']} dies, %": lambda r: points(runs.right([r], "on_dies")),
        **{name: lambda r, said=said: said(r["cost"]) for name, said in noise_grid.COST.items()},
    }
    title = "network by network; costs are of one inference on the first die"
    return [table.table(title, ("network",), {(str(r["seed"]),): r for r in of}, columns)]
