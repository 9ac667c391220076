"""A residual network trained through a chip's errors, in a plain PyTorch loop: what it recovers.

    python examples/hardware_aware.py                            # five seeds, some minutes
    python examples/hardware_aware.py --seeds 1 --scale 3

A seed is a network of its own: trained in floats, then for as many epochs again, at the same rate, either in
floats or through ``ndrite.analog(...).train()``. Both are put on the same dies, and read with the die's
noise seed. ``recovered`` is the part of the float network's loss on the dies that training through errors
took back; "held to the clip" is the float network with the same limit on its weights, not trained so. Its
interval is over seeds (t law); all see the same training pictures and the same test pictures. The clip was
chosen of five with seed 0, which is not among the seeds.
Needs ndrite[train] and Fashion-MNIST's training images (Debian's package dataset-fashion-mnist, or --folder).
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import ndrite
from ndrite import intervals

BATCH, RATE = 100, 0.01


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions beside a straight connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Any) -> Any:
        return torch.relu(x + self.layers(x))


def network() -> nn.Module:
    stem = [nn.Conv2d(1, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, Residual(16), Residual(16), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(784, 10))


def train(model: Any, x: Any, labels: Any, epochs: int, rate: float) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * len(x) // BATCH)
    model.train()
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(BATCH):
            loss = functional.cross_entropy(model(x[part]), labels[part], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()


def accuracy(model: Any, x: Any, labels: Any) -> float:
    """Of all test pictures, in percent."""
    right = 0
    with torch.no_grad():
        for start in range(0, len(x), 500):
            if hasattr(model, "ndrite"):
                model.ndrite.first_index = start
            answers = model(x[start : start + 500]).argmax(dim=1)
            right += int((answers == labels[start : start + 500]).sum())
    return 100 * right / len(x)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--scale", type=float, default=2.0, help="factor on its programming error and drift")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--dies", type=int, default=3)
    parser.add_argument(
        "--epochs", type=int, default=4, help="in floats, and again in floats or through errors"
    )
    parser.add_argument("--train", type=int, default=20_000, help="training pictures")
    parser.add_argument("--clip", type=float, default=1.5, help="clip_rms of training through errors")
    parser.add_argument("--folder", help="folder with Fashion-MNIST's training files")
    options = parser.parse_args()

    chip = ndrite.load_chip(options.chip)
    chip = dataclasses.replace(chip, cell=dataclasses.replace(chip.cell, error_scale=options.scale))
    data = ndrite.data_set("fashion-mnist", options.folder)
    images, classes = data.x[: options.train], data.labels[: options.train]
    x, labels = torch.tensor(images / 255).float().view(-1, 1, 28, 28), torch.tensor(classes).long()
    test_x = torch.tensor(data.test_x / 255).float().view(-1, 1, 28, 28)
    test_labels = torch.tensor(data.test_labels).long()

    def on_dies(model: Any, clip: float | None) -> list[float]:
        chips = (
            ndrite.analog(model, chip, samples=x[:512], seed=die, clip_rms=clip)
            for die in range(options.dies)
        )
        return [accuracy(c, test_x, test_labels) for c in chips]

    print(
        f"{options.chip} at {options.scale:g} times its error; accuracies in percent, {len(test_x)} pictures"
    )
    print("seed  float  on dies  held to the clip  trained  recovered")
    recovered = []
    for seed in range(options.first, options.first + options.seeds):
        torch.manual_seed(seed)
        plain = network()
        train(plain, x, labels, options.epochs, RATE)
        through = ndrite.analog(
            copy.deepcopy(plain), chip, samples=x[:512], seed=1000 + seed, clip_rms=options.clip
        )
        train(through, x, labels, options.epochs, RATE)
        train(plain, x, labels, options.epochs, RATE)
        trained = network().eval()
        trained.load_state_dict(through.state_dict())
        known = accuracy(plain, test_x, test_labels)
        before, held = on_dies(plain, None), on_dies(plain, options.clip)
        after = on_dies(trained, options.clip)
        recovered.append((np.mean(after) - np.mean(before)) / (known - np.mean(before)))
        print(
            f"{seed:4}  {known:5.2f}  {np.mean(before):7.2f}  {np.mean(held):16.2f}  {np.mean(after):7.2f}"
            f"  {recovered[-1]:9.2f}"
            f"   dies {', '.join(f'{b:.2f} -> {a:.2f}' for b, a in zip(before, after, strict=True))}",
            flush=True,
        )
    mean, half = intervals.mean_interval(np.array(recovered))
    print(f"recovered {mean:.2f}" + ("" if half is None else f" ({mean - half:.2f} .. {mean + half:.2f})"))


if __name__ == "__main__":
    main()
