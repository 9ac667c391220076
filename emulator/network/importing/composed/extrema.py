"""Import of Max and Min of two maps: ``b + relu(a - b)`` and ``b - relu(b - a)``."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ndrite.emulator.errors import UnsupportedNodeError
from ndrite.emulator.network.importing.call import Call, join
from ndrite.emulator.network.importing.composed.order import in_one_order
from ndrite.emulator.network.importing.composite import RELU
from ndrite.emulator.network.importing.layers import BINARY, elementwise
from ndrite.emulator.network.importing.values import Value


def extremum(call: Call) -> Value | None:
    """Import a Max or Min operator: the element-wise largest or smallest of several
    values and constants."""
    if len(call.computed) < 2:
        return None
    with contextlib.suppress(UnsupportedNodeError):
        # If all operands are values of the same operator, the result is a
        # function of these values.
        of_one_operator = elementwise(call)
        if of_one_operator is not None:
            return of_one_operator
    numbers = [constant for constant in call.known if constant is not None]
    if any(number.size != 1 for number in numbers):
        raise call.refused("one of its constants is an array; use single numbers")
    function, label = BINARY[call.kind], call.kind.lower()
    result, *operands = call.computed
    for operand in operands:
        result = _of_two(call, result, operand, largest=call.kind == "Max")
    for number in numbers:
        result = result.apply(call.name, f"{label}({{}}, {number.item():g})", _with(function, number.item()))
    return result


def _of_two(call: Call, a: Value, b: Value, *, largest: bool) -> Value:
    a, b = in_one_order(call, a, b) or (a, b)
    sign = 1.0 if largest else -1.0
    difference = join(call, a, b, np.subtract).affine(call.name, sign, 0.0)
    excess = difference.apply(call.name, f"{RELU[0]}({{}})", RELU[1])
    return join(call, b, excess, np.add if largest else np.subtract)


def _with(function: Callable[[Any, Any], Any], number: float) -> Callable[[Any], Any]:
    return lambda z: function(z, number)
