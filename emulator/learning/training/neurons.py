"""Neurons for training: NDR, differentiable in peak voltage and current, and monotonic ones."""

import dataclasses

import numpy as np

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.layers import SteppedOutput, along, floats_of
from ndrite.emulator.learning.training.view import FLOAT, ChipView, Tensor, torch
from ndrite.emulator.network import Activation, Named, Ndr, Sampled

KINDS = ("ndr", "ndr-shared", "ndr-fixed", "relu", "clipped-relu", "sigmoid")
"""Kinds of neurons. ``ndr``: peak voltage and current of every neuron are trained;
``ndr-shared``: one peak voltage and current for the layer; ``ndr-fixed``: neither is
trained. ``relu`` is scaled to a maximum of 1 after training, ``clipped-relu`` is
clipped at 1 during training."""
LOG_HEIGHT = -0.1
LOG_CLIPPED = -1.2
"""Initial logarithm of the gain of a normalised layer of clipped ReLUs: a
pre-activation of 3.3 standard deviations gives output 1."""
SHIFT = 0.3


def interpolate(u: Tensor, points: Tensor) -> Tensor:
    """Evaluate the curve ``points`` (2, P) at ``u`` (any shape): linear between the
    points, constant beyond the first and the last one."""
    x, y = points
    with torch.no_grad():
        right = torch.bucketize(u.detach().contiguous(), x).clamp(1, len(x) - 1)
        left, low = x[right - 1], y[right - 1]
        slope = (y[right] - low) / (x[right] - left)
    return low + slope * (u.clamp(float(x[0]), float(x[-1])) - left)


