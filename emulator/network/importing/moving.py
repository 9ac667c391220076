"""ONNX operators that move values, cut them and join them, without a node where none is needed.

The operator itself, run on the places of a tensor's elements, says where they are afterwards.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.graph import view
from ndrite.emulator.network.importing.values import Value, raw_input

SHAPING = ("Reshape", "Unsqueeze")
"""Of the model's input untouched they say what shape it has."""


def _moved(call: Call) -> list[Any]:
    value = call.values[0]
    if value is None or len(call.computed) > 1:
        raise call.refused("it picks by the data; use constant numbers and shapes")
    constants = {s: k for s, k in zip(call.node.input, call.known, strict=True) if s and k is not None}
    return [
        _placed(call, value, places)
        for places in call.evaluated({**constants, call.node.input[0]: value.places})
    ]


def _placed(call: Call, value: Value, places: Any) -> Value:
    moved = value.moved(places, call.name)
    if moved is None or moved.axis is None:
        raise call.refused(
            f"it makes {places.shape} of {value.places.shape}, samples among them; move whole channels or "
            "features, or take the last call of a sequence"
        )
    shaped = call.kind in SHAPING and value.is_raw and value.in_order and moved.in_order
    return raw_input(moved.own, len(places)) if shaped and len(moved.own) in (2, 3) else moved


def concatenate(call: Call) -> Value:
    """Values behind one another: a join of the operators' channels, wherever the model sees them."""
    axis, values = int(call.a.get("axis", 0)), call.computed
    if len(values) != len(call.known):
        raise call.refused("it joins values with constants; use values of the model's data")
    for value in values:
        value.check_open()
    if len({v.op.shape[1:] for v in values}) > 1:
        values = [v.vector(call.name) or v for v in values]
    values = [v.settled() for v in values]
    if len({(v.op.shape[1:], v.calls, v.at) for v in values}) > 1:
        shapes = ", ".join(str(v.own) for v in values)
        raise call.refused(f"of {shapes} along axis {axis}; join maps of one height and width")
    op, places, start = view(call.name, *(v.op for v in values)), [], 0
    for value in values:
        number = value.places // value.size * (op.shape[0] * value.area)
        places.append(number + start * value.area + value.places % value.size)
        start += value.op.shape[0]
    return values[0].then(op, np.concatenate(places, axis))


MOVING: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"), _moved),
    **dict.fromkeys(("Gather", "ArrayFeatureExtractor", "Slice", "Split"), _moved),
    "Concat": concatenate,
}
