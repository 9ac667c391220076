"""Neurons and bases of NDR devices as PyTorch modules, for your own networks
(``ndrite[train]``).

A module built with them trains like any other, and ``ndrite.compile`` maps it with the
devices of the chip: each neuron keeps its own peak and height, which the chip's ECRAM
sets. The devices travel through ONNX as functions of the domain ``ndrite``, which any
runtime can run and the importer reads.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.network.importing.composite import DOMAIN, NDR, NDR_CURVE

HEIGHT = 0.9
"""Initial height of neurons, from which the ECRAM can move it up and down."""
APART = 0.01
"""Standard deviation of the logarithms of initial peaks, if each channel has a device
of its own: equal devices would be trained as one."""


class Ndr(torch.nn.Module):
    """The activation ``height * f(x / peak)``: one device per channel, each with its
    own peak and height.

    Takes (n, M) or (n, M, H, W). ``f`` rises to 1 at 1 and falls: ``u * exp(1 - u)``
    for u > 0, or ``curve`` float (2, P): evenly spaced u, then f(u) in 0..1, linear
    between and held at the ends.

    Parameters
    ----------
    features:
        M.
    curve:
        The device's own shape; None: the tunnel diode's.
    trainable:
        Whether peaks and heights are trained.
    height:
        Where heights begin, 0..1.

    Raises
    ------
    EmulatorError
        When the curve or the height is not one, or ``forward`` gets other channels.
    """

    values: Tensor

    def __init__(
        self,
        features: int,
        curve: npt.NDArray[np.floating] | None = None,
        *,
        trainable: bool = True,
        height: float = HEIGHT,
    ) -> None:
        super().__init__()
        require(0 < height <= 1, "height", height, "above 0, at most 1", EmulatorError)
        self.features = features
        self.log_peak = torch.nn.Parameter(torch.zeros(features), requires_grad=trainable)
        start = float(np.log(height))
        self.log_height = torch.nn.Parameter(torch.full((features,), start), requires_grad=trainable)
        self.axis: tuple[float, float] | None = None
        if curve is not None:
            points = np.asarray(curve, np.float64)
            if points.ndim != 2 or len(points) != 2 or not ((points[1] >= 0) & (points[1] <= 1)).all():
                raise EmulatorError(f"curve is {points.shape}; accepted: (2, P), u, then f(u) in 0..1")
            u, f = points
            steps = np.diff(u)
            if len(u) < 2 or steps[0] <= 0 or np.abs(steps - steps[0]).max() > 1e-6 * np.abs(u).max():
                raise EmulatorError("curve has uneven u; accepted: (2, P), evenly spaced and rising")
            self.axis = float(u[0]), float(steps.mean())
            self.register_buffer("values", torch.tensor(f, dtype=torch.float32))

    def extra_repr(self) -> str:
        """Describe the number of devices and their curve, for ``print``."""
        return f"{self.features}" + ("" if self.axis is None else f", curve of {len(self.values)} points")

    def forward(self, x: Tensor, times: int = 1) -> Tensor:
        """Return the activations of ``x``, between 0 and each device's height, in the
        shape of ``x``. Each device serves ``times`` adjacent channels."""
        shape = (-1, *[1] * (x.dim() - 2))
        peak, height = (
            torch.exp(v).view(-1, 1).expand(-1, times).reshape(shape)
            for v in (self.log_peak, self.log_height.clamp(max=0.0))
        )
        curve = None if self.axis is None else (self.values, *self.axis)
        if torch.onnx.is_in_onnx_export():
            points = () if curve is None else (curve[0], *(x.new_tensor(v) for v in curve[1:]))
            exported: Tensor = _Exported.apply(x, peak, height, *points)
            return exported
        _check_channels(x, self.features * times)
        return device(x, peak, height, curve)


class Bases(torch.nn.Module):
    """Applies ``count`` curves to every channel and concatenates the results: maps (n,
    C, ..) to (n, count * C, ..), all channels of the first curve first.

    Basis k of channel c is an NDR device of ``gain_k * (x_c - low_c) / (high_c - low_c)
    + shift_k``. A Linear layer after them sums them up: together they are a
    Kolmogorov-Arnold layer. Peaks begin evenly spread.

    Parameters
    ----------
    channels, count:
        C, and the curves of each.
    low, high:
        Range of the inputs, one number or one per channel.
    each:
        Whether every channel's devices are tuned by themselves; else all of a basis are
        alike. The former begin a little apart.
    spread:
        Peak voltages that the inputs span, times ``count``. Fits want less than
        training does (0.5), as narrow curves leave ripples.
    curve:
        As ``Ndr``'s.
    """

    low: Tensor
    span: Tensor

    def __init__(
        self,
        channels: int,
        count: int,
        *,
        low: float | npt.ArrayLike = 0.0,
        high: float | npt.ArrayLike = 1.0,
        each: bool = False,
        spread: float = 1.0,
        curve: npt.NDArray[np.floating] | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.count, self.each = channels, count, each
        ends = [np.broadcast_to(np.asarray(v, np.float32), (channels,)).copy() for v in (low, high)]
        require(bool((ends[1] > ends[0]).all()), "low", low, f"below high, {high!r}", EmulatorError)
        self.register_buffer("low", torch.from_numpy(ends[0]))
        self.register_buffer("span", torch.from_numpy(ends[1] - ends[0]))
        gain = spread * count
        centres = (torch.arange(count) + 0.5) / count
        self.log_gain = torch.nn.Parameter(torch.full((count,), float(np.log(gain))))
        self.shift = torch.nn.Parameter(1.0 - gain * centres)
        self.ndr = Ndr(count * channels if each else count, curve)
        if each:
            torch.nn.init.normal_(self.ndr.log_peak, std=APART)

    def forward(self, x: Tensor) -> Tensor:
        """Return the curves' values (n, count * C, ..) of inputs (n, C, ..)."""
        _check_channels(x, self.channels)
        shape = (-1, *[1] * (x.dim() - 2))
        gain, low, span = torch.exp(self.log_gain), self.low.view(shape), self.span.view(shape)
        parts = [(x - low) * (gain[k] / span) + self.shift[k] for k in range(self.count)]
        devices: Tensor = self.ndr(torch.cat(parts, dim=1), 1 if self.each else self.channels)
        return devices


