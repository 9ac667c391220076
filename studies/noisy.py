"""NeuRRAM's network for MNIST, trained as its authors do it: few-bit activations,
noise on the weights.

The noise is Gaussian, relative to the largest weight of each layer, and drawn anew for
every batch; biases have it too (W. Wan et al., Nature 608, 504, 2022, and
github.com/weierwan/Neurram_48core).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.learning.training.view import torch
from studies.runs import Bools

if TYPE_CHECKING:
    from torch import Tensor

nn = torch.nn
TEST_BATCH = 500


class FewBits(torch.nn.Module):
    """A ReLU whose outputs are quantised to 2^bits values up to a learned maximum
    (PACT, arXiv 1805.06085), with a straight-through gradient."""

    def __init__(self, bits: int, top: float = 3.0) -> None:
        super().__init__()
        self.steps = (1 << bits) - 1
        self.top = torch.nn.Parameter(torch.tensor(top))

    def forward(self, x: Tensor) -> Tensor:
        """Clip and quantise each value; the gradient is that of the clipping alone."""
        step = self.top.detach() / self.steps
        clipped = x.clamp(min=0).minimum(self.top)
        # The term ``clipped - clipped.detach()`` has the value 0 and carries the gradient.
        return (clipped.detach() / step).round_().mul_(step) + (clipped - clipped.detach())


def seven_layers(bits: int) -> torch.nn.Module:
    """Build the network from maps (n, 1, 28, 28) to 10 logits, with activations
    of ``bits`` bits."""
    layers, channels = [], 1
    for i, width in enumerate((8, 8, 16, 16, 32, 32)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), FewBits(bits)]
        channels = width
        if i % 2:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def few_bits(x: npt.NDArray[np.uint8], bits: int) -> Tensor:
    """Quantise grey values to 2^bits values 0..1, float32 of the same shape."""
    steps = (1 << bits) - 1
    return torch.from_numpy(np.rint(x.astype(np.float32) * (steps / 255)) / np.float32(steps))


def noisy_weights(model: torch.nn.Module, level: float) -> dict[str, Tensor]:
    """Return weights and biases by name with added noise. The standard deviation of the
    noise is ``level`` times each layer's largest weight."""
    noisy: dict[str, Tensor] = {}
    for path, module in model.named_modules():
        parameters = dict(module.named_parameters(path, recurse=False))
        matrices = [p for p in parameters.values() if p.dim() > 1]
        if matrices:
            sigma = level * max(float(p.detach().abs().max()) for p in matrices)
            noisy |= {name: p + sigma * torch.randn_like(p) for name, p in parameters.items()}
    return noisy


class Recipe(NamedTuple):
    """Settings of a training run: epochs, largest learning rate, noise on the weights
    as for ``noisy_weights``, and batch size."""

    epochs: int
    rate: float
    noise: float
    batch: int = 128


def train(model: torch.nn.Module, x: Tensor, labels: Tensor, recipe: Recipe) -> None:
    """Train with Adam and a one-cycle schedule. PyTorch's random generator determines
    sample order and noise."""
    epochs, rate, noise, batch = recipe
    optimiser = torch.optim.Adam(model.parameters(), rate)
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(batch):
            sums = torch.func.functional_call(model, noisy_weights(model, noise), (x[part],))
            loss = nn.functional.cross_entropy(sums, labels[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()


def right(model: torch.nn.Module, x: Tensor, labels: Tensor) -> Bools:
    """Return, for each sample, whether the answer of a network, in floats or on a
    die, is right, (n,)."""
    right_parts = []
    with torch.no_grad():
        for start in range(0, len(x), TEST_BATCH):
            if hasattr(model, "ndrite"):
                model.ndrite.first_index = start
            part = slice(start, start + TEST_BATCH)
            right_parts.append(model(x[part]).argmax(dim=1) == labels[part])
    return np.asarray(torch.cat(right_parts))
