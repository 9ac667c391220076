"""A model as a chain of steps, and the values that a front end builds it from.

Every tensor of a supported model is one chain of linear steps, followed by a unary function that is still
being put together: ``x * sigmoid(x)`` reaches us as two nodes, and is one function here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import UnsupportedNodeError
from emulator.network.patches import Patches, Pool

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], Floats]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Linear:
    """``x @ weights + bias``: (K, M) and (M,)."""

    node: str
    weights: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        return x @ self.weights + self.bias


@dataclass(frozen=True, eq=False)
class Convolve:
    """A 2-D convolution: ``weights`` (C * kh * kw, M), ``bias`` (M,)."""

    node: str
    weights: Floats
    bias: Floats
    patches: Patches
    pad: float = 0.0

    def __call__(self, x: Floats) -> Floats:
        return self.patches.place(self.patches.cut(x, self.pad) @ self.weights + self.bias)


@dataclass(frozen=True, eq=False)
class Pooling:
    """Pooling of feature maps."""

    node: str
    pool: Pool

    def __call__(self, x: Floats) -> Floats:
        return self.pool(x)


@dataclass(frozen=True, eq=False)
class Affine:
    """``scale * x + shift`` by feature (K,), by channel (C,), or for all alike (1,)."""

    node: str
    scale: Floats
    shift: Floats

    def __call__(self, x: Floats) -> Floats:
        by_channel = (slice(None), *(None,) * (x.ndim - 2))
        return x * self.scale[by_channel] + self.shift[by_channel]


@dataclass(frozen=True, eq=False)
class Unary:
    """A function of each value by itself."""

    node: str
    label: str
    function: Function

    def __call__(self, x: Floats) -> Floats:
        return np.asarray(self.function(x), np.float64)


@dataclass(frozen=True, eq=False)
class Flatten:
    """Feature maps (n, C, H, W) to (n, C * H * W), then, with ``order`` (C * H * W,), in that order."""

    node: str
    order: npt.NDArray[np.intp] | None = None

    def __call__(self, x: Floats) -> Floats:
        flat = x.reshape(len(x), -1)
        return flat if self.order is None else flat[:, self.order]


Step = Linear | Convolve | Pooling | Affine | Unary | Flatten


def run(steps: tuple[Step, ...], x: Floats) -> Floats:
    """The model's own outputs, float64, of inputs (n, ...)."""
    for step in steps:
        x = step(x)
    return x