def _check_channels(x: Tensor, channels: int) -> None:
    """Raise an error if the number of channels of ``x`` does not fit the devices. While
    a graph is traced the check is skipped, since the module has run before."""
    channel_count = x.shape[min(1, x.dim() - 1)]
    if not torch.onnx.is_in_onnx_export() and channel_count != channels:
        accepted = f"{channels}, for compile with input_shape where samples are flat"
        raise EmulatorError(f"x has {channel_count} channels, shape {tuple(x.shape)}; accepted: {accepted}")


def device(x: Tensor, peak: Tensor, height: Tensor, curve: tuple[Tensor, float, float] | None) -> Tensor:
    """Compute ``height * f(x / peak)``. ``curve`` has three parts: the values of f at
    equidistant points, the first of these points, and their distance."""
    u = x / peak
    if curve is None:
        u = torch.relu(u)
        return height * u * torch.exp(1.0 - u)
    values, first, step = curve
    position = ((u - first) / step).clamp(0.0, len(values) - 1.0)
    left = position.detach().floor().clamp(max=len(values) - 2.0)
    low, high = values[left.long()], values[left.long() + 1]
    return height * (low + (position - left) * (high - low))


class _Exported(torch.autograd.Function):
    """The function ``device`` as an autograd function, so that an exported graph has a
    single node for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, peak: Tensor, height: Tensor, *points: Tensor) -> Tensor:
        """Return the values of ``device``."""
        curve = (points[0], float(points[1]), float(points[2])) if points else None
        return device(x, peak, height, curve)

    @staticmethod
    def symbolic(graph: Any, *operands: Any) -> Any:
        """Emit a single node of the ONNX domain ``ndrite``."""
        name = NDR if len(operands) == 3 else NDR_CURVE
        return graph.op(f"{DOMAIN}::{name}", *operands).setType(operands[0].type())
