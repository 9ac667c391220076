"""What a front end builds a graph from: an operator's result, how the model sees it, and a function of it.

``x * sigmoid(x)`` reaches us as two nodes and is one function here: a value carries the function of its
operator that is still being put together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import Function, Op, gate, spread, table, view
from emulator.network.importing.view import Floats
from emulator.spec.patches import Shape

OwnShape = tuple[int, ...]
"""Shape of one sample as the model takes it."""


@dataclass(frozen=True)
class LeftOut:
    """The end of a model that is not read, as the largest of its outputs is the same before it.

    ``node`` and its ``kind``. ``tensor``: the model's own tensor that the value, once it went through
    ``after`` (nothing, ``softmax`` or ``sigmoid``), is compared with.
    """

    node: str
    kind: str
    tensor: str
    after: str = ""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the model.

    ``axes``: a letter for each axis that the model sees: ``n`` samples, ``t`` calls of a sequence, ``d`` one
    direction or layer of a recurrent cell, ``c`` channels or features, ``h`` and ``w``, ``1`` an empty one,
    ``g`` the ``groups`` that channels were taken apart into, ``c`` then one's.
    ``line`` is (scale, shift) where the function is a straight line. ``left_out``: a softmax that was left
    out because only the largest output counts; nothing may follow it. ``calls``: size of ``t``; ``at``: the
    call that it is of, where a model goes through them one by one.
    """

    op: Op
    axes: str
    label: str = "x"
    node: str = ""
    function: Callable[[Floats], Floats] | None = None
    line: tuple[float, float] | None = (1.0, 0.0)
    left_out: LeftOut | None = None
    calls: int = 1
    at: int | None = None
    groups: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes, 1 for samples."""
        c, h, w = self.op.shape
        sizes = {"t": self.calls, "g": self.groups, "c": c // self.groups, "h": h, "w": w}
        return tuple(sizes.get(axis, 1) for axis in self.axes)

    @property
    def own(self) -> OwnShape:
        """Sizes of the axes but that of samples."""
        return tuple(size for axis, size in zip(self.axes, self.shape, strict=True) if axis != "n")

    @property
    def is_raw(self) -> bool:
        """Whether it is the model's input, untouched."""
        return self.op.is_input and self.function is None

    def check_open(self) -> None:
        """Raise UnsupportedNodeError when something follows a softmax."""
        if self.left_out is not None:
            raise UnsupportedNodeError(
                self.left_out.node,
                self.left_out.kind,
                "only the output may go through it; use another activation, or run softmax and attention on "
                "the host between two networks",
            )

    def settled(self) -> Value:
        """The function as an operator."""
        if self.function is None:
            return self
        if self.line is None:
            op = table(self.op, Function(self.node, self.label, self.function))
        else:
            scale, shift = (np.full(self.op.shape[0], v) for v in self.line)
            op = view(self.node, self.op, scale=scale, shift=shift)
        return replace(self, op=op, label="x", function=None, line=(1.0, 0.0))

    def then(self, op: Op, axes: str | None = None) -> Value:
        """The value of an operator that reads this one's, settled."""
        self.check_open()
        if self.groups > 1:
            raise UnsupportedNodeError(op.name, "grouped channels", "bring them back to one axis of channels")
        return Value(op, self.axes if axes is None else axes, node=op.name, calls=self.calls, at=self.at)

    def apply(self, node: str, label: str, function: Callable[[Floats], Floats]) -> Value:
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

    def by_channel(self, node: str, scale: npt.ArrayLike, shift: npt.ArrayLike) -> Value:
        """``scale * value + shift``, (C,) each."""
        scale, shift = np.broadcast_arrays(np.asarray(scale, np.float64), np.asarray(shift, np.float64))
        return self.then(view(node, self.settled().op, scale=scale, shift=shift))


@dataclass(frozen=True, eq=False)
class Stack:
    """A tensor (layers, n, H): the last result of every layer of a recurrent model."""

    layers: tuple[Value, ...]

    def __getitem__(self, index: Any) -> Value:
        index = index[0] if isinstance(index, tuple) else index
        if not isinstance(index, int) or not -len(self.layers) <= index < len(self.layers):
            raise UnsupportedNodeError("h_n", "getitem", "take one layer's, h_n[-1]")
        return self.layers[index]


