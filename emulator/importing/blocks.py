"""A chain of steps in the order a chip has: matrix product, function, pooling. Everything linear is
folded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import UnsupportedNodeError
from emulator.importing.chain import Affine, Convolve, Flatten, Linear, Pooling, Shape, Step, Unary

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Block:
    """One layer to be: a matrix product (of patches, for ``Convolve``), a function, pooling."""

    product: Linear | Convolve
    function: Unary | None = None
    pool: Pooling | None = None
    swapped: bool = False
    """Whether the function came after max pooling, which commutes with it where it rises."""

    @property
    def node(self) -> str:
        return self.product.node


@dataclass(eq=False)
class _Pending:
    """``scale * x + shift`` (by channel, feature, or for all) waiting for the next product."""

    scale: Floats = field(default_factory=lambda: np.ones(1))
    shift: Floats = field(default_factory=lambda: np.zeros(1))

    def after(self, scale: Floats, shift: Floats) -> _Pending:
        return _Pending(self.scale * scale, self.shift * scale + shift)

    @property
    def nothing(self) -> bool:
        return bool((self.scale == 1).all() and (self.shift == 0).all())


def identity(node: str) -> Unary:
    """A straight line where a chip has a neuron and the model has none."""
    return Unary(node, "identity(x)", lambda z: z)


def blocks_of(steps: tuple[Step, ...], shape: Shape) -> list[Block]:
    """The blocks of a chain; the last has no function and no pooling.

    Raises
    ------
    UnsupportedNodeError
        When the order of the steps has no place on a chip.
    """
    folding = _Folding(shape)
    for step in steps:
        folding.take(step)
    return folding.finish()


def fold_input(block: Block, low: Floats, span: Floats) -> None:
    """Make ``block`` take (x - low) / span in place of x; both (K,) or (1,)."""
    pending = _Pending(span, low)
    block.product = _fold(pending, block.product)


class _Folding:
    def __init__(self, shape: Shape) -> None:
        self.blocks: list[Block] = []
        self.pending = _Pending()
        self.shape: Any = shape
        self.order: npt.NDArray[np.intp] | None = None

    def take(self, step: Step) -> None:
        last = self.blocks[-1] if self.blocks else None
        if isinstance(step, Flatten):
            self._flatten(step)
        elif isinstance(step, Affine):
            self._affine(step, last)
        elif isinstance(step, Unary):
            self._unary(step, last)
        elif isinstance(step, Pooling):
            self._pool(step, last)
        else:
            self._product(step, last)

    def finish(self) -> list[Block]:
        last = self.blocks[-1] if self.blocks else None
        if last is None:
            raise UnsupportedNodeError("output", "output", "the model has no full layer or convolution")
        open_end = isinstance(last.product, Linear) and last.function is None and self.pending.nothing
        if not open_end:
            if isinstance(self.shape, tuple) and len(self.shape) == 3:
                raise UnsupportedNodeError(
                    last.node, "output", "the output is a feature map; flatten it first"
                )
            if last.function is None:
                last.function = identity(last.node)
            size = int(self.shape[0])
            self._product(Linear("output", np.eye(size), np.zeros(size)), last)
        return self.blocks

    def _product(self, step: Linear | Convolve, last: Block | None) -> None:
        if last is not None and isinstance(step, Convolve) and isinstance(last.product, Linear):
            raise UnsupportedNodeError(step.node, "Conv", "it follows a full layer; put convolutions first")
        folded = _fold(self.pending, step)
        if self.order is not None and isinstance(folded, Linear):
            placed = np.empty_like(folded.weights)
            placed[self.order] = folded.weights
            folded = Linear(folded.node, placed, folded.bias)
            self.order = None
        self.pending = _Pending()
        self.shape = step.bias.shape if isinstance(step, Linear) else (len(step.bias), *step.patches.grid)
        if last is not None and last.function is None:
            if isinstance(last.product, Linear) and isinstance(folded, Linear):
                first = last.product
                last.product = Linear(
                    folded.node, first.weights @ folded.weights, first.bias @ folded.weights + folded.bias
                )
                return
            merged = _one_convolution(last, folded)
            if merged is not None:
                last.product = merged
                return
            last.function = identity(last.node)
        self.blocks.append(Block(folded))

    def _affine(self, step: Affine, last: Block | None) -> None:
        if last is not None and last.function is None:
            if last.pool is not None and last.pool.pool.kind == "max" and (step.scale <= 0).any():
                raise UnsupportedNodeError(
                    step.node, "scale", "a negative factor follows max pooling; put it before the pooling"
                )
            product = last.product
            scale, shift = np.broadcast_arrays(*np.broadcast_arrays(step.scale, step.shift), product.bias)[:2]
            weights, bias = product.weights * scale, product.bias * scale + shift
            last.product = (
                Linear(product.node, weights, bias)
                if isinstance(product, Linear)
                else Convolve(product.node, weights, bias, product.patches, product.pad)
            )
            return
        self.pending = self.pending.after(step.scale, step.shift)

    def _unary(self, step: Unary, last: Block | None) -> None:
        if last is None:
            raise UnsupportedNodeError(
                step.node, step.label, "it acts on the inputs; apply it to the data before they are sent"
            )
        if last.function is None:
            last.function = step
            last.swapped = last.pool is not None
            if last.pool is not None and last.pool.pool.kind != "max":
                raise UnsupportedNodeError(
                    step.node, step.label, "it follows average pooling; put it before the pooling"
                )
            return
        if last.pool is not None or self.pending.scale.size > 1 or self.pending.shift.size > 1:
            raise UnsupportedNodeError(
                step.node, step.label, "it follows another activation; put a Linear layer between them"
            )
        inner, a, b = last.function.function, float(self.pending.scale[0]), float(self.pending.shift[0])
        label = f"{step.label} of {last.function.label}"
        last.function = Unary(step.node, label, lambda z: step.function(a * inner(z) + b))
        self.pending = _Pending()

    def _pool(self, step: Pooling, last: Block | None) -> None:
        if last is None:
            raise UnsupportedNodeError(step.node, "pooling", "it acts on the inputs; pool the data instead")
        if last.pool is not None or isinstance(last.product, Linear):
            raise UnsupportedNodeError(step.node, "pooling", "use one pooling after each convolution")
        if step.pool.kind == "max" and (self.pending.scale <= 0).any():
            raise UnsupportedNodeError(
                step.node, "pooling", "a negative factor precedes max pooling; put it after the pooling"
            )
        last.pool = step
        self.shape = (self.shape[0], *step.pool.grid(*self.shape[1:]))

    def _flatten(self, step: Flatten) -> None:
        if len(self.shape) != 3:
            return
        self.order = step.order
        each = int(np.prod(self.shape[1:]))
        size = int(self.shape[0])
        if self.pending.scale.size > 1 or self.pending.shift.size > 1:
            scale, shift = (np.broadcast_to(v, (size,)) for v in (self.pending.scale, self.pending.shift))
            scale, shift = np.repeat(scale, each), np.repeat(shift, each)
            self.pending = _Pending(
                *((scale, shift) if step.order is None else (scale[step.order], shift[step.order]))
            )
        self.shape = (size * each,)


def _fold(pending: _Pending, step: Linear | Convolve) -> Linear | Convolve:
    if pending.nothing:
        return step
    scale, shift = np.broadcast_arrays(pending.scale, pending.shift)
    if isinstance(step, Linear):
        scale, shift = (np.broadcast_to(v, (len(step.weights),)) for v in (scale, shift))
        return Linear(step.node, step.weights * scale[:, None], step.bias + shift @ step.weights)
    channels = step.patches.shape[0]
    each = step.patches.inputs // channels
    scale, shift = (np.broadcast_to(v, (channels,)) for v in (scale, shift))
    pad = step.pad
    if any(step.patches.padding):
        border = (step.pad - shift) / scale
        if np.ptp(border) > 1e-9 * max(1.0, float(np.abs(border).max())):
            raise UnsupportedNodeError(
                step.node,
                "Conv",
                "it pads channels that are shifted differently; put BatchNormalization after the "
                "convolution, or "
                "use no padding",
            )
        pad = float(border[0])
    scale, shift = np.repeat(scale, each), np.repeat(shift, each)
    return Convolve(
        step.node, step.weights * scale[:, None], step.bias + shift @ step.weights, step.patches, pad
    )


def _one_convolution(last: Block, step: Linear | Convolve) -> Convolve | None:
    """Two convolutions with nothing between them as one, where either sees single positions only."""
    first = last.product
    if not (isinstance(first, Convolve) and isinstance(step, Convolve)) or last.pool is not None:
        return None
    if _pointwise(step):
        weights = first.weights @ step.weights
        return Convolve(step.node, weights, first.bias @ step.weights + step.bias, first.patches, first.pad)
    if not _pointwise(first) or (any(step.patches.padding) and (first.bias.any() or step.pad != 0)):
        return None
    channels, before = step.patches.shape[0], first.patches.shape
    kernels = step.weights.reshape(channels, -1, step.weights.shape[1])
    weights = np.einsum("ac,ckm->akm", first.weights, kernels).reshape(-1, step.weights.shape[1])
    bias = step.bias + np.einsum("c,ckm->m", first.bias, kernels)
    return Convolve(step.node, weights, bias, dataclasses.replace(step.patches, shape=before), step.pad)


def _pointwise(step: Convolve) -> bool:
    where = step.patches
    return where.kernel == (1, 1) and where.stride == (1, 1) and not any(where.padding)