@dataclass(frozen=True)
class Read:
    """What a front end makes of a model.

    ``shape`` of one sample as the steps take it; ``notes`` on what was left out; ``axes``: where the model's
    own samples are maps in another order, the axes of ``shape`` in them, (2, 0, 1) for (H, W, C).
    """

    steps: tuple[Step, ...]
    shape: Shape
    notes: tuple[str, ...]
    axes: tuple[int, ...] | None = None

    @property
    def own_shape(self) -> Shape:
        """Shape of one sample as the model takes it."""
        if self.axes is None:
            return self.shape
        return tuple(self.shape[self.axes.index(i)] for i in range(len(self.axes)))

    def ordered(self, x: Floats) -> Floats:
        """The model's own samples (n, ...) as the steps take them, (n, *shape)."""
        own = x.reshape(len(x), *self.own_shape)
        return own if self.axes is None else own.transpose(0, *(a + 1 for a in self.axes))


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor: what the chain gives, shape of one sample, and a function of it not yet a step.

    ``line`` is (scale, shift) where that function is a straight line: it becomes an ``Affine``. ``left_out``:
    the (node, kind) of a softmax that was left out because only the largest output counts; nothing may follow
    it. ``channels_last``: the model sees the maps (H, W, C); ``shape`` is (C, H, W) all the same.
    """

    steps: tuple[Step, ...]
    shape: Shape
    node: str = "input"
    label: str = "x"
    function: Function | None = None
    line: tuple[float, float] | None = (1.0, 0.0)
    left_out: tuple[str, str] | None = None
    channels_last: bool = False

    def check_open(self) -> None:
        """Raise UnsupportedNodeError when something follows a softmax."""
        if self.left_out is not None:
            node, kind = self.left_out
            raise UnsupportedNodeError(
                node, kind, "only the output may go through it; use another activation"
            )

    def settled(self) -> Value:
        """The function as a step."""
        if self.function is None:
            return self
        step: Step = Unary(self.node, self.label, self.function)
        if self.line is not None:
            step = Affine(self.node, np.array([self.line[0]]), np.array([self.line[1]]))
        return replace(
            Value((*self.steps, step), self.shape, self.node, left_out=self.left_out),
            channels_last=self.channels_last,
        )

    def then(self, step: Step, shape: Shape) -> Value:
        """The value after a step."""
        self.check_open()
        return Value((*self.settled().steps, step), shape, step.node)

    def apply(self, node: str, label: str, function: Function) -> Value:
        """The value under a unary function, ``label`` with ``{}`` for its operand."""
        self.check_open()
        inner = self.function
        composed = function if inner is None else lambda z: function(inner(z))
        return replace(self, node=node, label=label.format(self.label), function=composed, line=None)

    def affine(self, node: str, scale: float, shift: float) -> Value:
        """``scale * value + shift``, still part of the function."""
        self.check_open()
        inner = self.function
        label = self.label if scale == 1 else f"{scale:g}*{self.label}"
        label = label if shift == 0 else f"({label}{shift:+g})"
        return replace(
            self,
            node=node,
            label=label,
            function=lambda z: scale * (z if inner is None else inner(z)) + shift,
            line=None if self.line is None else (scale * self.line[0], scale * self.line[1] + shift),
        )


def join(a: Value, b: Value, node: str, kind: str, function: Callable[[Any, Any], Any]) -> Value:
    """A function of two values of one chain, such as ``x * sigmoid(x)``.

    Raises
    ------
    UnsupportedNodeError
        When they are of different chains (a residual connection).
    """
    a.check_open()
    b.check_open()
    if a.steps is not b.steps and a.steps != b.steps:
        raise UnsupportedNodeError(
            node,
            kind,
            "it joins two branches; use a chain of layers without residual or parallel branches",
        )

    def both(z: Floats) -> Floats:
        left = z if a.function is None else a.function(z)
        right = z if b.function is None else b.function(z)
        return np.asarray(function(left, right), np.float64)

    return replace(a, node=node, label=f"{kind}({a.label}, {b.label})", function=both, line=None)


def with_constant(value: Value, constant: npt.ArrayLike, node: str, kind: str, operation: str) -> Value:
    """``value`` + - * / a constant, ``operation`` one of ``add sub rsub mul div rdiv``.

    Raises
    ------
    UnsupportedNodeError
        When the constant's shape is not a scalar, one value a feature, or one a channel.
    """
    c = np.asarray(constant, np.float64)
    if value.channels_last and c.size > 1 and c.shape[-1] == c.size:
        c = c.reshape(-1, 1, 1)
    if operation == "rdiv":
        if c.size == 1:
            return value.apply(node, f"{float(c.reshape(())):g}/{{}}", lambda z: float(c.reshape(())) / z)
        raise UnsupportedNodeError(node, kind, "divide by constants only")
    scale, shift = {
        "add": (np.ones_like(c), c),
        "sub": (np.ones_like(c), -c),
        "rsub": (-np.ones_like(c), c),
        "mul": (c, np.zeros_like(c)),
        "div": (1 / c, np.zeros_like(c)),
    }[operation]
    if c.size == 1:
        return value.affine(node, float(scale.reshape(())), float(shift.reshape(())))
    wanted = (value.shape[0], *(1,) * (len(value.shape) - 1))
    squeezed = c.reshape(c.shape[1:]) if c.ndim == len(wanted) + 1 and c.shape[0] == 1 else c
    if squeezed.shape != wanted:
        raise UnsupportedNodeError(
            node,
            kind,
            f"a constant of shape {c.shape} on values of {value.shape}; use a scalar or shape {wanted}",
        )
    scaled = value.then(Affine(node, scale.reshape(-1), shift.reshape(-1)), value.shape)
    return replace(scaled, channels_last=value.channels_last)


def linear(value: Value, weights: npt.ArrayLike, bias: npt.ArrayLike | None, node: str, kind: str) -> Value:
    """A full layer, ``weights`` (K, M). Raises UnsupportedNodeError when shapes do not fit."""
    w = np.asarray(weights, np.float64)
    if len(value.shape) != 1 or w.ndim != 2 or w.shape[0] != value.shape[0]:
        raise UnsupportedNodeError(
            node,
            kind,
            f"weights of shape {w.shape} on values of {value.shape}; flatten the values to one axis before "
            f"it",
        )
    b = np.zeros(w.shape[1]) if bias is None else np.asarray(bias, np.float64).reshape(-1)
    return value.then(Linear(node, w, np.broadcast_to(b, w.shape[1:]).copy()), (w.shape[1],))


def convolution(
    value: Value,
    kernels: npt.ArrayLike,
    bias: npt.ArrayLike | None,
    node: str,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> Value:
    """A 2-D convolution, ``kernels`` (M, C / groups, kh, kw); a 1-D one, (M, C / groups, k), is one row."""
    k = np.asarray(kernels, np.float64)
    if k.ndim == 3 and len(value.shape) == 3 and value.shape[1] == 1:
        k = k[:, :, None]
    if len(value.shape) != 3 or k.ndim != 4 or k.shape[1] * groups != value.shape[0]:
        raise UnsupportedNodeError(
            node,
            "Conv",
            f"kernels of shape {k.shape} on values of {value.shape}; use 2-D convolutions of (C, H, W), with "
            "the input's shape given",
        )
    if groups > 1:  # blocks on the diagonal
        full = np.zeros((k.shape[0], value.shape[0], *k.shape[2:]))
        out, part = k.shape[0] // groups, k.shape[1]
        for g in range(groups):
            full[g * out : (g + 1) * out, g * part : (g + 1) * part] = k[g * out : (g + 1) * out]
        k = full
    where = Patches(
        shape=value.shape,
        kernel=(int(k.shape[2]), int(k.shape[3])),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    b = np.zeros(len(k)) if bias is None else np.asarray(bias, np.float64)
    return value.then(Convolve(node, k.reshape(len(k), -1).T.copy(), b, where), (len(k), *where.grid))


def pooling(value: Value, kind: str, kernel: Any, stride: Any, node: str) -> Value:
    """Pooling without padding; ``kernel`` None: over the whole map."""
    if len(value.shape) != 3 or value.channels_last:
        raise UnsupportedNodeError(node, f"{kind} pooling", "give the input's shape (C, H, W)")
    height, width = value.shape[1:]
    size = (height, width) if kernel is None else two(kernel)
    step = size if stride is None else two(stride)
    pool = Pool(kind=kind, kernel=size, stride=step)
    return value.then(Pooling(node, pool), (value.shape[0], *pool.grid(height, width)))


def flatten(value: Value, node: str) -> Value:
    """One axis of features."""
    if len(value.shape) == 1:
        return value
    size = int(np.prod(value.shape))
    order = None
    if value.channels_last and len(value.shape) == 3:
        order = np.arange(size).reshape(value.shape).transpose(1, 2, 0).reshape(-1)
    return value.then(Flatten(node, order), (size,))


def two(v: Any) -> tuple[int, int]:
    """Rows and columns of a size given as two numbers, one for both, or (1-D) one of columns in a list."""
    sizes = [int(n) for n in v] if isinstance(v, list | tuple | np.ndarray) else [int(v)] * 2
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def transpose(value: Value, permutation: list[int], node: str) -> Value:
    """The axes of maps in another order, between (C, H, W) and (H, W, C) only."""
    first, last = [0, 3, 1, 2], [0, 2, 3, 1]
    if len(value.shape) == 3 and permutation == (first if value.channels_last else last):
        return replace(value, channels_last=not value.channels_last)
    if permutation == list(range(len(value.shape) + 1)) or len(value.shape) == 1:
        return value
    raise UnsupportedNodeError(
        node,
        "Transpose",
        f"to {permutation} of {value.shape}; use (channel, row, column) or (row, column, channel)",
    )


def prelu(value: Value, slopes: npt.ArrayLike, node: str) -> Value:
    """A slope for each channel or feature: ``relu(x) - slope * relu(-x)``, so twice the neurons, exactly."""
    a = np.asarray(slopes, np.float64).reshape(-1)
    if a.size != value.shape[0]:
        raise UnsupportedNodeError(
            node, "PReLU", f"{a.size} slopes on values of {value.shape}; use one slope, or one a channel"
        )
    eye = np.eye(a.size)
    both = _mixed(value, np.hstack([eye, -eye]), node)
    halves = both.apply(node, "relu({})", lambda z: np.maximum(z, 0.0))
    return _mixed(halves, np.vstack([eye, -np.diag(a)]), node)


def _mixed(value: Value, weights: Floats, node: str) -> Value:
    """Channels (or features) mixed by ``weights`` (C, M), position by position."""
    if len(value.shape) == 1:
        return linear(value.settled(), weights, None, node, "PReLU")
    kernels = weights.T.reshape(weights.shape[1], weights.shape[0], 1, 1)
    mixed = convolution(
        value.settled(), kernels, None, node, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1
    )
    return replace(mixed, channels_last=value.channels_last)


def batch_norm(
    value: Value, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, node: str
) -> Value:
    """A normalisation by constants, by feature or channel; it is folded into the weights beside it."""
    deviation = np.sqrt(np.asarray(variance, np.float64) + epsilon)
    scale = np.asarray(1.0 if gamma is None else gamma, np.float64) / deviation
    shift = np.asarray(0.0 if beta is None else beta, np.float64) - np.asarray(mean, np.float64) * scale
    if scale.shape != (value.shape[0],):
        raise UnsupportedNodeError(
            node, "BatchNormalization", f"{scale.shape} on values of {value.shape}; normalise the first axis"
        )
    return value.then(Affine(node, scale, shift), value.shape)
