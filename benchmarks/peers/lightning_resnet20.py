"""aihwkit-lightning 2.1 on ResNet-20's shapes: analog convolutions with 8-bit converters and output noise.

    python lightning_resnet20.py --batch 100

Prints JSON: the best of three batches, in training mode (its noise works in no other), without gradients and
without batch normalisation, one thread. Run by ``benchmarks/golden.py --peer``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from typing import Any

import torch
from aihwkit_lightning.nn import AnalogConv2d, AnalogLinear
from lightning import config
from torch import nn

torch.set_num_threads(1)


def convolution(inputs: int, outputs: int, side: int, stride: int) -> Any:
    return AnalogConv2d(
        inputs, outputs, side, stride=stride, padding=side // 2, bias=True, rpu_config=config()
    )


class Block(nn.Module):
    """Two convolutions and a shortcut, by 1 x 1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.first = convolution(inputs, outputs, 3, stride)
        self.second = convolution(outputs, outputs, 3, 1)
        self.shortcut = nn.Identity() if stride == 1 else convolution(inputs, outputs, 1, 2)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.first(x))
        return torch.relu(self.second(y) + self.shortcut(x))


def network() -> nn.Sequential:
    """ResNet-20 for maps of 32 x 32."""
    widths = [16, *[16] * 3, *[32] * 3, *[64] * 3]
    blocks = [Block(a, b) for a, b in itertools.pairwise(widths)]
    ends = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), AnalogLinear(64, 10, bias=True, rpu_config=config())]
    return nn.Sequential(convolution(3, 16, 3, 1), nn.ReLU(), *blocks, *ends)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=100)
    options = parser.parse_args()
    model, x = network().train(), torch.rand(options.batch, 3, 32, 32)
    times = []
    with torch.no_grad():
        model(x[:2])
        for _ in range(3):
            start = time.perf_counter()
            assert model(x).shape == (options.batch, 10)
            times.append(time.perf_counter() - start)
    print(json.dumps({"peer": "aihwkit-lightning", "samples_per_s": options.batch / min(times)}))
