"""What a front end builds a graph from: an operator's result, how the model sees it, and a function of it.

``x * sigmoid(x)`` reaches us as two nodes and is one function here: a value carries the function of its
operator that is still being put together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import Function, Op, table, view
from emulator.network.importing.view import Floats

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

    def of(self, z: Floats) -> Floats:
        """The function of its operator's values."""
        return z if self.function is None else self.function(z)

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
