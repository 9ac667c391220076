"""What every layer of neurons is: optional normalisation, a shift, a second operand, a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.learning.training.extra import torch
from emulator.learning.training.layers import SteppedOutput, along
from emulator.learning.training.view import FLOAT, ChipView
from emulator.network import Activation

if TYPE_CHECKING:
    from torch import Tensor

SHIFT = 0.3


def interpolate(u: Tensor, points: Tensor) -> Tensor:
    """The curve ``points`` (2, P) at ``u`` of any shape: linear between them, held at the ends."""
    x, y = points
    with torch.no_grad():
        right = torch.bucketize(u.detach().contiguous(), x).clamp(1, len(x) - 1)
        left, low = x[right - 1], y[right - 1]
        slope = (y[right] - low) / (x[right] - left)
    return low + slope * (u.clamp(float(x[0]), float(x[-1])) - left)


def interpolate_own(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Every neuron's own curve at ``u`` (n, M) or (n, M, H, W): ``y`` (M, P) over evenly spaced ``x`` (P,).

    Linear between the points, held at the ends; differentiable in ``u`` and ``y``.
    """
    points = len(x)
    at = ((u - x[0]) / (x[1] - x[0])).clamp(0.0, points - 1.0)
    with torch.no_grad():
        left = at.floor().clamp(max=points - 2.0)
        index = left.long() + along(points * torch.arange(len(y)), u)
    flat = y.reshape(-1)
    low = flat[index]
    return low + (at - left) * (flat[index + 1] - low)


class Normalise(torch.nn.Module):
    """Batch normalisation of every channel of (n, M) or (n, M, H, W), with a gain and shift of others."""

    running_mean: Tensor
    running_var: Tensor
    eps = 1e-5
    momentum = 0.1

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(outputs))
        self.register_buffer("running_var", torch.ones(outputs))

    def forward(self, v: Tensor, gain: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """The same shape; ``gain`` and ``shift`` (M,) are applied after it."""
        return torch.nn.functional.batch_norm(
            v, self.running_mean, self.running_var, gain, shift, self.training, self.momentum, self.eps
        )

    @property
    def spread(self) -> Tensor:
        """Deviation (M,) of the last batches' values."""
        return torch.sqrt(self.running_var + self.eps)

    def settle(self, v: Tensor) -> None:
        """Take mean and variance of ``v``."""
        others = [d for d in range(v.dim()) if d != 1]
        self.running_mean.copy_(v.mean(dim=others))
        self.running_var.copy_(v.var(dim=others))


class Neuron(torch.nn.Module):
    """Optional batch normalisation, a trainable shift, a second operand, then ``shape``; values from 0.

    Without normalisation ``shift`` is the layer's bias. ``spread`` and ``mean`` are what export folds. All
    take pre-activations (n, M) or maps of them (n, M, H, W).
    """

    def __init__(self, outputs: int, view: ChipView = FLOAT, *, normalise: bool = True) -> None:
        super().__init__()
        self.norm = Normalise(outputs) if normalise else None
        self.shift = torch.nn.Parameter(torch.full((outputs,), SHIFT))
        self.view = view

    def forward(
        self,
        v: Tensor,
        beside: Tensor | None = None,
        weight: Tensor | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """Outputs of sums ``v``; ``beside``: a second operand of that shape, with its weight (M,); ``added``:
        errors of the sums, which normalisation does not see."""
        gain = self.gain()
        shift = self.shift if gain is None else self.shift * gain
        if self.norm is None:
            z = (v if gain is None else v * along(gain, v)) + along(shift, v)
        else:
            z = self.norm(v, gain, shift)
        if added is not None:
            factor = 1.0 / self.spread() if gain is None else gain / self.spread()
            z = z + added * along(factor, v)
        if beside is not None and weight is not None:
            z = z + beside * along(weight if gain is None else weight * gain, v)
        y = self.shape(z)
        return SteppedOutput.apply(y) if self.bounded and self.view.output_codes and self.training else y

    @property
    def bounded(self) -> bool:
        """Whether outputs stay in 0..1 in training."""
        return True

    @property
    def beside_gain(self) -> float:
        """Factor on a second operand that makes its slope 1 when training starts."""
        return 1.0

    def gain(self) -> Tensor | None:
        """Factor (M,) on the pre-activation before ``shape``, for what is trained as one; None: 1."""
        return None

    def spread(self) -> Tensor:
        """What normalisation divides sums by, as last seen, (M,)."""
        return torch.ones_like(self.shift) if self.norm is None else self.norm.spread

    def unit(self) -> Tensor:
        """Sums (M,) that make one unit of every neuron's function, as last seen, without gradient."""
        gain = self.gain()
        return (self.spread() if gain is None else self.spread() / gain).detach()

    def held(self) -> Tensor:
        """What bias cells hold, in the unit of the sums, (M,), as last seen, without gradient."""
        mean = 0.0 if self.norm is None else self.norm.running_mean
        return (self.shift * self.spread() - mean).detach()

    def settle(self, v: Tensor, beside: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Set the normalisation's mean and variance to those of sums ``v``."""
        if self.norm is not None:
            self.norm.settle(v)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Divisor of the weights (M,) and bias (M,), float64."""
        if self.norm is None:
            return torch.ones_like(self.shift, dtype=torch.float64), self.shift.double()
        spread = torch.sqrt(self.norm.running_var.double() + self.norm.eps)
        return spread, self.shift.double() - self.norm.running_mean.double() / spread

    def shape(self, z: Tensor) -> Tensor:
        """Outputs of pre-activations ``z``, times the gain."""
        raise NotImplementedError

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """The float network's activation, divisor of this layer's z (M,), factor of the next layer's
        weights."""
        raise NotImplementedError
