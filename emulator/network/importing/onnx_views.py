"""ONNX operators that move axes, cut values and join them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from emulator.network.importing import views
from emulator.network.importing.onnx_call import Call
from emulator.network.importing.onnx_linear_models import two_classes
from emulator.network.importing.values import Stack, Value


def _flatten(call: Call) -> Value | None:
    return views.flatten(call.value, call.name) if call.a.get("axis", 1) == 1 else None


def _reshape(call: Call) -> Value:
    target = call.numbers(1, "shape")
    if target is None:
        raise call.refused("its shape is computed from the data; use a constant one")
    if not call.a.get("allowzero", 0):
        sizes = call.value.shape
        target = [sizes[i] if v == 0 and i < len(sizes) else v for i, v in enumerate(target)]
    if len(target) == 1 and len(call.value.own) == 1:
        return call.value
    return views.reshape(call.value, target, call.name, call.kind)


def _transpose(call: Call) -> Value:
    order = call.a.get("perm", list(range(len(call.value.axes)))[::-1])
    return views.transpose(call.value, [int(v) for v in order], call.name)


def _squeeze(call: Call) -> Value:
    first = call.values[0]
    if isinstance(first, Stack) and len(first.layers) == 1:
        return first[0]
    return views.squeeze(call.value, call.numbers(1, "axes"), call.name)


def _unsqueeze(call: Call) -> Value:
    return views.unsqueeze(call.value, call.numbers(1, "axes") or [], call.name)


def _gather(call: Call) -> Value:
    index = call.constant(1)
    numbers = [int(v) for v in index.reshape(-1)]
    first = call.values[0]
    axis = int(call.a.get("axis", 0))
    if isinstance(first, Stack):
        if axis or len(numbers) > 1:
            raise call.refused("take one layer's result, h_n[-1]")
        return first[numbers[0]]
    return views.pick(call.value, axis, numbers if index.ndim else numbers[0], call.name, call.kind)


def _slice(call: Call) -> Value:
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    axes, steps = call.numbers(3, "axes"), call.numbers(4, "steps")
    if starts is None or ends is None:
        raise call.refused("its ends are computed from the data; use constant ones")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    first = call.values[0]
    if isinstance(first, Stack) and axes == [0]:
        picked = range(*slice(starts[0], ends[0], steps[0]).indices(len(first.layers)))
        if len(picked) != 1:
            raise call.refused("take one layer's result, h_n[-1]")
        return first[picked[0]]
    value = call.value
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = value.shape[axis]
        if value.axes[axis] == "n":
            if (start, step) != (0, 1):
                raise call.refused("it takes a part of the samples")
            continue
        numbers = list(range(*slice(start, end, step).indices(size)))
        value = views.pick(value, axis, numbers, call.name, call.kind)
    return value


def _split(call: Call) -> list[Any]:
    axis, value = int(call.a.get("axis", 0)), call.value
    size, parts = value.shape[axis], call.numbers(1, "split")
    if parts is None:
        count = int(call.a.get("num_outputs", len(call.node.output)))
        each = -(-size // count)
        parts = [min(each, size - i) for i in range(0, size, each)]
    ends = np.cumsum([0, *parts]).tolist()
    return [
        views.pick(value, axis, list(range(a, b)), call.name, call.kind) for a, b in itertools.pairwise(ends)
    ]


def _concat(call: Call) -> Value | Stack:
    axis, computed = int(call.a.get("axis", 0)), call.computed
    if len(computed) != len(call.known):
        raise call.refused("it joins values with constants; use values of the model's data")
    if all(v.axes[axis] == "d" for v in computed):
        return Stack(tuple(views.squeeze(v, [axis], call.name) for v in computed))
    if len(computed) == 2:
        classes = two_classes(computed[0], computed[1], call)
        if classes is not None:
            return classes
    return views.concatenate(computed, axis, call.name, call.kind)


VIEWS: dict[str, Callable[[Call], Any]] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
}
