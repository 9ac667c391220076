"""Axes: values reshaped, transposed, flattened and cut, without an operator where none is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import given, view
from emulator.network.importing.values import OwnShape, Value

SAMPLES = -1
"""Size of the axis of samples, which no model knows."""


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


def flatten(value: Value, node: str) -> Value:
    """One axis of features, in the order that the model sees."""
    if value.groups > 1:
        raise UnsupportedNodeError(node, "Flatten", "of grouped channels; bring them back to one axis first")
    if "t" in value.axes:
        raise UnsupportedNodeError(node, "Flatten", "of a whole sequence; take its last call, out[:, -1]")
    if value.op.shape[1:] == (1, 1):
        return replace(value, axes="nc")
    value = value.settled()
    seen = [axis for axis in value.axes if axis in "chw"]
    if not value.axes.startswith("n"):
        raise UnsupportedNodeError(node, "Flatten", f"of axes {value.axes}; samples come first")
    size = int(np.prod(value.op.shape))
    numbers = np.arange(size).reshape(value.op.shape)
    missing = [axis for axis in "chw" if axis not in seen]
    order = numbers.transpose([("c", "h", "w").index(axis) for axis in (*seen, *missing)]).reshape(-1)
    straight = bool((order == np.arange(size)).all())
    return value.then(view(node, value.op, flat=True, index=None if straight else order), "nc")


def reshape(value: Value, target: list[int], node: str, kind: str) -> Value:
    """To ``target``, its first axis samples: one axis of features, or axes of one in other places."""
    bare = [a for a in value.axes if a not in "d1"]
    if "t" in bare and len(target) == len(bare):
        sizes = [s for a, s in zip(value.axes, value.shape, strict=True) if a not in "d1"]
        fits = zip(bare, target, sizes, strict=True)
        if all(a == "n" or v in (SAMPLES, s) for a, v, s in fits):
            return replace(value, axes="".join(bare))
    size = int(np.prod(value.own))
    known = int(np.prod([v for v in target[1:] if v != SAMPLES]))
    sizes = [size // max(known, 1) if v == SAMPLES else v for v in target[1:]]
    if int(np.prod(sizes)) == size and "t" not in value.axes:
        if tuple(sizes) == value.own:
            return value
        if len(sizes) == 1:
            return flatten(value, node)
        if value.is_raw and len(sizes) <= 3:
            return raw_input(tuple(sizes))
        empty = _with_ones(value, sizes) if value.groups == 1 else None
        if empty is not None:
            return replace(value, axes=empty)
        if value.groups > 1 or len(sizes) == len(value.own) + 1 > 2:
            return _regrouped(value, sizes, node, kind)
    raise UnsupportedNodeError(
        node,
        kind,
        f"to {target} of {value.own}; flatten to one axis, or shape the model's input so",
    )


def _regrouped(value: Value, sizes: list[int], node: str, kind: str) -> Value:
    """Channels taken apart into groups, or such brought back to one axis: what shuffles channels."""
    if value.groups == 1 and value.axes[1] == "c" and tuple(sizes[2:]) == value.own[1:]:
        return replace(value, axes=f"ng{value.axes[1:]}", groups=sizes[0])
    letters, channels = value.axes, value.op.shape[0]
    both = letters[1:3]
    if value.groups > 1 and set(both) == {"g", "c"} and sizes == [channels, *value.own[2:]]:
        back = replace(value, axes=f"nc{letters[3:]}", groups=1)
        if both == "gc":
            return back
        order = np.arange(channels).reshape(value.groups, -1).T.reshape(-1)
        return pick(back, 1, order.tolist(), node, kind)
    raise UnsupportedNodeError(
        node, kind, f"to {sizes} of {value.own}; flatten to one axis, or bring groups back to channels"
    )


def _with_ones(value: Value, sizes: list[int]) -> str | None:
    """Axes for these sizes where they differ from the value's by ones only."""
    big = [a for a, s in zip(value.axes, value.shape, strict=True) if a != "n" and s != 1]
    if [s for s in sizes if s != 1] != [s for a, s in zip(value.axes, value.shape, strict=True) if a in big]:
        return None
    spare = [a for a in "chw" if a not in big]
    letters = []
    for i, size in enumerate(sizes):
        if size != 1:
            letters.append(big.pop(0))
            continue
        usual = ("c", *"hw"[-(len(sizes) - 1) :])[i] if len(sizes) <= 3 else "1"
        usual = "h" if usual == "w" and "h" in spare and len(sizes) == 3 and i == 1 else usual
        letters.append(usual if usual in spare else "1")
        if usual in spare:
            spare.remove(usual)
    return "n" + "".join(letters)


