"""Neurons a network is trained with: NDR, differentiable in peak voltage and current, and monotonic ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emulator.errors import EmulatorError
from emulator.learning.training.extra import torch
from emulator.learning.training.layers import SteppedOutput
from emulator.learning.training.view import FLOAT, ChipView
from emulator.network import Activation, Named, Ndr

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("ndr", "ndr-shared", "ndr-fixed", "relu", "sigmoid")
"""``ndr``: peak voltage and current of every neuron trained; ``ndr-shared``: one pair for the layer;
``ndr-fixed``: neither trained."""
SHIFT = 0.3
LOG_HEIGHT = -0.1


class Curve(torch.autograd.Function):
    """A tabulated curve f(u), linear between evenly spaced points, held at the ends; slope as gradient."""

    @staticmethod
    def forward(ctx: object, u: Tensor, start: float, step: float, values: Tensor) -> Tensor:
        """``u`` of any shape; ``values`` (P,) at start, start + step, ..."""
        last = len(values) - 1
        at = (u - start) / step
        inside = (at > 0) & (at < last)
        left = at.clamp(0, last - 1e-3).floor().long()
        low, high = values[left], values[left + 1]
        slope = (high - low) / step
        ctx.save_for_backward(slope * inside)  # type: ignore[attr-defined]
        y: Tensor = low + (high - low) * (at.clamp(0, last) - left)
        return y

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """The curve's slope."""
        (slope,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * slope, None, None, None


class Neuron(torch.nn.Module):
    """Optional batch normalisation, a trainable shift, then ``shape``; values in [0, 1].

    Without normalisation ``shift`` is the layer's bias. ``spread`` and ``mean`` are what export folds.
    """

    def __init__(self, outputs: int, view: ChipView = FLOAT, *, normalise: bool = True) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(outputs, affine=False) if normalise else None
        self.shift = torch.nn.Parameter(torch.full((outputs,), SHIFT))
        self.view = view

    def forward(self, v: Tensor) -> Tensor:
        """(n, M) to (n, M)."""
        y = self.shape((v if self.norm is None else self.norm(v)) + self.shift)
        return SteppedOutput.apply(y) if self.view.output_codes and self.training else y

    def settle(self, v: Tensor) -> None:
        """Set the normalisation's mean and variance to those of pre-activations ``v`` (n, M)."""
        if self.norm is not None:
            self.norm.running_mean.copy_(v.mean(dim=0))
            self.norm.running_var.copy_(v.var(dim=0))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Divisor of the weights (M,) and bias (M,), float64."""
        if self.norm is None:
            return torch.ones_like(self.shift, dtype=torch.float64), self.shift.double()
        spread = torch.sqrt(self.norm.running_var.double() + self.norm.eps)
        return spread, self.shift.double() - self.norm.running_mean.double() / spread

    def shape(self, z: Tensor) -> Tensor:
        """Outputs of pre-activations ``z`` (n, M)."""
        raise NotImplementedError

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """The float network's activation, divisor of this layer's z (M,), factor of the next layer's
        weights."""
        raise NotImplementedError


class NdrNeuron(Neuron):
    """``height * f(u)`` with u = z / peak, f the view's curve or u exp(1 - u) for u > 0.

    Trainable per neuron, or shared, or not at all: peak (the gain of the normalisation, so it has none of its
    own) and height within the view's range, both kept as logarithms.
    """

    values: Tensor

    def __init__(
        self,
        outputs: int,
        view: ChipView = FLOAT,
        *,
        normalise: bool = True,
        shared: bool = False,
        trainable: bool = True,
        height: float | None = None,
    ) -> None:
        super().__init__(outputs, view, normalise=normalise)
        count = 1 if shared else outputs
        low, high = (float(torch.tensor(h).log()) for h in view.heights)
        start = LOG_HEIGHT if height is None else float(torch.tensor(height).log())
        self.log_peak = torch.nn.Parameter(torch.zeros(count), requires_grad=trainable)
        start = min(max(start, low), high)
        self.log_height = torch.nn.Parameter(torch.full((count,), start), requires_grad=trainable)
        self.log_heights = (low, high)
        self.outputs = outputs
        self.absolute = height is not None
        if view.curve is not None:
            self.register_buffer("values", torch.tensor(view.curve[1], dtype=torch.float32))
            self.start, self.step = float(view.curve[0, 0]), float(view.curve[0, 1] - view.curve[0, 0])

    def shape(self, z: Tensor) -> Tensor:
        """(n, M) to (n, M), values in [0, 1]."""
        u = z * torch.exp(-self._log_peaks())
        height = torch.exp(self.log_height.clamp(*self.log_heights))
        if self.view.curve is not None:
            return height * Curve.apply(u, self.start, self.step, self.values)
        u = torch.relu(u)
        return height * u * torch.exp(1.0 - u)

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """Largest height made 1 and handed on to the next layer's weights, unless heights are absolute."""
        peak = torch.exp(self._log_peaks().double()).expand(self.outputs)
        height = torch.exp(self.log_height.double().clamp(*self.log_heights)).expand(self.outputs)
        scale = torch.ones(1, dtype=torch.float64) if self.absolute else height.max()
        curve = self.view.curve
        return (
            Ndr(
                _array(peak), _array(height / scale), None if curve is None else np.asarray(curve, np.float32)
            ),
            torch.ones(self.outputs, dtype=torch.float64),
            scale,
        )

    def _log_peaks(self) -> Tensor:
        if self.view.peaks is None:
            return self.log_peak
        # Factors are about the layer's middle peak, which the input gain of all its neurons is set for.
        low, high = (float(torch.tensor(p).log()) for p in self.view.peaks)
        middle = self.log_peak.mean()
        return middle + (self.log_peak - middle).clamp(low, high)


class MonotonicNeuron(Neuron):
    """ReLU or sigmoid with a trainable gain per neuron where the layer is normalised.

    ReLU is unbounded here; export divides by the largest activation seen when settling.
    """

    top: Tensor

    def __init__(
        self, outputs: int, view: ChipView = FLOAT, *, kind: str = "relu", normalise: bool = True
    ) -> None:
        super().__init__(outputs, view, normalise=normalise)
        self.kind = kind
        self.log_gain = torch.nn.Parameter(torch.zeros(outputs), requires_grad=normalise)
        self.register_buffer("top", torch.ones(1))

    def forward(self, v: Tensor) -> Tensor:
        """(n, M) to (n, M)."""
        return self.shape((v if self.norm is None else self.norm(v)) + self.shift)

    def shape(self, z: Tensor) -> Tensor:
        """(n, M) to (n, M)."""
        z = z * torch.exp(self.log_gain)
        return torch.relu(z) if self.kind == "relu" else torch.sigmoid(z)

    def settle(self, v: Tensor) -> None:
        """Normalisation, then the largest activation."""
        super().settle(v)
        if self.kind == "relu":
            self.top.fill_(float(self(v).max().clamp(min=1e-6)))

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """Gain and largest activation folded into weights."""
        return Named(self.kind), self.top.double() / torch.exp(self.log_gain.double()), self.top.double()


def _array(values: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = values.numpy().astype(np.float32)
    return array


def make_neuron(kind: str, outputs: int, view: ChipView = FLOAT, *, normalise: bool = True) -> Neuron:
    """A layer of neurons by name (``KINDS``).

    Raises
    ------
    EmulatorError
        When the name is unknown.
    """
    if kind not in KINDS:
        raise EmulatorError(f"neuron is {kind!r}; accepted: {', '.join(KINDS)}")
    if kind in ("relu", "sigmoid"):
        return MonotonicNeuron(outputs, view, kind=kind, normalise=normalise)
    return NdrNeuron(
        outputs, view, normalise=normalise, shared=kind == "ndr-shared", trainable=kind != "ndr-fixed"
    )
