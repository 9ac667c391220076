"""NeuRRAM's LSTM for spoken words: noise in training against noise in the test, and the chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.network.datasets import japanese_vowels
from emulator.network.datasets.speech_commands import speech_commands
from ndrite.experiments.runner import Table
from ndrite.replicate import grid
from ndrite.replicate.published import Explained, Found, Published

TITLE = "NeuRRAM: LSTM for spoken words"
SOURCE = (
    "W. Wan et al., Nature 608, 504 (2022), doi 10.1038/s41586-022-04992-8, abstract (84.7 percent); "
    "github.com/weierwan/Neurram_48core, lstm/google_voice_lstm_neurram48core.xlsx"
)
RUN = (
    "Four LSTMs side by side whose logits add, Gaussian noise relative to each layer's largest weight. "
    "Stand-in: four of 32 cells on JapaneseVowels (nine speakers, 370 test sequences), their matrices on "
    "dies of `wan2022`, gates in PyTorch."
)
OVER = "over networks, draws of the noise or dies, and the test sequences (bootstrap), 95 %"
NOT_RUN = (
    "Speech Commands is in no package. `ndrite replicate neurram-lstm --folder DIR` takes its ten words "
    "and runs four LSTMs of 112 cells (hours); NeuRRAM's two further classes, unknown and silence, and its "
    "few-bit states are left out there too."
)
FOLDER = "Speech Commands; without it JapaneseVowels (package aeon) stands in"
CHIP = "wan2022"
TESTED = (0.0, 0.05, 0.1, 0.15)
THEIRS = grid.published_grid(
    TESTED,
    {
        0.0: (87.86, 87.33, 81.35, 74.80),
        0.05: (87.62, 87.91, 85.89, 77.12),
        0.1: (87.66, 87.58, 87.06, 84.36),
        0.15: (87.26, 87.12, 87.14, 85.96),
        0.2: (86.50, 86.50, 86.71, 86.10),
        0.25: (85.70, 85.74, 85.91, 85.84),
        0.3: (85.22, 85.22, 85.19, 85.01),
    },
)
SOFTWARE, MEASURED = 88.06, 84.66
TRAINED = (0.0, 0.1, 0.2)
STAND_IN = "JapaneseVowels"
NETWORKS, DRAWS, DIES = 3, 5, 3


def published(folder: Path | None) -> dict[str, Published]:
    """With Speech Commands its grid and the chip; without it what is said of their shape."""
    stand_in = "" if folder else STAND_IN
    values = {
        "share": Published(
            what="of what 15 % noise takes, brought back by 20 % in training",
            unit="%",
            value=round(grid.share(THEIRS, 0.2, 0.15), 1),
            how="simulated",
            where="google_voice_lstm_neurram48core.xlsx, Sheet2",
            low=70,
            high=120,
            why="on other data only the shape compares: most of the loss comes back",
            stand_in=stand_in,
        ),
        "price": Published(
            what="lost by 20 % noise in training, without noise in the test",
            unit="points",
            value=round(THEIRS[0.0][0.0] - THEIRS[0.2][0.0], 2),
            how="simulated",
            where="google_voice_lstm_neurram48core.xlsx, Sheet2",
            low=-0.5,
            high=3,
            why="about as much; a third of a point is one of 370 sequences",
            stand_in=stand_in,
        ),
        "chip": Published(
            what="lost from software to the chip, trained at 20 %",
            unit="points",
            value=round(SOFTWARE - MEASURED, 2),
            how="measured",
            where="google_voice_lstm_neurram48core.xlsx, Sheet1 (0.8806, measured 0.8466)",
            low=2.4,
            high=4.4,
            why="a point either way for other data",
            stand_in=stand_in,
            explained=Explained(
                low=-1,
                high=2.4,
                why="Nine speakers are told apart more easily than twelve classes of words: here 15 % "
                "noise on the weights costs networks that were trained with 20 % 1.3 points, and a die "
                "of `wan2022` has less error than that. NeuRRAM's few-bit states, which the measured "
                "loss contains, are not in the stand-in.",
            ),
        ),
    }
    if folder is not None:
        values |= {
            f"{noise:g} {level:g}": Published(
                what=f"accuracy, noise {noise:.0%} in training, {level:.0%} in the test",
                unit="%",
                value=THEIRS[noise][level],
                how="simulated",
                where="google_voice_lstm_neurram48core.xlsx, Sheet2",
                low=THEIRS[noise][level] - 5,
                high=100,
                why="ten words without the unknown and the silent are told apart more easily; never tried "
                "here",
            )
            for noise in TRAINED
            for level in TESTED
        }
    return values


def runs(quick: bool, folder: Path | None) -> list[dict[str, Any]]:
    """A network each."""
    data = "japanese-vowels" if folder is None else "speech-commands"
    if quick:
        size = {"samples": 60, "epochs": 1, "draws": 1}
        return [{"data": data, "seed": 1, "noise": n, "dies": int(n == 0.2), **size} for n in (0.0, 0.2)]
    size = {
        "samples": 370 if folder is None else 5000,
        "epochs": 120 if folder is None else 40,
        "draws": DRAWS,
    }
    return [
        {"data": data, "seed": seed, "noise": noise, "dies": DIES if noise in (0.0, 0.2) else 0, **size}
        for seed in range(1, NETWORKS + 1)
        for noise in TRAINED
    ]


def run(
    folder: Path | None, data: str, seed: int, noise: float, dies: int, samples: int, epochs: int, draws: int
) -> dict[str, Any]:
    """One network."""
    from ndrite.replicate import networks

    tensors = sequences(folder, samples, few=8 if epochs == 1 else None)
    width, classes = (32, 9) if folder is None else (112, 10)
    return grid.measured(
        lambda: networks.FourLstms(tensors[0].shape[2], width, classes),
        tensors,
        CHIP,
        seed=seed,
        noise=noise,
        tested=TESTED,
        draws=draws,
        dies=dies,
        epochs=epochs,
        rate=8e-3,
        batch=64,
    )


def sequences(folder: Path | None, samples: int, *, few: int | None = None) -> tuple[Any, Any, Any, Any]:
    """Tensors (n, T, coefficients), each coefficient with a deviation of 1, and classes."""
    from emulator.learning.training.extra import torch

    x, y, test, test_y = japanese_vowels() if folder is None else speech_commands(folder, most=few)
    scale = x.reshape(-1, x.shape[2]).std(axis=0)
    return (
        torch.from_numpy((x / scale).astype(np.float32)),
        torch.from_numpy(y.astype(np.int64)),
        torch.from_numpy((test[:samples] / scale).astype(np.float32)),
        torch.from_numpy(test_y[:samples].astype(np.int64)),
    )


def found(results: list[dict[str, Any]]) -> dict[str, Found]:
    """What is said of the grid's shape, and the grid."""
    values = {
        "share": grid.found_share(results, 0.2, 0.15),
        "price": grid.found_difference(grid.right(results, 0.0, 0.0), grid.right(results, 0.2, 0.0)),
        "chip": grid.found_difference(grid.right(results, 0.2, 0.0), grid.on_dies(results, 0.2)),
    }
    return values | grid.found_accuracies(results)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """The grid, and what an inference costs."""
    title = "accuracy, %"
    if results[0]["data"] == "japanese-vowels":
        title += (
            "; in brackets the published ones on Speech Commands, which are no figures to meet on other data"
        )
    return [
        grid.table(results, THEIRS, title),
        grid.costs(results, "one sequence on the first die, products alone"),
    ]
