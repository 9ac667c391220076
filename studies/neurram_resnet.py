"""NeuRRAM's ResNet-20: noise in training against noise in the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.network.datasets import fashion_mnist_test
from studies import noise_grid, runs, table
from studies.cifar10 import cifar10
from studies.data import data as data_of
from studies.published import Found, numbers_of
from studies.runs import Runs

THEIRS, BITS = numbers_of("neurram-resnet"), 3
OVER = "over networks, draws of the noise or dies, and the test pictures (bootstrap), 95 %"
NETWORKS, DRAWS, DIES, LONGER = 3, 4, 3, 20
ON_CHIP = 0.2
"""Noise in training of the networks that go onto dies."""


def grid(smoke: bool, folder: Path | None) -> Runs:
    """A network each."""
    size = {"train": 8_000, "samples": 1000, "epochs": 5, "draws": DRAWS}
    if folder is not None:
        size = {"train": 50_000, "samples": 10_000, "epochs": 60, "draws": DRAWS}
    if smoke:
        size = {"train": 400, "samples": 60, "epochs": 1, "draws": 1}
    noises = (0.0, ON_CHIP) if folder is None or smoke else [float(noise) for noise in THEIRS["grid"]]
    data = {"data": "fashion-mnist" if folder is None else "cifar-10"}
    plan = [
        {**data, **r, "dies": (1 if smoke else DIES) if r["noise"] == ON_CHIP else 0, **size}
        for r in runs.product(seed=range(1, 2 if smoke else NETWORKS + 1), noise=noises)
    ]
    if folder is None and not smoke:  # one that shows what so short a training does
        plan.append({**data, "seed": 1, "noise": ON_CHIP, "dies": 0, **size, "epochs": LONGER})
    return plan


def run(
    folder: Path | None,
    data: str,
    seed: int,
    noise: float,
    dies: int,
    train: int,
    samples: int,
    epochs: int,
    draws: int,
) -> dict[str, Any]:
    """One network."""
    from studies import networks

    channels, width = (3, 16) if data == "cifar-10" else (1, 8)
    return noise_grid.measured(
        lambda: networks.resnet20(channels, width, BITS),
        pictures(folder, train, samples),
        seed=seed,
        dies=dies,
        recipe={"epochs": epochs, "rate": 8e-3, "noise": noise},
        tested=THEIRS["tested"],
        draws=draws,
    )


def pictures(folder: Path | None, train: int, samples: int) -> tuple[Any, Any, Any, Any]:
    """Tensors (n, channels, side, side) in 0..1 and classes."""
    from emulator.learning.training.extra import torch

    if folder is not None:
        x, labels, test, test_labels = cifar10(folder)
        maps = [v.reshape(-1, 3, 32, 32).astype(np.float32) / 255 for v in (x[:train], test[:samples])]
    else:
        test, test_labels = fashion_mnist_test()
        x, labels = test[5000:], test_labels[5000:]  # a smoke run needs no training files, which do not ship
        if train > 1000:
            x, labels = data_of("fashion-mnist").x, data_of("fashion-mnist").labels
        maps = [
            v.reshape(-1, 1, 14, 2, 14, 2).astype(np.float32).mean(axis=(3, 5)) / 255
            for v in (x[:train], test[:samples])
        ]
    classes = [torch.from_numpy(v.astype(np.int64)) for v in (labels[:train], test_labels[:samples])]
    return torch.from_numpy(maps[0]), classes[0], torch.from_numpy(maps[1]), classes[1]


def shortest(of: Runs) -> Runs:
    """The networks that are compared, without the one that was trained for longer."""
    least = min(r["epochs"] for r in of)
    return [r for r in of if r["epochs"] == least]


def found(of: Runs) -> dict[str, Found]:
    """The grid, and what is said of its shape."""
    main = shortest(of)
    shares = {f"share {level:g}": noise_grid.share(main, ON_CHIP, level) for level in (0.1, 0.15)}
    clean, noisy = noise_grid.right(main, 0.0, 0.0), noise_grid.right(main, ON_CHIP, 0.0)
    at_noise, dies = noise_grid.right(main, ON_CHIP, 0.1), noise_grid.right(main, ON_CHIP, None)
    beside = {"price": noise_grid.difference(clean, noisy), "chip": noise_grid.difference(at_noise, dies)}
    return noise_grid.found(main, THEIRS) | shares | beside


def tables(of: Runs) -> list[table.Table]:
    """The grid, and what an inference costs."""
    title = "accuracy, %"
    if of[0]["data"] == "fashion-mnist":
        title += "; in brackets those of ResNet-20 on CIFAR-10, which are no figures to meet on other data"
    shown = [noise_grid.accuracies(shortest(of), THEIRS, title)]
    if longer := [r for r in of if r not in shortest(of)]:
        shown.append(noise_grid.accuracies(longer, None, f"one network, {longer[0]['epochs']} epochs, %"))
    return [*shown, noise_grid.costs(of, "one inference on the first die")]
