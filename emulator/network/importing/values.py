"""Values: the tensors of a model while it is imported, each an operator's result,
rearranged, with a pending function.

``x * sigmoid(x)`` reaches us as two nodes and is one function here: a value carries the
function of its operator that is still being put together. Operators that only move
values move their places: a tensor of the model is an array of whole numbers that say
where each of its elements comes from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import UnsupportedNodeError
from ndrite.emulator.network.importing.graph import Function, Op, given, table, view
from ndrite.emulator.network.importing.view import View
from ndrite.emulator.spec.arithmetic import Floats, Ints
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.patches import Shape

OwnShape = tuple[int, ...]
"""Shape of one sample as the model takes it."""
SAMPLES = 2
"""Number of samples with which a graph is read if the model leaves it open: an axis of
this length can be told from all others."""


TAKEN = "outputs are taken before the {}; the largest one is the same"
"""Text of a note about a model whose last operator is left out."""


@dataclass(frozen=True)
class LeftOut:
    """The end of a model (an argmax or a softmax) that is not imported, because the
    largest output is the same without it.

    ``node`` and its ``kind``. ``tensor``: the model's own tensor that the value, once
    it went through ``after`` (nothing, ``softmax`` or ``sigmoid``), is compared with.
    """

    node: str
    kind: str
    tensor: str
    after: str = ""


@record()
class Value:
    """A tensor of the model while it is imported: elements of an operator's map, to
    which a function (the pending function) has still to be applied.

    ``places``, of the tensor's shape: ``(sample * calls + call) * size + place`` of
    each element, ``place`` in the flat map (C, H, W) of the operator's ``size`` values;
    each of them once. ``line`` is (scale, shift) where the function is a straight line.
    ``left_out``: a softmax that was left out because only the largest output counts;
    nothing may follow it.
    """

    op: Op
    places: Ints
    calls: int = 1
    label: str = "x"
    node: str = ""
    function: Callable[[Floats], Floats] | None = None
    line: tuple[float, float] | None = (1.0, 0.0)
    left_out: LeftOut | None = None

    @property
    def size(self) -> int:
        """Number of values in the map of the value's operator."""
        return int(np.prod(self.op.shape))

    @property
    def area(self) -> int:
        """Number of positions (rows times columns) in the map of the value's operator."""
        return self.op.shape[1] * self.op.shape[2]

    @cached_property
    def axis(self) -> int | None:
        """Number of the tensor's batch axis, or None if samples are mixed with other axes."""
        sample = self.places // (self.size * self.calls)
        count = int(sample.max()) + 1
        fits = (a for a, size in enumerate(sample.shape) if size == count)
        return next((a for a in fits if (sample == _along(np.arange(count), a, sample.ndim)).all()), None)

    @cached_property
    def at(self) -> int | None:
        """Number of the time step (call) to which the value belongs, or None if
        it spans several."""
        call = self.places // self.size % self.calls
        return int(call.flat[0]) if np.ptp(call) == 0 else None

    @property
    def own(self) -> OwnShape:
        """Sizes of all axes of the tensor except the batch axis."""
        return tuple(size for axis, size in enumerate(self.places.shape) if axis != self.axis)

    @property
    def first(self) -> Ints:
        """For each element of the first sample, its index in the operator's flattened map."""
        return np.asarray(self.places.take(0, self.axis) % self.size)

    @property
    def channel(self) -> Ints:
        """For each element of the tensor, the number of its channel in the operator's map."""
        return np.asarray(self.places % self.size // self.area)

    @property
    def in_order(self) -> bool:
        """Whether one sample of the tensor consists of exactly the elements of the
        operator's map, in the map's order, in one time step."""
        return self.axis == 0 and self.at is not None and _counts(self.first.reshape(-1), self.size)

    @property
    def is_raw(self) -> bool:
        """Whether the value is the model's input without a function; its elements
        may have been moved."""
        return self.op.is_input and self.function is None

    def of(self, z: Floats) -> Floats:
        """Return the operator's values ``z`` after applying the activation that is not
        yet part of the graph (the pending function)."""
        return z if self.function is None else self.function(z)

    def counts(self, axis: int) -> bool:
        """Return whether the tensor's axis number ``axis`` numbers the channels of
        the operator's map."""
        axis, c = axis % self.places.ndim, self.op.shape[0]
        if axis == self.axis or self.places.shape[axis] != c:
            return False
        return bool((self.channel == _along(np.arange(c), axis, self.places.ndim)).all())

    def check_open(self) -> None:
        """Raise UnsupportedNodeError if a softmax after this value was left out of the
        import, because no node may follow it."""
        if self.left_out is not None:
            raise UnsupportedNodeError(
                self.left_out.node,
                self.left_out.kind,
                "it is not at the model's output; use another activation, or run softmax and attention on "
                "the host between two networks",
            )

    def settled(self) -> Value:
        """Return the value with its pending element-wise function appended to the graph
        as a table or view operator."""
        if self.function is None:
            return self
        if self.line is None:
            op = table(self.op, Function(self.node, self.label, self.function))
        else:
            scale, shift = (np.full(self.op.shape[0], v) for v in self.line)
            op = view(self.node, self.op, scale=scale, shift=shift)
        return replace(self, op=op, label="x", function=None, line=(1.0, 0.0))

    def then(self, op: Op, places: Ints) -> Value:
        """Return the value of the operator ``op``, which reads this value. Its elements
        are at the indices ``places`` of the operator's map."""
        self.check_open()
        return Value(op, places, self.calls, node=op.name)

    def laid(self, op: Op) -> Value:
        """Return the value of the operator ``op``, which reads this value's map. Its
        shape is (n, C, H, W) or, if this value has the form (n, C, W), that form."""
        rank, numbers = len(self.own), self.places.reshape(len(self.places), -1)[:, 0] // self.size
        return self.then(op, laid(op, (op.shape[0], *op.shape[4 - max(rank, 2) :]), numbers))

    def mixed(self, op: Op, axis: int) -> Value:
        """Return the value of the operator ``op``, which computes new channels at each
        position of this value. ``axis`` is the channel axis."""
        base = self.places.take([0], axis)
        number, position = base // self.size * int(np.prod(op.shape)), base % self.area
        channels = _along(np.arange(op.shape[0]), axis % base.ndim, base.ndim)
        return self.then(op, number + position + self.area * channels)

    def moved(self, places: Ints, name: str) -> Value | None:
        """Return the value with its elements rearranged to the indices ``places`` by
        the node ``name``. If elements are dropped, a new operator selects the
        remaining ones. Return None if samples are mixed, or the indices do not
        select whole channels."""
        value = replace(self, places=places)
        if not places.size or value.axis is None:
            return None
        numbers = len(np.unique(places // self.size))
        places_used = np.zeros(self.size, np.bool_)
        places_used[places % self.size] = True
        return value if places_used.all() and places.size == numbers * self.size else value.picked(name)

    def picked(self, name: str) -> Value | None:
        """Return the value with its channels ordered along the tensor's channel axis
        or, if the tensor has a single axis besides the batch axis, along that axis of
        features. Return None if there is no such axis."""
        value, rank, position = self.settled(), self.places.ndim, self.places % self.area
        values_each = len(np.unique(self.places // self.size)) * self.area
        all_positions = len(np.unique(position)) == self.area
        for axis, count in enumerate(self.places.shape):
            index = np.moveaxis(value.channel, axis, 0).reshape(count, -1)[:, 0]
            fits = all_positions and axis != self.axis and count * values_each == self.places.size
            if fits and (value.channel == _along(index, axis, rank)).all():
                op, channels = chosen(name, value.op, index), _along(np.arange(count), axis, rank)
                number = value.places // self.size * int(np.prod(op.shape))
                return value.then(op, number + position + self.area * channels)
        return self.vector(name)

    def vector(self, name: str) -> Value | None:
        """Return a value with a single axis of features as a vector (F, 1, 1); None if
        the value has more axes or spans several time steps."""
        if len(self.own) != 1 or self.at is None:
            return None
        value, index = self.settled(), self.first
        flat, in_order = self.area > 1, _counts(index, self.size)
        if not flat and in_order:
            return value
        op = view(name, value.op, flat=flat, index=None if in_order else index)
        numbers = value.places // value.size * len(index)
        return value.then(op, numbers + _along(np.arange(len(index)), 1 - (self.axis or 0), 2))

    def by_channel(self, name: str, scale: npt.ArrayLike, shift: npt.ArrayLike) -> Value:
        """Return ``scale * value + shift``, with ``scale`` and ``shift`` (C,) per channel."""
        scale, shift = np.broadcast_arrays(np.asarray(scale, np.float64), np.asarray(shift, np.float64))
        return self.then(view(name, self.settled().op, scale=scale, shift=shift), self.places)

    def apply(self, node: str, label: str, function: Callable[[Floats], Floats]) -> Value:
        """Return the value with a unary function added to its pending function.
        ``label`` names the new function, with ``{}`` for its operand."""
        self.check_open()
        inner = self.function
        composed = function if inner is None else lambda z: function(inner(z))
        return replace(self, node=node, label=label.format(self.label), function=composed, line=None)

    def affine(self, node: str, scale: float, shift: float) -> Value:
        """Return ``scale * value + shift``; the multiplication and addition become part
        of the pending function."""
        label = self.label if scale == 1 else f"{scale:g}*{self.label}"
        label = label if shift == 0 else f"({label}{shift:+g})"
        line = None if self.line is None else (scale * self.line[0], scale * self.line[1] + shift)
        return replace(self.apply(node, "", lambda z: scale * z + shift), label=label, line=line)


def raw_input(shape: OwnShape, samples: int, *, sequence: bool = False, calls_first: bool = False) -> Value:
    """Return the value of the model's input. With ``sequence`` its shape is (calls,
    features), and the network reads it one time step at a time."""
    if len(shape) > 3:
        raise UnsupportedNodeError("input", "input", f"samples have shape {shape}; use at most three axes")
    c, h, w = (*shape, 1, 1) if len(shape) == 1 else (shape[0], 1, shape[1]) if len(shape) == 2 else shape
    op = given("input", (w, 1, 1) if sequence else (c, h, w))
    places = np.arange(samples * c * h * w).reshape(samples, *shape)
    return Value(op, places.swapaxes(0, 1) if calls_first else places, c if sequence else 1)


def laid(op: Op, own: OwnShape, numbers: Ints) -> Ints:
    """Return the indices, in order, of all elements of an operator's map for the
    samples or time steps ``numbers`` (n,): an array (n, *own)."""
    size = int(np.prod(op.shape))
    return numbers.reshape(-1, *[1] * len(own)) * size + np.arange(size).reshape(own)


def turned(value: Value) -> Value | None:
    """If the value is the model's input, transposed by the model to (channel, row,
    column), return it as an input operator in that order. Return None if the model did
    more than transpose."""
    own_shape, rank = value.own, len(value.own)
    if not value.is_raw or value.at is None or value.axis != 0 or rank not in (2, 3):
        return None
    for axes in itertools.permutations(range(rank)):
        before = [own_shape[axes.index(a)] for a in range(rank)]
        if value.calls == 1 and (np.arange(value.size).reshape(before).transpose(axes) == value.first).all():
            op = _turned_input(value.op, (own_shape[0], *[1] * (3 - rank), *own_shape[1:]), axes)
            return Value(op, laid(op, own_shape, np.arange(len(value.places))))
    return None


@lru_cache(maxsize=16)
def _turned_input(op: Op, shape: Shape, axes: tuple[int, ...]) -> Op:
    """Return the model's input ``op`` as an operator with its axes permuted as ``axes``
    describes. Repeated calls return the same object, so that all operators that read
    the permuted input share it."""
    return given(op.name, shape, axes=axes)


def _along(numbers: npt.NDArray[np.intp], axis: int, rank: int) -> npt.NDArray[np.intp]:
    """Return the 1-D array ``numbers`` reshaped to ``rank`` axes, so that it varies
    along ``axis`` only."""
    return numbers.reshape([-1 if a == axis else 1 for a in range(rank)])


def _counts(places: Ints, size: int) -> bool:
    return np.array_equal(places, np.arange(size))


def chosen(name: str, op: Op, index: npt.NDArray[np.intp]) -> Op:
    """Return an operator that selects the channels ``index`` of ``op``. If ``op`` joins
    several operands and one of these has all the channels, they are selected from that
    operand directly."""
    moved, start = op.of(View), 0
    for part in op.inputs if moved is not None and len(op.inputs) > 1 else ():
        end = start + part.shape[0]
        if ((index >= start) & (index < end)).all():
            return part if _counts(index - start, end - start) else chosen(name, part, index - start)
        start = end
    return view(name, op, index=index)
