"""Four PyTorch models on a chip: a ResNet-18, an LSTM, a small transformer and a U-Net.

    python examples/any_model.py                       # all four, some minutes
    python examples/any_model.py lstm transformer --board sim: --first 4
    python examples/any_model.py resnet --chip ibm-cmo-hfox-2 --dies 3

Each is an ordinary module, trained here for a short while in floats; ``ndrite.analog``
puts its products on a die. Needs ndrite[train], Fashion-MNIST's training images
(Debian's package dataset-fashion-mnist, or --folder) and, for the LSTM and the
transformer, the package aeon (pip install --no-deps aeon), which carries
JapaneseVowels. The U-Net takes noise off pictures: its measure is the part of pixels
that it rightly calls clothing or not. With a board other than golden: the first --first
samples are read on it and on the golden model, and every bit is compared.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import ndrite
from ndrite import intervals

Data = tuple[Any, Any, Any, Any]
"""Samples and labels to train with, and to test."""


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.beside: nn.Module = nn.Identity()
        if stride > 1:
            self.beside = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Any) -> Any:
        y = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
        return torch.relu(y + self.beside(x))


def resnet() -> nn.Module:
    stem = [nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [b for i, o, stride in widths for b in (Block(i, o, stride), Block(o, o, 1))]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Lstm(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, 32, batch_first=True)
        self.head = nn.Linear(32, 9)

    def forward(self, x: Any) -> Any:
        return self.head(self.lstm(x)[0][:, -1])


class Transformer(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(12, 32)
        self.place = nn.Parameter(0.1 * torch.randn(29, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 9)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(self.embed(x) + self.place).mean(dim=1))


class UNet(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()

        def double(inputs: int, outputs: int) -> nn.Module:
            first, second = (
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.Conv2d(outputs, outputs, 3, padding=1),
            )
            return nn.Sequential(
                first, nn.BatchNorm2d(outputs), nn.ReLU(), second, nn.BatchNorm2d(outputs), nn.ReLU()
            )

        self.down = nn.ModuleList([double(1, 8), double(8, 16), double(16, 32)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
        self.join = nn.ModuleList([double(32, 16), double(16, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Any) -> Any:
        a = self.down[0](x)
        b = self.down[1](functional.max_pool2d(a, 2))
        y = self.up[0](self.down[2](functional.max_pool2d(b, 2)))
        y = self.up[1](self.join[0](torch.cat([b, y], dim=1)))
        return self.head(self.join[1](torch.cat([a, y], dim=1)))


def fashion(folder: str | None, count: int) -> Data:
    """Pictures (n, 1, 28, 28) in 0..1 and their classes; ``count`` of the training set."""
    data = ndrite.data_set("fashion-mnist", folder)
    sets = [(data.x[:count], data.labels[:count]), (data.test_x, data.test_labels)]
    return tuple(  # type: ignore[return-value]
        part
        for x, y in sets
        for part in (torch.tensor(x / 255).float().view(-1, 1, 28, 28), torch.tensor(y).long())
    )


def noisy(folder: str | None, count: int) -> Data:
    """Pictures with noise, and whether each pixel is of the clothing: (n,
    28, 28) of 0 and 1."""
    x, _, test_x, _ = fashion(folder, count)
    torch.manual_seed(3)
    parts = [part for p in (x, test_x) for part in (p + 0.5 * torch.randn_like(p), (p[:, 0] > 0).long())]
    return tuple(parts)  # type: ignore[return-value]


def vowels(folder: str | None, count: int) -> Data:
    """Sequences (n, 29, 12), each coefficient with a deviation of 1, and speakers."""
    x, y, test_x, test_y = (torch.tensor(np.asarray(v)) for v in ndrite.networks.japanese_vowels())
    scale = x.flatten(0, 1).std(dim=0)
    return (x / scale).float(), y.long(), (test_x / scale).float(), test_y.long()


MODELS: dict[str, tuple[Callable[[], Any], Callable[[str | None, int], Data], int, int, float]] = {
    "resnet": (resnet, fashion, 20_000, 1, 0.002),
    "lstm": (Lstm, vowels, 0, 150, 0.005),
    "transformer": (Transformer, vowels, 0, 100, 0.003),
    "unet": (UNet, noisy, 4_000, 2, 0.005),
}
"""Module, data, training samples, epochs, learning rate."""


def train(model: Any, x: Any, labels: Any, epochs: int, rate: float) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    steps = epochs * -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            loss = functional.cross_entropy(model.train()(x[part]), labels[part], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def right(model: Any, x: Any, labels: Any, batch: int = 250) -> Any:
    """Part of a sample's answers (of a picture, or of its pixels) that are right, (n,)."""
    found = []
    with torch.no_grad():
        for start in range(0, len(x), batch):
            if hasattr(model, "ndrite"):
                model.ndrite.first_index = start  # samples are numbered through, for their read noise
            same = model.eval()(x[start : start + batch]).argmax(dim=1) == labels[start : start + batch]
            found.append(same.double().reshape(len(same), -1).mean(dim=1))
    return torch.cat(found).numpy()


def said(values: Any) -> str:
    """Mean and its 95 % interval over samples."""
    if set(values.tolist()) <= {0.0, 1.0}:
        return intervals.percent(float(values.mean()), len(values))
    mean, half = intervals.mean_interval(values)
    return f"{100 * mean:.2f} % ({100 * (mean - (half or 0)):.2f} .. {100 * (mean + (half or 0)):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], help="all four by default")
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--dies", type=int, default=1)
    parser.add_argument("--test", type=int, default=1000, help="test samples")
    parser.add_argument("--board", default="golden:")
    parser.add_argument("--first", type=int, default=4, help="samples compared with the golden model")
    parser.add_argument("--folder", help="folder with Fashion-MNIST's training files")
    options = parser.parse_args()
    for name in options.models or MODELS:
        make, data, count, epochs, rate = MODELS[name]
        torch.manual_seed(0)
        x, labels, test_x, test_labels = data(options.folder, count)
        test_x, test_labels = test_x[: options.test], test_labels[: options.test]
        model = make()
        began = time.perf_counter()
        train(model, x, labels, epochs, rate)
        print(f"\n{name}: trained on {len(x)} samples, {epochs} epochs, {time.perf_counter() - began:.0f} s")
        print(f"float    {said(right(model, test_x, test_labels))} of {len(test_x)} samples")
        for die in range(options.dies):
            began = time.perf_counter()
            chip = ndrite.analog(model, options.chip, samples=x[:512], seed=die, progress=lambda *_: None)
            mapped = time.perf_counter() - began
            accuracy = said(right(chip, test_x, test_labels))
            print(f"die {die}    {accuracy}, mapped in {mapped:.1f} s", flush=True)
        print(chip.ndrite.table())
        low, typical, high = (f"{v / 1e3:.3g}" for v in ndrite.cost_of(chip, test_x[:8]).total.energy_pJ)
        print(f"energy   {typical} nJ ({low} .. {high}) a sample, products alone, modelled")
        if options.board != "golden:":
            chip = ndrite.analog(model, options.chip, samples=x[:512])
            other = ndrite.analog(model, options.chip, samples=x[:512], board=options.board)
            with torch.no_grad():
                differ = int((chip(test_x[: options.first]) != other(test_x[: options.first])).sum())
            print(f"{options.board} against golden: {differ} values differ, {options.first} samples")


if __name__ == "__main__":
    main()
