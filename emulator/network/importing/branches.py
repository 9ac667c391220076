"""Values joined element by element: branches of a model, and constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network.importing.call import Call
from emulator.network.importing.graph import Op, gate, spread, view
from emulator.network.importing.values import Value
from emulator.network.importing.view import Floats
from emulator.spec.patches import Shape


def join(call: Call, a: Value, b: Value, function: Callable[[Any, Any], Any]) -> Value:
    """An element-wise function of two values: of one operator any, of two branches a sum or a product.

    Raises
    ------
    UnsupportedNodeError
        When two branches are joined by anything else, or their shapes do not fit.
    """
    a.check_open()
    b.check_open()
    if a.at != b.at or ("t" in a.axes) != ("t" in b.axes):
        raise call.refused("it joins different calls of a sequence; use a recurrent layer")
    longest, axes = max(len(a.axes), len(b.axes)), a.axes.lstrip("1")
    if axes == b.axes.lstrip("1") and longest <= 3:  # a leading axis of one, as NumPy has it
        axes = "1" * (longest - len(axes)) + axes
        a, b = replace(a, axes=axes), replace(b, axes=axes)
    if a.op is b.op and a.axes == b.axes:
        label = f"{call.kind}({a.label}, {b.label})"

        def both(z: Floats) -> Floats:
            return np.asarray(function(a.of(z), b.of(z)), np.float64)

        return replace(a, node=call.name, label=label, function=both, line=None)
    factors = {np.add: 1.0, np.subtract: -1.0}
    if function not in (*factors, np.multiply):
        raise call.refused("it joins two branches; use their sum, difference or product")
    (left, right), axes = _alike(call, a.settled(), b.settled())
    terms = ((1.0, left, right),) if function is np.multiply else ((1.0, left), (factors[function], right))
    return a.settled().then(gate(call.name, *terms), axes)


def _alike(call: Call, a: Value, b: Value) -> tuple[tuple[Op, Op], str]:
    """Both as maps of one shape: one value a channel over the map, one channel over all; and its axes."""
    c, h, w = (max(x, y) for x, y in zip(a.op.shape, b.op.shape, strict=True))
    ranked = a.axes == b.axes or len(a.axes) == len(b.axes) == 4
    both = _over(call, a.op, (c, h, w)), _over(call, b.op, (c, h, w))
    if not ranked or not both[0].shape == both[1].shape == (c, h, w):
        raise call.refused(f"it joins values of {a.own} and {b.own}; use branches of one shape")
    return both, a.axes if a.op.shape == (c, h, w) else b.axes


def _over(call: Call, op: Op, shape: Shape) -> Op:
    if op.shape[0] == 1 and shape[0] > 1:
        op = view(call.name, op, index=np.zeros(shape[0], np.intp))
    return spread(call.name, op, *shape[1:]) if op.shape[1:] == (1, 1) != shape[1:] else op


def with_constant(call: Call, value: Value, constant: npt.ArrayLike, operation: str) -> Value:
    """``value`` + - * / a constant, ``operation`` one of ``add sub rsub mul div rdiv``.

    Raises
    ------
    UnsupportedNodeError
        When the constant is not a scalar, one value a feature, or one a channel.
    """
    c = np.asarray(constant, np.float64)
    if operation == "rdiv":
        if c.size != 1:
            raise call.refused("divide by constants only")
        number = float(c.reshape(-1)[0])
        return value.apply(call.name, f"{number:g}/{{}}", lambda z: number / z)
    one, none = np.ones_like(c), np.zeros_like(c)
    with np.errstate(divide="ignore"):
        ways = {"add": (one, c), "sub": (one, -c), "rsub": (-one, c), "mul": (c, none), "div": (1 / c, none)}
    scale, shift = (v.reshape(-1) for v in ways[operation])
    if c.size == 1:
        return value.affine(call.name, float(scale[0]), float(shift[0]))
    wanted = tuple(value.op.shape[0] if axis == "c" else 1 for axis in value.axes)
    if (1,) * (len(wanted) - c.ndim) + c.shape != wanted:
        raise call.refused(
            f"a constant of shape {c.shape} on values of {value.own}; use a scalar or shape {wanted[1:]}"
        )
    return value.by_channel(call.name, scale, shift)
