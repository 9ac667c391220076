"""ONNX operators on each value by itself, and on several values element by element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.network.importing import layers
from emulator.network.importing.onnx_call import Array, Call
from emulator.network.importing.onnx_names import JOINED, TRUTHS, UNARY
from emulator.network.importing.values import Value, join, with_constant
from emulator.network.importing.view import Floats

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sum": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Min": np.minimum,
    "Max": np.maximum,
}
CONSTANT = {"Add": "add", "Sum": "add", "Mul": "mul", "Sub": "sub", "Div": "div"}


def elementwise(call: Call) -> Value | None:
    """The node as a function; None where it is none."""
    kind, computed = call.kind, call.computed
    if kind in ("Cast", "CastLike"):
        return _cast(call)
    if kind == "PRelu" and call.constant(1).size > 1:
        sizes = call.constant(1).shape
        wanted = tuple(call.value.op.shape[0] if axis == "c" else 1 for axis in call.value.axes)
        by_channel = call.opsets.get("", 1) < 7 and len(sizes) == 1  # as the first operator sets had it
        if not by_channel and (1,) * (len(wanted) - len(sizes)) + sizes != wanted:
            raise call.refused(f"slopes of shape {sizes}; use one slope, or one a channel")
        return layers.prelu(call.value, call.constant(1), call.name)
    if kind == "Sum" and len(call.known) == 1:
        return call.value
    if len(computed) >= 2 and kind in BINARY and len(computed) == len(call.known):
        total = computed[0]
        for other in computed[1:]:
            total = join(total, other, call.name, kind, BINARY[kind])
        return total
    if kind in CONSTANT and len(call.known) == 2 and len(computed) == 1:
        first = call.known[0] is None
        operation = CONSTANT[kind]
        operation = operation if first or operation in ("add", "mul") else f"r{operation}"
        constant = call.constant(1 if first else 0)
        return with_constant(call.value, constant, call.name, kind, operation)
    small = all(c is None or c.size == 1 for c in call.known)
    if small and kind in JOINED:
        return _joined(call)
    if small and kind in UNARY and len(computed) == 1:
        return call.value.apply(call.name, f"{kind.lower()}({{}})", _function(call))
    return None


def _cast(call: Call) -> Value:
    """Floats as floats; to whole numbers by cutting, to truth values by comparing with 0."""
    from onnx import TensorProto

    to = call.a.get("to", TensorProto.FLOAT)
    if call.kind == "CastLike" or to in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
        return call.value
    if to == TensorProto.BOOL:
        return call.value.apply(call.name, "({} != 0)", lambda z: (z != 0).astype(np.float64))
    if to in (TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64):
        return call.value.apply(call.name, "trunc({})", np.trunc)
    raise call.refused("cast to floats, signed whole numbers or truth values")


def _function(call: Call) -> Callable[[Floats], Floats]:
    # Numbers are given as such: a shape of (1, 1, 1) would make values of three axes.
    source = next(s for s, v in zip(call.node.input, call.values, strict=True) if v is not None)

    def function(z: Floats) -> Floats:
        return np.asarray(call.evaluated({**_numbers(call), source: z.astype(np.float32)})[0], np.float64)

    return function


def _numbers(call: Call) -> dict[str, Array]:
    pairs = zip(call.node.input, call.known, strict=True)
    return {s: k.reshape(()) for s, k in pairs if s and k is not None}


def _joined(call: Call) -> Value:
    """A function of several values of one operator, such as the two branches of ``Where``."""
    operands = call.computed
    first = operands[0]
    for other in operands:
        other.check_open()
        if other.op is not first.op or other.axes != first.axes:
            raise call.refused("it joins two branches; use their sum, difference or product")
    sources = [s for s, v in zip(call.node.input, call.values, strict=True) if v is not None]

    def function(z: Floats) -> Floats:
        given = _numbers(call)
        for source, operand in zip(sources, operands, strict=True):
            given[source] = (z if operand.function is None else operand.function(z)).astype(np.float32)
        for i in TRUTHS.get(call.kind, ()):
            given[call.node.input[i]] = given[call.node.input[i]] != 0
        return np.asarray(call.evaluated(given)[0], np.float64)

    label = f"{call.kind.lower()}({', '.join(o.label for o in operands)})"
    return replace(first, node=call.name, label=label, function=function, line=None)