def join(a: Value, b: Value, node: str, kind: str, function: Callable[[Any, Any], Any]) -> Value:
    """An element-wise function of two values: of one operator any, of two branches a sum or a product.

    Raises
    ------
    UnsupportedNodeError
        When two branches are joined by anything else, or their shapes do not fit.
    """
    a.check_open()
    b.check_open()
    if a.at != b.at or ("t" in a.axes) != ("t" in b.axes):
        raise UnsupportedNodeError(
            node, kind, "it joins different calls of a sequence; use a recurrent layer"
        )
    longest = max(len(a.axes), len(b.axes))
    if a.axes.lstrip("1") == b.axes.lstrip("1") and longest <= 3:  # a leading axis of one, as NumPy has it
        axes = "1" * (longest - len(a.axes.lstrip("1"))) + a.axes.lstrip("1")
        a, b = replace(a, axes=axes), replace(b, axes=axes)
    if a.op is b.op and a.axes == b.axes:

        def both(z: Floats) -> Floats:
            left = z if a.function is None else a.function(z)
            right = z if b.function is None else b.function(z)
            return np.asarray(function(left, right), np.float64)

        return replace(a, node=node, label=f"{kind}({a.label}, {b.label})", function=both, line=None)
    signs = {np.add: 1.0, np.subtract: -1.0}
    if function not in (*signs, np.multiply):
        raise UnsupportedNodeError(node, kind, "it joins two branches; use their sum, difference or product")
    left, right = _alike(a.settled(), b.settled(), node, kind)
    if function is np.multiply:
        return left.then(gate(node, (1.0, left.op, right.op)))
    return left.then(gate(node, (1.0, left.op), (signs[function], right.op)))


def _alike(a: Value, b: Value, node: str, kind: str) -> tuple[Value, Value]:
    """Both as maps of one shape: one value a channel goes over the map, one channel over all."""
    c, h, w = (max(x, y) for x, y in zip(a.op.shape, b.op.shape, strict=True))
    shape = (c, h, w)
    ranked = a.axes == b.axes or len(a.axes) == len(b.axes) == 4
    found = (_as(a, shape, node), _as(b, shape, node)) if ranked else (None, None)
    if found[0] is None or found[1] is None:
        raise UnsupportedNodeError(
            node, kind, f"it joins values of {a.own} and {b.own}; use branches of one shape"
        )
    first = replace(found[0], axes=a.axes if a.op.shape == shape else b.axes)
    return first, found[1]


def _as(value: Value, shape: Shape, node: str) -> Value | None:
    op = value.op
    if op.shape == shape:
        return value
    if op.shape[0] == 1 and shape[0] > 1:
        op = view(node, op, index=np.zeros(shape[0], np.intp))
    if op.shape[1:] == (1, 1) and shape[1:] != (1, 1):
        op = spread(node, op, *shape[1:])
    return replace(value, op=op) if op.shape == shape else None


def with_constant(value: Value, constant: npt.ArrayLike, node: str, kind: str, operation: str) -> Value:
    """``value`` + - * / a constant, ``operation`` one of ``add sub rsub mul div rdiv``.

    Raises
    ------
    UnsupportedNodeError
        When the constant is not a scalar, one value a feature, or one a channel.
    """
    c = np.asarray(constant, np.float64)
    if operation == "rdiv":
        if c.size == 1:
            number = float(c.reshape(-1)[0])
            return value.apply(node, f"{number:g}/{{}}", lambda z: number / z)
        raise UnsupportedNodeError(node, kind, "divide by constants only")
    with np.errstate(divide="ignore"):
        scale, shift = {
            "add": (np.ones_like(c), c),
            "sub": (np.ones_like(c), -c),
            "rsub": (-np.ones_like(c), c),
            "mul": (c, np.zeros_like(c)),
            "div": (1 / c, np.zeros_like(c)),
        }[operation]
    if c.size == 1:
        return value.affine(node, float(scale.reshape(-1)[0]), float(shift.reshape(-1)[0]))
    sizes = (1,) * (len(value.axes) - c.ndim) + c.shape
    channels = value.op.shape[0]
    wanted = tuple(channels if axis == "c" else 1 for axis in value.axes)
    if sizes != wanted:
        raise UnsupportedNodeError(
            node,
            kind,
            f"a constant of shape {c.shape} on values of {value.own}; use a scalar or shape {wanted[1:]}",
        )
    return value.by_channel(node, scale.reshape(-1), shift.reshape(-1))
