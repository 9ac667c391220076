"""aihwkit-lightning 2.1 on a ResNet's shapes: analog convolutions, 8-bit
converters, output noise.

    python lightning_resnet.py --network ResNet-20 --batch 100

Prints JSON: the best of three batches, in training mode (its noise works in no other),
without gradients and without batch normalisation, one thread. Run by
``benchmarks/golden.py --peer``.
"""

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
    """A residual block: two convolutions and a shortcut, which is a 1 x 1 convolution
    if the shape changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.first = convolution(inputs, outputs, 3, stride)
        self.second = convolution(outputs, outputs, 3, 1)
        self.shortcut = nn.Identity() if stride == 1 else convolution(inputs, outputs, 1, 2)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.first(x))
        return torch.relu(self.second(y) + self.shortcut(x))


NETWORKS = {
    "ResNet-20": (32, [convolution(3, 16, 3, 1), nn.ReLU()], (16, 32, 64), 3, 10),
    "ResNet-18": (
        224,
        [convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)],
        (64, 128, 256, 512),
        2,
        1000,
    ),
}
"""Side of its maps, first layers, channels of the stages, blocks of a stage, classes."""


def network(name: str) -> nn.Sequential:
    """Build the network ``name`` of ``NETWORKS``."""
    _, stem, stages, count, classes = NETWORKS[name]
    widths = [stages[0], *(width for width in stages for _ in range(count))]
    blocks = [Block(a, b) for a, b in itertools.pairwise(widths)]
    last = AnalogLinear(stages[-1], classes, bias=True, rpu_config=config())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=NETWORKS, default="ResNet-20")
    parser.add_argument("--batch", type=int, default=100)
    options = parser.parse_args()
    side, *_, classes = NETWORKS[options.network]
    model, x = network(options.network).train(), torch.rand(options.batch, 3, side, side)
    times = []
    with torch.no_grad():
        model(x[:2])
        for _ in range(3):
            start = time.perf_counter()
            assert model(x).shape == (options.batch, classes)
            times.append(time.perf_counter() - start)
    print(json.dumps({"peer": "aihwkit-lightning", "samples_per_s": options.batch / min(times)}))
