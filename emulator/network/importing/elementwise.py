"""ONNX operators on each value by itself, or on several element by element; codes of quantised models."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.joining import join, with_constant
from ndrite.emulator.network.importing.layers import prelu
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.arrays import Array, Floats

UNARY = (
    "Relu Sigmoid Tanh LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign Gelu Mish Swish "
    "ThresholdedRelu Shrink Abs Neg Exp Log Sqrt Reciprocal Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh "
    "Atanh Erf Clip PRelu Pow Min Max Sign Round Floor Ceil"
).split()
"""Taken as a function of each value, computed by ONNX's own reference implementation of the operator."""
JOINED = "Where Greater GreaterOrEqual Less LessOrEqual Equal And Or Not Xor Mod".split()
"""With the arithmetic of two operands: functions of several values of one operator."""
TRUTHS = {"Where": (0,), "And": (0, 1), "Or": (0, 1), "Xor": (0, 1), "Not": (0,)}
"""Operands that are true or false."""
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
CONSTANT = {"Add": ("add", "add"), "Sum": ("add", "add"), "Mul": ("mul", "mul")} | {
    "Sub": ("sub", "rsub"),
    "Div": ("div", "rdiv"),
}
"""What a constant does as the second operand, and as the first."""
CODES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


def elementwise(call: Call) -> Value | None:
    """The node as a function; None where it is none."""
    kind, computed = call.kind, call.computed
    if kind == "PRelu" and call.constant(1).size > 1:
        return prelu(call)
    if kind == "Sum" and len(call.known) == 1:
        return call.value
    if len(computed) >= 2 and kind in BINARY and len(computed) == len(call.known):
        total = computed[0]
        for operand in computed[1:]:
            total = join(call, total, operand, BINARY[kind])
        return total
    if kind in CONSTANT and len(call.known) == 2 and len(computed) == 1:
        operand_index = 0 if call.known[0] is None else 1
        return with_constant(
            call, call.value, call.constant(1 - operand_index), CONSTANT[kind][operand_index]
        )
    small = all(c is None or c.size == 1 for c in call.known)
    if small and (kind in JOINED or (kind in UNARY and len(computed) == 1)):
        return _function(call)
    return None


def _function(call: Call) -> Value:
    """A function of a value, or of several of one operator, such as the two branches of ``Where``."""
    first, operands = call.value, call.computed
    for argument in operands:
        argument.check_open()
        if argument.op is not first.op or not np.array_equal(argument.places, first.places):
            raise call.refused("it joins two branches; use their sum, difference or product")
    # Numbers are given as such: a shape of (1, 1, 1) would make values of three axes.
    pairs = zip(call.node.input, call.known, strict=True)
    numbers: dict[str, Array] = {s: k.reshape(()) for s, k in pairs if s and k is not None}
    sources = [s for s, v in zip(call.node.input, call.values, strict=True) if v is not None]

    def function(z: Floats) -> Floats:
        constants = dict(numbers)
        for source, operand in zip(sources, operands, strict=True):
            constants[source] = operand.of(z).astype(np.float32)
        for i in TRUTHS.get(call.kind, ()):
            constants[call.node.input[i]] = constants[call.node.input[i]] != 0
        return np.asarray(call.evaluated(constants)[0], np.float64)

    label = f"{call.kind.lower()}({', '.join(o.label for o in operands)})"
    return replace(first, node=call.name, label=label, function=function, line=None)


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


def _quantised(call: Call) -> Value:
    """The values that the codes stand for, saturation included, which may be a ReLU; DequantizeLinear behind
    it changes nothing more."""
    scale, zero = call.constant(1), call.optional(2)
    zero = np.zeros(1, np.uint8) if zero is None else zero
    if scale.size != 1 or zero.size != 1 or zero.dtype.name not in CODES:
        raise call.refused("use one scale and zero point for all of a tensor, of 8 or 16 bits")
    step, offset = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
    low, high = ((code - offset) * step for code in CODES[zero.dtype.name])

    def codes(z: Floats) -> Floats:
        """The nearest of the values that codes stand for, half to even, as ONNX has it."""
        return np.asarray(np.clip(np.rint(z / step) * step, low, high), np.float64)

    return call.value.apply(call.name, "codes({})", codes)


CASTS: dict[str, Callable[[Call], Any]] = {
    "Cast": _cast,
    "CastLike": _cast,
    "QuantizeLinear": _quantised,
    "DequantizeLinear": lambda call: call.value,
}
