"""What a network is trained through: a crossbar's weights (levels, programming error) and NDR neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emulator.physics.rram import ProgrammingError
from emulator.training.extra import torch

if TYPE_CHECKING:
    from torch import Tensor


class Crossbar(torch.nn.Module):
    """Linear map held by differential pairs of cells with ``levels`` levels each.

    Weights (K, M). Each column is limited to ``clip_rms`` times its root mean square; that limit is the
    weight the compiler maps to the largest conductance. In training the forward pass sees the nearest
    level plus a fresh draw of programming error of both cells and of read noise; the gradient goes straight
    through to the limited float weights, which evaluation and export use.

    Parameters
    ----------
    inputs, outputs:
        K and M.
    error:
        Programming error model; ``g_max_uS`` is its largest conductance in use.
    read_noise:
        Standard deviation of an effective weight at a read, as a fraction of ``g_max_uS``.
    noise_scale:
        Factor on both noises in training.
    """

    sigma_by_level: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        error: ProgrammingError,
        g_max_uS: float,
        levels: int,
        read_noise: float,
        clip_rms: float,
        noise_scale: float,
    ) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(inputs, outputs) * (2.0 / inputs) ** 0.5)
        self.steps = levels - 1
        self.clip_rms = clip_rms
        targets = np.linspace(0.0, g_max_uS, levels)
        sigma = np.hypot(error.sigma(targets), error.sigma(0.0)) / g_max_uS
        sigma = noise_scale * np.hypot(sigma, read_noise)
        self.register_buffer("sigma_by_level", torch.tensor(sigma, dtype=torch.float32))

    def limited(self) -> tuple[Tensor, Tensor]:
        """Float weights within each column's limit (K, M), and the limits (1, M)."""
        limit = self.clip_rms * self.weight.detach().square().mean(dim=0, keepdim=True).sqrt()
        return self.weight.clamp(-limit, limit), limit

    def forward(self, x: Tensor) -> Tensor:
        """(n, K) to (n, M)."""
        weight, limit = self.limited()
        if self.training:
            with torch.no_grad():
                level = (weight / limit * self.steps).round()
                sigma = self.sigma_by_level[level.abs().long()]
                error = (level / self.steps + sigma * torch.randn_like(weight)) * limit - weight
            weight = weight + error
        return x @ weight


class NdrNeuron(torch.nn.Module):
    """Batch normalisation, then ``height * (u exp(1 - u) for u > 0)`` with u = (v + shift) / peak.

    Trainable per neuron: shift, peak (the gain of the normalisation, so it has none of its own) and
    height in (0, 1].
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(outputs, affine=False)
        self.shift = torch.nn.Parameter(torch.full((outputs,), 0.3))
        self.log_peak = torch.nn.Parameter(torch.zeros(outputs))
        self.log_height = torch.nn.Parameter(torch.full((outputs,), -0.1))

    def forward(self, v: Tensor) -> Tensor:
        """(n, M) to (n, M), values in [0, 1]."""
        u = torch.relu((self.norm(v) + self.shift) * torch.exp(-self.log_peak))
        return torch.exp(self.log_height.clamp(max=0.0)) * u * torch.exp(1.0 - u)