def interpolate_own(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Evaluate each neuron's own curve at ``u`` (n, M) or (n, M, H, W). The curves are
    the values ``y`` (M, P) at evenly spaced ``x`` (P,).

    Linear between the points, held at the ends; differentiable in ``u`` and ``y``.
    """
    points = len(x)
    position = ((u - x[0]) / (x[1] - x[0])).clamp(0.0, points - 1.0)
    with torch.no_grad():
        left = position.floor().clamp(max=points - 2.0)
        index = left.long() + along(points * torch.arange(len(y)), u)
    flat = y.reshape(-1)
    low = flat[index]
    return low + (position - left) * (flat[index + 1] - low)


class Normalise(torch.nn.BatchNorm1d):
    """Batch normalisation of each channel of (n, M) or (n, M, H, W). Gain and shift are
    no parameters of the module; they are arguments of ``forward``."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs, affine=False)

    def forward(self, v: Tensor, gain: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """Normalise ``v``, multiply it by ``gain`` (M,) and add ``shift`` (M,); return
        the result in the same shape."""
        return torch.nn.functional.batch_norm(
            v, self.running_mean, self.running_var, gain, shift, self.training, self.momentum, self.eps
        )

    @property
    def spread(self) -> Tensor:
        """Standard deviation (M,) of the values in recent batches, by which ``forward``
        divides outside training."""
        return torch.sqrt(self.running_var + self.eps)

    def settle(self, v: Tensor) -> None:
        """Set the normalisation's mean and variance to those of ``v``."""
        sample_axes = [d for d in range(v.dim()) if d != 1]
        self.running_mean.copy_(v.mean(dim=sample_axes))
        self.running_var.copy_(v.var(dim=sample_axes))


class Neuron(torch.nn.Module):
    """A layer of neurons: optional batch normalisation, a trainable shift, an
    optional second operand that is added, then the function ``shape``, whose
    values are at least 0.

    Without normalisation ``shift`` is the layer's bias. ``spread`` and ``mean`` are
    what export folds. All take pre-activations (n, M) or maps of them (n, M, H, W).
    """

    def __init__(self, outputs: int, view: ChipView = FLOAT, *, normalise: bool = True) -> None:
        super().__init__()
        self.norm = Normalise(outputs) if normalise else None
        self.shift = torch.nn.Parameter(torch.full((outputs,), SHIFT))
        self.view = view
        self.settling = False
        """Whether the normalisation is to be set to the next sums."""

    def forward(
        self,
        v: Tensor,
        beside: Tensor | None = None,
        weight: Tensor | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """Return the neurons' outputs for the column sums ``v``. ``beside`` is a second
        operand of the same shape, which is multiplied by ``weight`` (M,) and added;
        ``added`` are errors of the sums, which normalisation does not include."""
        if self.settling:
            self.settling = False
            self.settle(v)
        gain = self.gain()
        shift = self.shift * gain
        z = v * along(gain, v) + along(shift, v) if self.norm is None else self.norm(v, gain, shift)
        if added is not None:
            z = z + added * along(gain / self.spread(), v)
        if beside is not None and weight is not None:
            z = z + beside * along(weight * gain, v)
        y = self.shape(z)
        return SteppedOutput.apply(y) if self.bounded and self.view.output_codes and self.training else y

    @property
    def bounded(self) -> bool:
        """Whether the neurons' outputs stay in 0..1 during training."""
        return True

    def gain(self) -> Tensor:
        """Return the factor (M,) by which pre-activations are multiplied before
        ``shape``; 1 unless the neurons train a gain."""
        return torch.ones_like(self.shift)

    def spread(self) -> Tensor:
        """Return the standard deviation (M,) of recent batches by which the
        normalisation divides; 1 without normalisation."""
        return torch.ones_like(self.shift) if self.norm is None else self.norm.spread

    def unit(self) -> Tensor:
        """Return the change of the column sums (M,) that changes the argument of each
        neuron's function by 1, from recent batches, without gradient."""
        return (self.spread() / self.gain()).detach()

    def held(self) -> Tensor:
        """Return the bias (M,) that bias cells have to hold, in the unit of the column
        sums, from recent batches, without gradient."""
        mean = 0.0 if self.norm is None else self.norm.running_mean
        return (self.shift * self.spread() - mean).detach()

    def settle(self, v: Tensor) -> None:
        """Set the normalisation's mean and variance to those of the column sums ``v``."""
        if self.norm is not None:
            self.norm.settle(v)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return what replaces normalisation and shift in the exported network: the
        divisor (M,) of the weights, and the bias (M,), both float64."""
        if self.norm is None:
            return torch.ones_like(self.shift, dtype=torch.float64), self.shift.double()
        spread = torch.sqrt(self.norm.running_var.double() + self.norm.eps)
        return spread, self.shift.double() - self.norm.running_mean.double() / spread

    def shape(self, z: Tensor) -> Tensor:
        """Return the neurons' outputs for pre-activations ``z``, which already
        include the gain."""
        raise NotImplementedError

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """Return three parts of the exported layer: the activation for the float
        network, the divisor (M,) of the layer's pre-activations, and the factor on the
        next layer's weights."""
        raise NotImplementedError


class NdrNeuron(Neuron):
    """A layer of NDR neurons: ``height * f(u)`` with u = z / peak. The curve f is
    ``view.curve``, that of the chip's NDR device; without one it is u exp(1 - u) for
    u > 0, else 0.

    Three things are trainable per neuron, or shared, or not at all. The peak is the
    gain of the normalisation, which so has none of its own. The height stays within the
    view's range. Both are kept as logarithms. The state 0..1 sets the shape, where the
    view has a family of curves.
    """

    values: Tensor
    curves: Tensor

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
        self.curve = view.curve
        self.family = view.family is not None
        if self.curve is not None:
            self.register_buffer("values", torch.tensor(self.curve, dtype=torch.float32))
        if self.family:
            self.register_buffer("curves", torch.tensor(view.family, dtype=torch.float32), persistent=False)
            self.shape_shift = torch.nn.Parameter(torch.full((count,), 0.5), requires_grad=trainable)

    def shape(self, z: Tensor) -> Tensor:
        """Return the neurons' outputs, in [0, 1], for pre-activations ``z``."""
        gain = torch.exp(-self._log_peaks())
        height = torch.exp(self.log_height.clamp(*self.log_heights))
        if self.training:
            gain, height = (
                values * (1.0 + self.view.noise_scale * part * torch.randn(self.outputs)) if part else values
                for values, part in ((gain, self.view.peak_variation), (height, self.view.height_variation))
            )
        u = z * along(gain, z)
        height = along(height, z)
        if self.family:
            return height * interpolate_own(u, self.values[0], self._own_curves())
        if self.curve is not None and len(self.values) > 2:
            return height * interpolate_own(u, self.values[0], self.values[1:])
        if self.curve is not None:
            return height * interpolate(u, self.values)
        u = torch.relu(u)
        return height * u * torch.exp(1.0 - u)

    def unit(self) -> Tensor:
        """Return the change of the column sums (M,) that takes each neuron from
        argument u = 0 to its peak, u = 1."""
        return super().unit() * torch.exp(self._log_peaks()).detach()

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """Return the three parts of the exported layer as ``Neuron.exported``. Unless
        heights are absolute, they are divided by the largest one, which becomes a
        factor on the next layer's weights."""
        peak = torch.exp(self._log_peaks().double()).expand(self.outputs)
        height = torch.exp(self.log_height.double().clamp(*self.log_heights)).expand(self.outputs)
        scale = torch.ones(1, dtype=torch.float64) if self.absolute else height.max()
        curve = None if self.curve is None else np.asarray(self.curve, np.float32)
        if self.family and curve is not None:
            curve = np.concatenate([curve[:1], floats_of(self._own_curves())])
        return (
            Ndr(floats_of(peak), floats_of(height / scale), curve),
            torch.ones(self.outputs, dtype=torch.float64),
            scale,
        )

    def _own_curves(self) -> Tensor:
        """Return each neuron's curve, (M, P), at the present state of its shape
        parameter, interpolated linearly between the states whose curves are known."""
        steps = len(self.curves) - 1
        curve_numbers = self.shape_shift.clamp(0.0, 1.0).expand(self.outputs) * steps
        left = curve_numbers.detach().floor().clamp(max=steps - 1.0)
        low, high = self.curves[left.long()], self.curves[left.long() + 1]
        return low + (curve_numbers - left).unsqueeze(1) * (high - low)

    def _log_peaks(self) -> Tensor:
        if self.view.peaks is None:
            return self.log_peak
        # An ECRAM multiplies its neuron's peak by a factor. Factors are relative to the
        # layer's middle peak, because the input gains of all neurons of the layer are
        # set for that peak.
        low, high = (float(torch.tensor(p).log()) for p in self.view.peaks)
        middle = self.log_peak.mean()
        return middle + (self.log_peak - middle).clamp(low, high)


class MonotonicNeuron(Neuron):
    """A layer of ReLU, sigmoid or tanh neurons. If the layer is normalised, each neuron
    has a trainable gain.

    ``clipped-relu`` is held at 1, as on the chip. ``relu`` is unbounded here; export
    divides by the largest activation seen when settling.
    """

    top: Tensor

    def __init__(
        self, outputs: int, view: ChipView = FLOAT, *, kind: str = "relu", normalise: bool = True
    ) -> None:
        super().__init__(outputs, view, normalise=normalise)
        self.kind = kind
        start = LOG_CLIPPED if normalise and kind == "clipped-relu" else 0.0
        self.log_gain = torch.nn.Parameter(torch.full((outputs,), start), requires_grad=normalise)
        self.register_buffer("top", torch.ones(1))

    @property
    def bounded(self) -> bool:
        """Whether the neurons' outputs stay in 0..1: true, except for the unbounded ReLU."""
        return self.kind != "relu"

    def gain(self) -> Tensor:
        """Return the neurons' gains (M,), which are trained if the layer is normalised."""
        return torch.exp(self.log_gain)

    def unit(self) -> Tensor:
        """Return the change of the column sums (M,) that changes the function's
        argument by 1; for ``relu``, from 0 to the argument of its largest output."""
        return super().unit() * self.top if self.kind == "relu" else super().unit()

    def shape(self, z: Tensor) -> Tensor:
        """Return the values of the neurons' function at pre-activations ``z``."""
        if self.kind == "clipped-relu":
            return z.clamp(0.0, 1.0)
        if self.kind == "tanh":
            return torch.relu(torch.tanh(z))
        return torch.relu(z) if self.kind == "relu" else torch.sigmoid(z)

    def settle(self, v: Tensor) -> None:
        """Set the normalisation to the mean and variance of the column sums ``v``, then
        the largest activation of ``relu``."""
        super().settle(v)
        if self.kind == "relu":
            self.top.fill_(float(self(v).max().clamp(min=1e-6)))

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """Return the three parts of the exported layer as ``Neuron.exported``, with the
        gain and the largest activation folded into weights."""
        name = "relu" if self.kind == "clipped-relu" else self.kind
        return Named(name), self.top.double() / torch.exp(self.log_gain.double()), self.top.double()


class SampledNeuron(Neuron):
    """A layer of neurons with a sampled function, the same for every neuron. Only the
    shift of its sums is trained."""

    points: Tensor

    def __init__(self, outputs: int, sampled: Sampled, view: ChipView = FLOAT) -> None:
        super().__init__(outputs, view, normalise=False)
        self.sampled = sampled
        self.register_buffer("points", torch.tensor(sampled.points))

    def shape(self, z: Tensor) -> Tensor:
        """Return the sampled function's values at ``z``, linear between its points."""
        return interpolate(z, self.points)

    def exported(self) -> tuple[Activation, Tensor, Tensor]:
        """Return the three parts of the exported layer as ``Neuron.exported``, with the
        sampled function unchanged."""
        unit = torch.ones(1, dtype=torch.float64)
        return self.sampled, unit.expand(len(self.shift)), unit


def make_neuron(
    kind: str,
    outputs: int,
    view: ChipView = FLOAT,
    *,
    normalise: bool = True,
    height: float | None = None,
) -> Neuron:
    """Build a layer of neurons of the kind ``kind``, a key of ``KINDS``;
    ``height`` as for ``NdrNeuron``. Raises EmulatorError when ``height`` is given
    for a kind without heights."""
    if not kind.startswith("ndr"):
        if height is not None:
            raise EmulatorError(
                f"height is {height} with neuron {kind!r}; accepted: not set, or the ndr kinds"
            )
        return MonotonicNeuron(outputs, view, kind=kind, normalise=normalise)
    shared, trainable = kind == "ndr-shared", kind != "ndr-fixed"
    return NdrNeuron(outputs, view, normalise=normalise, shared=shared, trainable=trainable, height=height)


def neuron_of(activation: Activation, outputs: int, view: ChipView = FLOAT) -> Neuron:
    """Build a layer of neurons that begins training with the function ``activation``,
    without normalisation. The caller sets its shift.

    An NDR neuron keeps the curve that the network was trained with, or takes the chip's
    where that is ``x exp(1 - x)``; heights are absolute.
    """
    if isinstance(activation, Sampled):
        return SampledNeuron(outputs, activation, view)
    if isinstance(activation, Named):
        kind = "clipped-relu" if activation.name == "relu" else activation.name
        return MonotonicNeuron(outputs, view, kind=kind, normalise=False)
    if activation.curve is not None:
        view = dataclasses.replace(view, curve=activation.curve.astype(np.float64), family=None)
    neuron = NdrNeuron(outputs, view, normalise=False, height=1.0)
    with torch.no_grad():
        neuron.log_peak.copy_(torch.from_numpy(np.log(activation.peak)))
        neuron.log_height.copy_(torch.from_numpy(np.log(activation.height)))
    return neuron
