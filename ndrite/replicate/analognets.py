"""AnalogNets: what a day of drift costs convolutional networks on phase-change cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import load_chip
from emulator.device.rram.drift import DAY, PCM_FIRST_S
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.runner import Table
from ndrite.intervals import points
from ndrite.replicate.published import Found, Published, percent

TITLE = "AnalogNets: a day of drift of phase-change cells"
SOURCE = (
    "C. Zhou et al., arXiv 2111.06503, and IEEE Micro 42, 76 (2022), abstracts (0.8 and 1.2 percent); the "
    "cells' laws are aihwkit's PCMLikeNoiseModel (V. Joshi et al., Nat. Commun. 11, 2473, 2020, doi "
    "10.1038/s41467-020-16108-9)"
)
RUN = (
    "Networks of four convolutions and a full layer, trained here with Gaussian noise of 5 % of each layer's "
    "largest weight, 8-bit inputs and converters, on dies of `joshi2020`: 20 s after programming, and a day "
    "after it. Stand-ins: a 1-D network of 23,000 weights on JapaneseVowels for keyword spotting, a 2-D "
    "network of 17,000 on Fashion-MNIST averaged to 14 x 14 for the visual wake word. What is not the same: "
    "data and networks, the training, batch normalisation (digital here), and the compensation of drift. "
    "Here every column's gain is calibrated when the cells are read, as `compile` does; the source's way is "
    "not in the abstract. That the published loss is against software is our reading of it."
)
OVER = "over networks, each network's dies, and the test samples (bootstrap), 95 %"
NOT_RUN = (
    "Speech Commands and the Visual Wake Words are in no package, and AnalogNets' layers are not in what we "
    "can read: only the size of the losses is compared, on the stand-ins. Losses at 6 and 4 bits are not in "
    "the abstract."
)
FOLDER = ""
CHIP, NOISE = "joshi2020", 0.05
TIMES = {"20 s": PCM_FIRST_S, "1 day": DAY}
NETWORKS, DIES = 3, 3
STAND_INS = {"kws": "JapaneseVowels", "vww": "Fashion-MNIST at 14 x 14"}
WHY = "other data, networks and training: from half a point better than software to twice the published loss"

Floats = npt.NDArray[np.float64]


def published(folder: Path | None) -> dict[str, Published]:
    """Both losses of the abstract."""
    losses = {"kws": ("keyword spotting", 0.8), "vww": ("visual wake word", 1.2)}
    return {
        task: Published(
            what=f"lost from software to a day after programming, 8 bits, {name}",
            unit="points",
            value=loss,
            how="simulated and measured",
            where="abstract (a calibrated simulator and hardware)",
            low=-0.5,
            high=2 * loss,
            why=WHY,
            stand_in=STAND_INS[task],
        )
        for task, (name, loss) in losses.items()
    }


def runs(quick: bool, folder: Path | None) -> list[dict[str, Any]]:
    """A network each."""
    if quick:
        return [
            {"task": task, "seed": 1, "train": 400, "samples": 60, "epochs": 1, "dies": 1}
            for task in STAND_INS
        ]
    sizes = {
        "kws": {"train": 270, "samples": 370, "epochs": 60},
        "vww": {"train": 8_000, "samples": 2000, "epochs": 8},
    }
    return [
        {"task": task, "seed": seed, **sizes[task], "dies": DIES}
        for seed in range(1, NETWORKS + 1)
        for task in STAND_INS
    ]


def run(
    folder: Path | None, task: str, seed: int, train: int, samples: int, epochs: int, dies: int
) -> dict[str, Any]:
    """Train one network; what it gets right in floats and on each die at both times, and what that costs."""
    from emulator.learning.training.extra import torch
    from ndrite.experiments.chips import at_time
    from ndrite.replicate import networks, neurram_lstm, neurram_resnet, noisy
    from ndrite.replicate.cost import cost_of
    from ndrite.tiles import analog

    if task == "kws":
        x, labels, test, test_labels = neurram_lstm.sequences(None, samples)
        x, test = x.transpose(1, 2).contiguous(), test.transpose(1, 2).contiguous()
    else:
        x, labels, test, test_labels = neurram_resnet.pictures(None, train, samples)
    torch.manual_seed(seed)
    dimensions, width = (1, 32) if task == "kws" else (2, 16)
    model = networks.convolutions(dimensions, x.shape[1], width, int(labels.max()) + 1)
    noisy.train(model, x, labels, epochs=epochs, rate=8e-3, noise=NOISE, batch=64)
    on_dies: dict[str, list[str]] = {name: [] for name in TIMES}
    cost: dict[str, Any] = {}
    for die in range(dies):
        for name, time in TIMES.items():
            chip = at_time(load_chip(CHIP), time)
            placed = analog(model, chip, samples=x[:256], seed=1000 * seed + die)
            on_dies[name].append(packed(noisy.right(placed, test, test_labels)))
        if die == 0:
            cost = cost_of(placed, test[:16])
    in_float = packed(noisy.right(model, test, test_labels))
    return {"right": in_float, "on_dies": on_dies, "cost": cost, "samples": len(test)}


def correct(results: list[dict[str, Any]], task: str, time: str) -> tuple[Floats, Floats]:
    """In floats (networks, 1, n), and on dies (networks, dies, n) at one of ``TIMES``."""
    mine = [r for r in results if r["task"] == task]
    in_float = [[unpacked(r["right"], r["samples"])] for r in mine]
    on_dies = [[unpacked(text, r["samples"]) for text in r["on_dies"][time]] for r in mine]
    return np.array(in_float, np.float64), np.array(on_dies, np.float64)


def found(results: list[dict[str, Any]]) -> dict[str, Found]:
    """What is lost after a day, in points."""
    return {task: percent(np.subtract(*correct(results, task, "1 day"))) for task in STAND_INS}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracies at both times, and what one inference costs."""
    from ndrite.replicate.cost import HEADER, cells

    rows = []
    for task, data in STAND_INS.items():
        in_float, _ = correct(results, task, "1 day")
        dies = [points(correct(results, task, time)[1]) for time in TIMES]
        cost = next(r["cost"] for r in results if r["task"] == task)
        rows.append((data, points(in_float), *dies, *cells(cost)))
    header = ("stand-in", "float, %", *(f"dies after {time}, %" for time in TIMES), *HEADER)
    return [Table("accuracy; costs are of one inference on the first die", header, rows)]
