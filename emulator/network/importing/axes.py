"""ONNX operators that move axes, cut values and join them, without a node where none is needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.call import Call
from emulator.network.importing.graph import given, view
from emulator.network.importing.values import OwnShape, Stack, Value

SAMPLES = -1
"""Size of the axis of samples, which no model knows."""
ONE_LAYER = "take one layer's result, h_n[-1]"


def first_axes(shape: OwnShape) -> str:
    """Letters for samples of this shape: features, a row, or a map."""
    return {1: "nc", 2: "ncw", 3: "nchw"}[len(shape)]


def raw_input(shape: OwnShape, *, sequence: str = "") -> Value:
    """The model's input; ``sequence``: axes of one, ``ntc`` or ``tnc``, its shape (calls, features)."""
    if len(shape) > 3:
        raise UnsupportedNodeError("input", "input", f"samples have shape {shape}; use at most three axes")
    if sequence:
        calls, features = shape
        return Value(given("input", (features, 1, 1)), sequence, calls=calls)
    c, h, w = (*shape, 1, 1) if len(shape) == 1 else (shape[0], 1, shape[1]) if len(shape) == 2 else shape
    return Value(given("input", (c, h, w)), first_axes(shape))


def flatten(call: Call, value: Value) -> Value:
    """One axis of features, in the order that the model sees."""
    if value.groups > 1:
        raise call.refused("of grouped channels; bring them back to one axis first")
    if "t" in value.axes:
        raise call.refused("of a whole sequence; take its last call, out[:, -1]")
    if value.op.shape[1:] == (1, 1):
        return replace(value, axes="nc")
    value = value.settled()
    if not value.axes.startswith("n"):
        raise call.refused(f"of axes {value.axes}; samples come first")
    seen = [axis for axis in value.axes if axis in "chw"]
    places = ["chw".index(axis) for axis in (*seen, *(axis for axis in "chw" if axis not in seen))]
    numbers = np.arange(np.prod(value.op.shape))
    order = numbers.reshape(value.op.shape).transpose(places).reshape(-1)
    index = None if np.array_equal(order, numbers) else order
    return value.then(view(call.name, value.op, flat=True, index=index), "nc")


def squeeze(call: Call, value: Value, axes: list[int] | None) -> Value:
    """Without some axes of one; None: all of them."""
    places = [i for i, s in enumerate(value.shape) if s == 1 and value.axes[i] != "n"]
    gone = places if axes is None else [a % len(value.axes) for a in axes]
    if not set(gone) <= set(places):
        raise call.refused(f"of axes {gone} of {value.own}; their size is not 1")
    return replace(value, axes="".join(a for i, a in enumerate(value.axes) if i not in gone))


def _flatten(call: Call) -> Value | None:
    return flatten(call, call.value) if call.a.get("axis", 1) == 1 else None


