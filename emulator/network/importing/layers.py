"""Layers that any front end builds: matrix products, convolutions, pooling, normalisation by constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.network.importing.graph import given, pool, product
from emulator.network.importing.values import Value
from emulator.network.importing.view import Floats
from emulator.network.importing.views import first_axes, flatten
from emulator.spec.errors import ProgramError
from emulator.spec.patches import Pair, Patches

Four = tuple[int, int, int, int]


def standard(value: Value, node: str, kind: str) -> Value:
    """As a map (channel, row, column); the model's input may still be named so.

    Raises
    ------
    UnsupportedNodeError
        When it is no map in this order.
    """
    letters = value.axes.replace("1", "")
    if letters in ("nchw", "ncw") and len(value.axes) <= 4:
        return value
    if value.is_raw and value.op.axes is None and "t" not in letters:
        own, shape = first_axes(value.own)[1:], value.own
        axes = tuple(own.index(axis) for axis in value.axes[1:])
        c, h, w = (shape[0], 1, shape[1]) if len(shape) == 2 else shape
        return Value(given("input", (c, h, w), axes=axes), f"n{own}")
    raise UnsupportedNodeError(
        node,
        kind,
        f"of {value.own} (axes {value.axes}); use maps (channel, row, column), the input's shape given",
    )


def linear(value: Value, weights: npt.ArrayLike, bias: npt.ArrayLike | None, node: str, kind: str) -> Value:
    """A full layer on the last axis, ``weights`` (K, M); at each place of a map (row, column, channel)."""
    w = np.asarray(weights, np.float64)
    k = value.op.shape[0]
    if not value.axes.endswith("c") or w.ndim != 2 or w.shape[0] != k:
        raise UnsupportedNodeError(
            node,
            kind,
            f"weights of shape {w.shape} on values of {value.own}; flatten the values to one axis before it",
        )
    b = np.zeros(w.shape[1]) if bias is None else np.asarray(bias, np.float64).reshape(-1)
    b = np.broadcast_to(b, w.shape[1:]).copy()
    value = value.settled()
    return value.then(product(node, value.op, w, b, Patches(shape=value.op.shape, kernel=(1, 1))))


def convolution(
    value: Value,
    kernels: npt.ArrayLike,
    bias: npt.ArrayLike | None,
    node: str,
    *,
    stride: Pair,
    padding: Four,
    dilation: Pair,
    groups: int,
) -> Value:
    """A 2-D convolution, ``kernels`` (M, C / groups, kh, kw); a 1-D one, (M, C / groups, k), is one row."""
    k = np.asarray(kernels, np.float64)
    value = standard(value, node, "Conv").settled()
    if k.ndim == 3 and value.op.shape[1] == 1:
        k = k[:, :, None]
    if k.ndim != 4 or k.shape[1] * groups != value.op.shape[0] or len(k) % groups:
        raise UnsupportedNodeError(
            node,
            "Conv",
            f"kernels of shape {k.shape} on values of {value.own}; use 1-D or 2-D convolutions, with the "
            "input's shape given",
        )
    patches = patches_of(
        value, node, "Conv", (k.shape[2], k.shape[3]), stride, padding, dilation, groups=groups
    )
    b = np.zeros(len(k)) if bias is None else np.asarray(bias, np.float64)
    return value.then(product(node, value.op, k.reshape(len(k), -1).T.copy(), b, patches))


def patches_of(
    value: Value,
    node: str,
    kind: str,
    kernel: Pair,
    stride: Pair,
    padding: Four,
    dilation: Pair,
    *,
    groups: int = 1,
) -> Patches:
    """Patches of a map, or UnsupportedNodeError where the kernel does not fit it."""
    try:
        return Patches(
            shape=value.op.shape,
            kernel=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
    except ProgramError as error:
        raise UnsupportedNodeError(node, kind, str(error)) from None


def pooling(
    value: Value,
    of: str,
    node: str,
    *,
    kernel: Pair | None = None,
    stride: Pair | None = None,
    padding: Four = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    inside: bool = False,
    ceil: bool = False,
) -> Value:
    """``max`` or ``average`` of windows; without ``kernel`` over the whole map."""
    kind = f"{of} pooling"
    value = (value if kernel is None and "c" in value.axes else standard(value, node, kind)).settled()
    size = value.op.shape[1:] if kernel is None else kernel
    step = size if stride is None else stride
    patches = patches_of(value, node, kind, size, step, padding, dilation)
    if ceil:
        rest = [
            (extent + sum(pads) - d * (k - 1) - 1) % s
            for extent, pads, d, k, s in zip(
                value.op.shape[1:], (padding[::2], padding[1::2]), dilation, size, step, strict=True
            )
        ]
        if any(rest):
            raise UnsupportedNodeError(
                node, kind, "ceil_mode adds a window at the edge; use ceil_mode=False, and pad what it needs"
            )
    return value.then(pool(node, value.op, of, patches, inside=inside))


def mean_over(value: Value, of: str, axes: list[int], node: str, *, keep: bool) -> Value:
    """Mean or largest value over rows and columns."""
    gone = {value.axes[a % len(value.axes)] for a in axes}
    spatial = {a for a in value.axes if a in "hw" and value.shape[value.axes.index(a)] > 1}
    if not spatial <= gone <= {"h", "w", "1"}:
        raise UnsupportedNodeError(
            node, f"{of} over axes", f"axes {axes} of {value.own}; use it over all rows and columns of a map"
        )
    pooled = pooling(value, of, node)
    if keep:
        return pooled
    letters = "".join(a for a in pooled.axes if a not in gone)
    return flatten(pooled, node) if letters == "nc" else replace(pooled, axes=letters)


def enlarged(value: Value, block: Pair, node: str) -> Value:
    """Every row and column so many times: nearest-neighbour upsampling."""
    value = standard(value, node, "Resize").settled()
    patches = Patches(shape=value.op.shape, kernel=(1, 1))
    return value.then(pool(node, value.op, "max", patches, block=block))


def border(value: Value, padding: Four, number: float, node: str) -> Value:
    """A number around a map."""
    value = standard(value, node, "Pad").settled()
    patches = patches_of(value, node, "Pad", (1, 1), (1, 1), padding, (1, 1))
    return value.then(pool(node, value.op, "average", patches, pad=number))


def same_padding(value: Value, kernel: Pair, stride: Pair, dilation: Pair, *, lower: bool = False) -> Four:
    """Padding that gives as many places as there are strides; the odd one at the end, or ``lower``."""
    pads = []
    for size, k, s, d in zip(value.op.shape[1:], kernel, stride, dilation, strict=True):
        total = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
        pads.append((total - total // 2, total // 2) if lower else (total // 2, total - total // 2))
    (top, bottom), (left, right) = pads
    return top, left, bottom, right


def prelu(value: Value, slopes: npt.ArrayLike, node: str) -> Value:
    """A slope for each channel or feature: ``relu(x) - slope * relu(-x)``, so twice the neurons, exactly."""
    a = np.asarray(slopes, np.float64).reshape(-1)
    if a.size != value.op.shape[0]:
        raise UnsupportedNodeError(
            node, "PReLU", f"{a.size} slopes on values of {value.own}; use one slope, or one a channel"
        )
    eye = np.eye(a.size)
    both = mixed(value, np.hstack([eye, -eye]), node)
    halves = both.apply(node, "relu({})", lambda z: np.maximum(z, 0.0))
    return mixed(halves, np.vstack([eye, -np.diag(a)]), node)


def mixed(value: Value, weights: Floats, node: str) -> Value:
    """Channels (or features) mixed by ``weights`` (C, M), position by position."""
    value = value.settled()
    patches = Patches(shape=value.op.shape, kernel=(1, 1))
    return value.then(product(node, value.op, weights, np.zeros(weights.shape[1]), patches))


def batch_norm(
    value: Value, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, node: str
) -> Value:
    """A normalisation by constants, by feature or channel; it is folded into the weights beside it."""
    deviation = np.sqrt(np.asarray(variance, np.float64) + epsilon)
    scale = np.asarray(1.0 if gamma is None else gamma, np.float64) / deviation
    shift = np.asarray(0.0 if beta is None else beta, np.float64) - np.asarray(mean, np.float64) * scale
    if scale.shape != (value.op.shape[0],) or value.axes[1:2] != "c":
        raise UnsupportedNodeError(
            node, "BatchNormalization", f"{scale.shape} on values of {value.own}; normalise the first axis"
        )
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        raise NetworkError(f"node {node!r} holds a weight that is not finite; accepted: finite numbers")
    return value.by_channel(node, scale, shift)


def two(v: Any) -> Pair:
    """Rows and columns of a size given as two numbers, one for both, or (1-D) one of columns in a list."""
    sizes = [int(n) for n in v] if isinstance(v, list | tuple | np.ndarray) else [int(v)] * 2
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])
