"""Activations of a hidden layer: NDR neurons with individual parameters, named
functions, or sampled functions.

Every activation returns values in [0, 1]; the compiler scales them to codes 0..255.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ndr.curves import tunnel
from ndrite.emulator.errors import NetworkError, require, require_line
from ndrite.emulator.spec.arithmetic import Array
from ndrite.emulator.spec.brief import record

Floats = npt.NDArray[np.float32]

NAMED: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.clip(x, 0.0, 1.0),
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    "tanh": lambda x: np.maximum(np.tanh(x), 0.0),
}
"""Activations by name, each as the hardware computes it: outputs are unsigned, so
relu saturates at 1 (fold the layer's largest activation into the weights) and
tanh is clipped at 0."""


@record()
class Ndr:
    """Activation of a layer of NDR neurons, one device per output: ``height * f(v / peak)``.

    ``f`` is the shape of the device, 1 at its peak: ``x * exp(1 - x)``, or a ``curve``
    of the network's own.

    Raises NetworkError when a value is out of range or the shapes differ.

    Parameters
    ----------
    peak:
        float32 (M,), the pre-activation at which the neuron peaks; dimensionless, > 0.
    height:
        float32 (M,), the output at the peak; dimensionless, in (0, 1].
    curve:
        The shape the network was trained with, float32 (2, P), P >= 2: rising u, then
        f(u) in 0..1; linear between the points, held at the ends. (1 + M, P): a shape
        for every neuron. None: ``x * exp(1 - x)``.
    """

    peak: Floats
    height: Floats
    curve: Floats | None = None

    def __post_init__(self) -> None:
        for field, values in (("peak", self.peak), ("height", self.height)):
            array = np.ascontiguousarray(values, np.float32)
            if array.ndim != 1:
                raise NetworkError(f"activation {field} has shape {array.shape}; accepted: (M,)")
            object.__setattr__(self, field, array)
        if self.peak.shape != self.height.shape:
            raise NetworkError(
                f"activation height has shape {self.height.shape}; accepted: {self.peak.shape}"
            )
        _within("activation peak", self.peak, 1e-6, 1e6)
        _within("activation height", self.height, 1e-6, 1.0)
        if self.curve is not None:
            object.__setattr__(self, "curve", _curve("activation curve", self.curve, len(self.peak)))

    @property
    def individual(self) -> bool:
        """Whether each neuron has its own curve, instead of one curve for all."""
        return self.curve is not None and len(self.curve) > 2

    def shape(self, u: Array) -> npt.NDArray[np.float64]:
        """Return f(u), the curve in its own unit, for an array u of any shape. The
        result is (..., M) if each neuron has its own curve."""
        if self.curve is None:
            return tunnel(u)
        points = self.curve.astype(np.float64)
        if not self.individual:
            return np.asarray(np.interp(u, *points), np.float64)
        wide = np.broadcast_to(u, (*np.shape(u)[:-1], len(self.peak)))
        columns = [np.interp(wide[..., m], points[0], row) for m, row in enumerate(points[1:])]
        return np.stack(columns, axis=-1)

    def of(self, neurons: npt.ArrayLike) -> Ndr:
        """Return the activation with only the neurons numbered ``neurons``, in this order."""
        index, curve = np.asarray(neurons), self.curve
        if curve is not None and self.individual:
            curve = np.concatenate([curve[:1], curve[1:][index]])
        return Ndr(self.peak[index], self.height[index], curve)

    def __call__(self, v: Floats) -> Floats:
        """Return the outputs, in [0, 1], of pre-activations ``v`` (..., M)."""
        return (self.height * self.shape(v / self.peak)).astype(np.float32)


@dataclass(frozen=True)
class Named:
    """Activation given by name (a key of ``NAMED``), the same for every neuron of the layer."""

    name: str

    def __post_init__(self) -> None:
        require(self.name in NAMED, "activation", repr(self.name), f"ndr, {', '.join(NAMED)}", NetworkError)

    def __call__(self, v: Floats) -> Floats:
        """Return the outputs, in [0, 1], of pre-activations ``v``."""
        return NAMED[self.name](v).astype(np.float32)


@record()
class Sampled:
    """Activation given by points of a function, the same for every neuron of the layer:
    linear between the points, constant beyond the first and the last one.

    Raises NetworkError when the points do not rise or an output is out of range.
    ``name``: what it samples, for messages and reports. ``points``: float32 (2, P), P
    >= 2: rising pre-activations, then outputs in 0..1. The chip's table spans exactly
    the stretch between the first and the last point.
    """

    name: str
    points: Floats

    def __post_init__(self) -> None:
        require_line("activation name", self.name, NetworkError)
        object.__setattr__(self, "points", _curve("activation points", self.points))

    @property
    def ends(self) -> tuple[float, float]:
        """Pre-activations of the first and the last point."""
        return float(self.points[0, 0]), float(self.points[0, -1])

    def shape(self, u: Array) -> npt.NDArray[np.float64]:
        """Return the function's values at ``u`` (any shape)."""
        values: npt.NDArray[np.float64] = np.interp(u, *self.points.astype(np.float64))
        return values

    def __call__(self, v: Floats) -> Floats:
        """Return the outputs, in [0, 1], of pre-activations ``v``."""
        return self.shape(v).astype(np.float32)


Activation = Ndr | Named | Sampled


def _curve(field: str, points: npt.ArrayLike, neurons: int = 1) -> Floats:
    """Return the points of a curve as float32 (2, P) or (1 + ``neurons``, P).
    Raises NetworkError unless the values of the first row rise and those of the
    other rows are in 0..1."""
    curve = np.ascontiguousarray(points, np.float32)
    if curve.ndim != 2 or len(curve) not in (2, 1 + neurons) or curve.shape[1] < 2:
        more = "" if neurons == 1 else f" or ({1 + neurons}, P)"
        raise NetworkError(f"{field} has shape {curve.shape}; accepted: (2, P){more}, P at least 2")
    if not (np.isfinite(curve[0]).all() and (np.diff(curve[0]) > 0).all()):
        raise NetworkError(f"{field}[0] does not rise; accepted: strictly rising values of u")
    for i, row in enumerate(curve[1:], 1):
        _within(f"{field}[{i}]", row, 0.0, 1.0)
    return curve


def _within(field: str, array: Floats, low: float, high: float) -> None:
    bad = ~((array >= low) & (array <= high))
    if bad.any():
        raise NetworkError(f"{field}[{int(bad.argmax())}] is {array[bad][0]}; accepted: {low}..{high}")
