"""NeuRRAM's LSTM for spoken words: noise in training against noise in the test, and the chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.network.datasets import japanese_vowels
from studies import noise_grid, runs, table
from studies.published import Found, numbers_of
from studies.runs import Runs
from studies.speech_commands import speech_commands

THEIRS = numbers_of("neurram-lstm")
OVER = "over networks, draws of the noise or dies, and the test sequences (bootstrap), 95 %"
TRAINED, ON_DIES = (0.0, 0.1, 0.2), (0.0, 0.2)
"""Noise in training, and of which of these networks go onto dies."""
NETWORKS, DRAWS, DIES = 3, 5, 3


def grid(smoke: bool, folder: Path | None) -> Runs:
    """A network each."""
    data = "japanese-vowels" if folder is None else "speech-commands"
    samples, epochs, draws = (370, 120, DRAWS) if folder is None else (5000, 40, DRAWS)
    networks, noises, dies = NETWORKS, list(TRAINED), dict.fromkeys(ON_DIES, DIES)
    if smoke:
        samples, epochs, draws, networks, noises, dies = 60, 1, 1, 1, list(ON_DIES), {0.2: 1}
    return [
        {
            "data": data,
            **r,
            "dies": dies.get(r["noise"], 0),
            "samples": samples,
            "epochs": epochs,
            "draws": draws,
        }
        for r in runs.product(seed=range(1, networks + 1), noise=noises)
    ]


def run(
    folder: Path | None, data: str, seed: int, noise: float, dies: int, samples: int, epochs: int, draws: int
) -> dict[str, Any]:
    """One network."""
    from studies import networks

    tensors = sequences(folder, samples, few=8 if epochs == 1 else None)
    width, classes = (32, 9) if folder is None else (112, 10)
    return noise_grid.measured(
        lambda: networks.FourLstms(tensors[0].shape[2], width, classes),
        tensors,
        seed=seed,
        dies=dies,
        recipe={"epochs": epochs, "rate": 8e-3, "noise": noise, "batch": 64},
        tested=THEIRS["tested"],
        draws=draws,
    )


def sequences(folder: Path | None, samples: int, *, few: int | None = None) -> tuple[Any, Any, Any, Any]:
    """Tensors (n, T, coefficients), each coefficient with a deviation of 1, and classes."""
    from emulator.learning.training.extra import torch

    x, y, test, test_y = japanese_vowels() if folder is None else speech_commands(folder, most=few)
    scale = x.reshape(-1, x.shape[2]).std(axis=0)
    given, judged = (torch.from_numpy((v / scale).astype(np.float32)) for v in (x, test[:samples]))
    classes, judged_classes = (torch.from_numpy(v.astype(np.int64)) for v in (y, test_y[:samples]))
    return given, classes, judged, judged_classes


def found(of: Runs) -> dict[str, Found]:
    """What is said of the grid's shape, and the grid."""
    clean, noisy = noise_grid.right(of, 0.0, 0.0), noise_grid.right(of, 0.2, 0.0)
    return noise_grid.found(of, THEIRS) | {
        "share": noise_grid.share(of, 0.2, 0.15),
        "price": noise_grid.difference(clean, noisy),
        "chip": noise_grid.difference(noisy, noise_grid.right(of, 0.2, None)),
    }


def tables(of: Runs) -> list[table.Table]:
    """The grid, and what an inference costs."""
    title = "accuracy, %"
    if of[0]["data"] == "japanese-vowels":
        title += (
            "; in brackets the published ones on Speech Commands, which are no figures to meet on other data"
        )
    costs = noise_grid.costs(of, "one sequence on the first die, products alone")
    return [noise_grid.accuracies(of, THEIRS, title), costs]
