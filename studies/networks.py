"""The publications' networks as PyTorch modules."""

from __future__ import annotations

from typing import Any

from emulator.learning.training.extra import torch
from studies.noisy import FewBits

nn = torch.nn


def seven_layers(bits: int) -> Any:
    """NeuRRAM's network for MNIST: maps (n, 1, 28, 28) to 10 logits; activations of ``bits``."""
    layers, channels = [], 1
    for i, width in enumerate((8, 8, 16, 16, 32, 32)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), FewBits(bits)]
        channels = width
        if i % 2:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


class Block(torch.nn.Module):
    """Two convolutions beside what they were given."""

    def __init__(self, inputs: int, outputs: int, bits: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            FewBits(bits),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.beside = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()
        self.after = FewBits(bits)

    def forward(self, x: Any) -> Any:
        """Maps (n, inputs, H, W) to (n, outputs, H, W) or half as high and wide."""
        return self.after(self.main(x) + self.beside(x))


def resnet20(channels: int, width: int, bits: int) -> Any:
    """Three stages of three blocks, of ``width``, twice and four times as many channels; 10 logits."""
    layers = [nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), FewBits(bits)]
    widths = [width] * 3 + [2 * width] * 3 + [4 * width] * 3
    layers += [Block(a, b, bits) for a, b in zip([width, *widths], widths, strict=False)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))


def convolutions(dimensions: int, channels: int, width: int, classes: int) -> Any:
    """Four convolutions and a full layer: (n, channels, T) of one dimension, or (n, channels, H, W)."""
    convolution, norm, mean = (
        (nn.Conv1d, nn.BatchNorm1d, nn.AdaptiveAvgPool1d)
        if dimensions == 1
        else (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d)
    )
    layers: list[Any] = []
    for inputs, outputs, stride in (
        (channels, width, 1),
        (width, width, 2),
        (width, 2 * width, 1),
        (2 * width, 2 * width, 2),
    ):
        layers += [convolution(inputs, outputs, 3, stride, 1, bias=False), norm(outputs), nn.ReLU()]
    return nn.Sequential(*layers, mean(1), nn.Flatten(), nn.Linear(2 * width, classes))


class FourLstms(torch.nn.Module):
    """LSTMs on the same inputs, a full layer on the last state of each, logits added."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.LSTM(inputs, width, batch_first=True) for _ in range(4))
        self.heads = nn.ModuleList(nn.Linear(width, classes) for _ in range(4))

    def forward(self, x: Any) -> Any:
        """Sequences (n, T, inputs) to logits (n, classes)."""
        parts = zip(self.blocks, self.heads, strict=True)
        return torch.stack([head(block(x)[0][:, -1]) for block, head in parts]).sum(dim=0)
