"""Crossbars a network is trained through: levels, programming error, read noise, converters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.learning.training.extra import torch
from emulator.learning.training.view import FLOAT, ChipView

if TYPE_CHECKING:
    from torch import Tensor

RANGE_MEMORY = 0.95
"""Decay per step of the running range a converter is set to."""


class Crossbar(torch.nn.Module):
    """Linear map held by differential pairs of cells, read through converters.

    Weights (K, M). Each column is limited to ``view.clip_rms`` times its root mean square; that limit is the
    weight the compiler maps to the largest conductance. In training the forward pass sees the nearest
    level plus a fresh draw of programming error of both cells and of read noise, and tile by tile the
    converter's range, rounding and noise; the gradient goes straight through to the limited float weights,
    which evaluation and export use.

    Parameters
    ----------
    inputs, outputs:
        K and M.
    view:
        The chip; ``FLOAT`` makes it a plain matrix.
    """

    sigma_by_level: Tensor
    reach: Tensor

    def __init__(self, inputs: int, outputs: int, view: ChipView = FLOAT) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(inputs, outputs) * (2.0 / inputs) ** 0.5)
        self.view = view
        self.steps = view.levels - 1
        if view.sigma is not None:
            sigma = view.noise_scale * (view.sigma**2 + view.read_noise**2) ** 0.5
            self.register_buffer("sigma_by_level", torch.tensor(sigma, dtype=torch.float32))
        if view.adc_bits is not None:
            self.register_buffer("reach", torch.zeros(outputs))

    def limited(self) -> tuple[Tensor, Tensor]:
        """Float weights within each column's limit (K, M), and the limits (1, M)."""
        if self.view.clip_rms is None:
            return self.weight, self.weight.detach().abs().amax(dim=0, keepdim=True)
        limit = self.view.clip_rms * self.weight.detach().square().mean(dim=0, keepdim=True).sqrt()
        return self.weight.clamp(-limit, limit), limit

    def forward(self, x: Tensor) -> Tensor:
        """(n, K) to (n, M)."""
        weight, limit = self.limited()
        if not self.training:
            return x @ weight
        if self.view.sigma is not None:
            with torch.no_grad():
                level = (weight / limit * self.steps).round()
                sigma = self.sigma_by_level[level.abs().long()]
                error = (level / self.steps + sigma * torch.randn_like(weight)) * limit - weight
            weight = weight + error
        if self.view.adc_bits is None:
            return x @ weight
        return self._converted(x, weight, self.view.adc_bits)

    def _converted(self, x: Tensor, weight: Tensor, bits: int) -> Tensor:
        rows = self.view.tile_rows
        tiles = -(-x.shape[1] // rows)
        pad = tiles * rows - x.shape[1]
        if pad:
            x = torch.nn.functional.pad(x, (0, pad))
            weight = torch.nn.functional.pad(weight, (0, 0, 0, pad))
        sums = torch.bmm(x.view(len(x), tiles, rows).transpose(0, 1), weight.view(tiles, rows, -1))
        with torch.no_grad():
            now = torch.maximum(sums.amax(dim=(0, 1)), -sums.amin(dim=(0, 1)))
            fresh = self.reach == 0
            self.reach.copy_(torch.where(fresh, now, RANGE_MEMORY * self.reach + (1 - RANGE_MEMORY) * now))
            step = self.reach.clamp(min=1e-9) * (2.0 / (2**bits - 1))
        limited = torch.clamp(sums, -self.reach, self.reach)
        with torch.no_grad():
            error = limited.div(step).round_().mul_(step).sub_(limited).sum(dim=0)
            if self.view.adc_noise:
                # Noise of every tile's conversion, drawn at once for their sum.
                error += torch.randn_like(error) * (step * self.view.adc_noise * tiles**0.5)
        total: Tensor = limited.sum(dim=0) + error
        return total


class SteppedOutput(torch.autograd.Function):
    """Outputs 0..1 rounded to 255 steps, gradient straight through inside the range."""

    @staticmethod
    def forward(ctx: object, y: Tensor) -> Tensor:
        """``y`` of any shape."""
        ctx.save_for_backward((y >= 0) & (y <= 1))  # type: ignore[attr-defined]
        stepped: Tensor = (y.clamp(0, 1) * 255).round() / 255
        return stepped

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        """The gradient where the output was inside 0..1."""
        (inside,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * inside