def transpose(value: Value, permutation: list[int], node: str) -> Value:
    """The axes in another order."""
    permutation = [p % len(value.axes) for p in permutation]
    if sorted(permutation) != list(range(len(value.axes))):
        raise UnsupportedNodeError(node, "Transpose", f"to {permutation} of {value.own}; use every axis once")
    return replace(value, axes="".join(value.axes[p] for p in permutation))


def squeeze(value: Value, axes: list[int] | None, node: str) -> Value:
    """Without some axes of one; None: all of them."""
    rank = len(value.axes)
    places = [i for i, s in enumerate(value.shape) if s == 1 and value.axes[i] != "n"]
    gone = places if axes is None else [a % rank for a in axes]
    if any(value.shape[i] != 1 or value.axes[i] == "n" for i in gone):
        raise UnsupportedNodeError(node, "Squeeze", f"of axes {gone} of {value.own}; their size is not 1")
    return replace(value, axes="".join(a for i, a in enumerate(value.axes) if i not in gone))


def unsqueeze(value: Value, axes: list[int], node: str) -> Value:
    """With axes of one at these places of the result."""
    rank = len(value.axes) + len(axes)
    places = sorted(a % rank for a in axes)
    own = value.own
    if value.is_raw and value.axes == first_axes(own) and places in ([1], [3]) and len(own) < 3 >= places[0]:
        place = min(places[0] - 1, len(own))
        return raw_input((*own[:place], 1, *own[place:]))
    letters = list(value.axes)
    for place in places:
        spare = [a for a in "hw" if a not in letters and value.op.shape[1 + "hw".index(a)] == 1]
        letters.insert(place, spare[0] if spare and place >= 2 else "1")
    return replace(value, axes="".join(letters))


def pick(value: Value, axis: int, index: int | list[int], node: str, kind: str) -> Value:
    """One or some of an axis: channels, a call of a sequence, the one layer of a cell."""
    axis %= len(value.axes)
    letter, size = value.axes[axis], value.shape[axis]
    if value.groups > 1:
        raise UnsupportedNodeError(node, kind, "of grouped channels; bring them back to one axis first")
    numbers = [index] if isinstance(index, int) else index
    numbers = [n + size if n < 0 else n for n in numbers]
    if not all(0 <= n < size for n in numbers) or letter == "n":
        raise UnsupportedNodeError(
            node, kind, f"{index} of axis {axis} of {value.own}; accepted: 0..{size - 1}"
        )
    rest = value.axes[:axis] + value.axes[axis + 1 :] if isinstance(index, int) else value.axes
    if numbers == list(range(size)):
        return replace(value, axes=rest)
    if letter == "t" and len(numbers) == 1:
        return replace(value, axes=rest.replace("t", "1"), at=numbers[0])
    if letter == "c" and not isinstance(index, int):
        value = value.settled()
        return value.then(view(node, value.op, index=np.array(numbers, np.intp)))
    raise UnsupportedNodeError(
        node, kind, f"it takes a part of {value.own}; take channels, or the last call of a sequence"
    )


def concatenate(values: list[Value], axis: int, node: str, kind: str) -> Value:
    """Channels (or features) of several values behind one another."""
    first = values[0]
    for value in values:
        value.check_open()
    axes = {v.axes for v in values}
    places = {v.op.shape[1:] for v in values}
    letter = first.axes[axis % len(first.axes)]
    if letter != "c" or len(axes) > 1 or len(places) > 1 or len({(v.calls, v.at) for v in values}) > 1:
        shapes = ", ".join(str(v.own) for v in values)
        raise UnsupportedNodeError(
            node, kind, f"of {shapes} along axis {axis}; join maps of one height and width by channel"
        )
    return first.settled().then(view(node, *(v.settled().op for v in values)))