def _reshape(call: Call) -> Value:
    """To a shape whose first axis is samples: one axis of features, or axes of one in other places."""
    value, target = call.value, call.numbers(1, "shape")
    if target is None:
        raise call.refused("its shape is computed from the data; use a constant one")
    if not call.a.get("allowzero", 0):
        target = [value.shape[i] if v == 0 and i < len(value.shape) else v for i, v in enumerate(target)]
    if len(target) == 1 and len(value.own) == 1:
        return value
    bare = [(a, s) for a, s in zip(value.axes, value.shape, strict=True) if a not in "d1"]
    axes = "".join(a for a, _ in bare)
    same = all(a == "n" or v in (SAMPLES, s) for (a, s), v in zip(bare, target, strict=False))
    if "t" in axes and len(target) == len(bare) and same:
        return replace(value, axes=axes)
    size, known = (int(np.prod(sizes)) for sizes in (value.own, [v for v in target[1:] if v != SAMPLES]))
    sizes = [size // max(known, 1) if v == SAMPLES else v for v in target[1:]]
    if int(np.prod(sizes)) == size and "t" not in value.axes:
        if tuple(sizes) == value.own:
            return value
        if len(sizes) == 1:
            return flatten(call, value)
        if value.is_raw and len(sizes) <= 3:
            return raw_input(tuple(sizes))
        empty = _with_ones(value, sizes) if value.groups == 1 else None
        if empty is not None:
            return replace(value, axes=empty)
        if value.groups > 1 or len(sizes) == len(value.own) + 1 > 2:
            return _regrouped(call, sizes)
    raise call.refused(f"to {target} of {value.own}; flatten to one axis, or shape the model's input so")


def _regrouped(call: Call, sizes: list[int]) -> Value:
    """Channels taken apart into groups, or such brought back to one axis: what shuffles channels."""
    value = call.value
    if value.groups == 1 and value.axes[1] == "c" and tuple(sizes[2:]) == value.own[1:]:
        return replace(value, axes=f"ng{value.axes[1:]}", groups=sizes[0])
    letters, channels = value.axes, value.op.shape[0]
    both = letters[1:3]
    if value.groups > 1 and set(both) == {"g", "c"} and sizes == [channels, *value.own[2:]]:
        back = replace(value, axes=f"nc{letters[3:]}", groups=1)
        if both == "gc":
            return back
        return _pick(call, back, 1, np.arange(channels).reshape(value.groups, -1).T.reshape(-1).tolist())
    raise call.refused(f"to {sizes} of {value.own}; flatten to one axis, or bring groups back to channels")


def _with_ones(value: Value, sizes: list[int]) -> str | None:
    """Axes for these sizes where they differ from the value's by ones only."""
    big = [(a, s) for a, s in zip(value.axes, value.shape, strict=True) if a != "n" and s != 1]
    if [s for s in sizes if s != 1] != [s for _, s in big]:
        return None
    left = iter([a for a, _ in big])
    spare = [a for a in "chw" if a not in dict(big)]
    letters = []
    for i, size in enumerate(sizes):
        if size != 1:
            letters.append(next(left))
            continue
        usual = ("c", *"hw"[-(len(sizes) - 1) :])[i] if len(sizes) <= 3 else "1"
        usual = "h" if usual == "w" and "h" in spare and len(sizes) == 3 and i == 1 else usual
        letters.append(usual if usual in spare else "1")
        if usual in spare:
            spare.remove(usual)
    return "n" + "".join(letters)


def _transpose(call: Call) -> Value:
    value, rank = call.value, len(call.value.axes)
    order = [int(v) % rank for v in call.a.get("perm", range(rank)[::-1])]
    if sorted(order) != list(range(rank)):
        raise call.refused(f"to {order} of {value.own}; use every axis once")
    return replace(value, axes="".join(value.axes[p] for p in order))


def _squeeze(call: Call) -> Value:
    first = call.values[0]
    if isinstance(first, Stack) and len(first.layers) == 1:
        return first.layers[0]
    return squeeze(call, call.value, call.numbers(1, "axes"))


def _unsqueeze(call: Call) -> Value:
    """With axes of one at these places of the result."""
    value, axes = call.value, call.numbers(1, "axes") or []
    places = sorted(a % (len(value.axes) + len(axes)) for a in axes)
    own = value.own
    if value.is_raw and value.axes == first_axes(own) and places in ([1], [3]) and len(own) < 3 >= places[0]:
        place = min(places[0] - 1, len(own))
        return raw_input((*own[:place], 1, *own[place:]))
    letters = list(value.axes)
    for place in places:
        spare = [a for a in "hw" if a not in letters and value.op.shape[1 + "hw".index(a)] == 1]
        letters.insert(place, spare[0] if spare and place >= 2 else "1")
    return replace(value, axes="".join(letters))


def _pick(call: Call, value: Value, axis: int, index: int | list[int]) -> Value:
    """One or some of an axis: channels, a call of a sequence, the one layer of a cell."""
    axis %= len(value.axes)
    letter, size = value.axes[axis], value.shape[axis]
    if value.groups > 1:
        raise call.refused("of grouped channels; bring them back to one axis first")
    numbers = [index] if isinstance(index, int) else index
    numbers = [n + size if n < 0 else n for n in numbers]
    if not all(0 <= n < size for n in numbers) or letter == "n":
        raise call.refused(f"{index} of axis {axis} of {value.own}; accepted: 0..{size - 1}")
    rest = value.axes[:axis] + value.axes[axis + 1 :] if isinstance(index, int) else value.axes
    if numbers == list(range(size)):
        return replace(value, axes=rest)
    if letter == "t" and len(numbers) == 1:
        return replace(value, axes=rest.replace("t", "1"), at=numbers[0])
    if letter == "c" and not isinstance(index, int):
        value = value.settled()
        return value.then(view(call.name, value.op, index=np.array(numbers, np.intp)))
    raise call.refused(f"it takes a part of {value.own}; take channels, or the last call of a sequence")


def _gather(call: Call) -> Value:
    index, axis = call.constant(1), int(call.a.get("axis", 0))
    numbers = [int(v) for v in index.reshape(-1)]
    first = call.values[0]
    if isinstance(first, Stack):
        return _layer(call, first, numbers if not axis else [])
    return _pick(call, call.value, axis, numbers if index.ndim else numbers[0])


def _layer(call: Call, stack: Stack, numbers: list[int]) -> Value:
    """One layer's last result."""
    if len(numbers) != 1 or not -len(stack.layers) <= numbers[0] < len(stack.layers):
        raise call.refused(ONE_LAYER)
    return stack.layers[numbers[0]]


def _slice(call: Call) -> Value:
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    axes, steps = call.numbers(3, "axes"), call.numbers(4, "steps")
    if starts is None or ends is None:
        raise call.refused("its ends are computed from the data; use constant ones")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    first = call.values[0]
    if isinstance(first, Stack) and axes == [0]:
        part = slice(starts[0], ends[0], steps[0])
        return _layer(call, first, list(range(*part.indices(len(first.layers)))))
    value = call.value
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if value.axes[axis] == "n" and (start, step) != (0, 1):
            raise call.refused("it takes a part of the samples")
        if value.axes[axis] != "n":
            value = _pick(call, value, axis, list(range(*slice(start, end, step).indices(value.shape[axis]))))
    return value


def _split(call: Call) -> list[Any]:
    axis, value = int(call.a.get("axis", 0)), call.value
    size, parts = value.shape[axis], call.numbers(1, "split")
    if parts is None:
        count = int(call.a.get("num_outputs", len(call.node.output)))
        each = -(-size // count)
        parts = [min(each, size - i) for i in range(0, size, each)]
    ends = np.cumsum([0, *parts]).tolist()
    return [_pick(call, value, axis, list(range(a, b))) for a, b in itertools.pairwise(ends)]


def concatenate(call: Call) -> Value | Stack:
    """Channels (or features) of several values behind one another, or layers' results as a stack."""
    axis, values = int(call.a.get("axis", 0)), call.computed
    if len(values) != len(call.known):
        raise call.refused("it joins values with constants; use values of the model's data")
    if all(v.axes[axis] == "d" for v in values):
        return Stack(tuple(squeeze(call, v, [axis]) for v in values))
    for value in values:
        value.check_open()
    alike = len({(v.axes, v.op.shape[1:], v.calls, v.at) for v in values}) == 1
    if not alike or values[0].axes[axis % len(values[0].axes)] != "c":
        shapes = ", ".join(str(v.own) for v in values)
        raise call.refused(f"of {shapes} along axis {axis}; join maps of one height and width by channel")
    return values[0].settled().then(view(call.name, *(v.settled().op for v in values)))


AXES: dict[str, Callable[[Call], Any]] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Concat": concatenate,
}
