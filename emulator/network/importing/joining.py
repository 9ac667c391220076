"""Values joined element by element: with one another, and with constants."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.graph import Op, gate, spread, view
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.arrays import Array, Floats, Ints
from ndrite.emulator.spec.patches import Shape


def join(call: Call, a: Value, b: Value, function: Callable[[Any, Any], Any]) -> Value:
    """An element-wise function of two values: of one operator any, of two branches a sum or a product. Raises
    UnsupportedNodeError when two branches are joined by anything else, or their shapes do not fit."""
    a.check_open()
    b.check_open()
    try:
        places = np.broadcast_arrays(a.places, b.places)
    except ValueError:
        raise call.refused(f"it joins values of {a.own} and {b.own}; use branches of one shape") from None
    if a.op is b.op and np.array_equal(places[0], places[1]):
        label = f"{call.kind}({a.label}, {b.label})"

        def both(z: Floats) -> Floats:
            return np.asarray(function(a.of(z), b.of(z)), np.float64)

        return replace(a, places=places[0], node=call.name, label=label, function=both, line=None)
    if not np.array_equal(places[0] // a.size, places[1] // b.size):
        raise call.refused("it joins different calls of a sequence; use a recurrent layer")
    factors = {np.add: 1.0, np.subtract: -1.0}
    if function not in (*factors, np.multiply):
        raise call.refused("it joins two branches; use their sum, difference or product")
    a, b = a.settled(), b.settled()
    alike = _alike(call, a, b)
    if alike is None and (vectors := (a.vector(call.name), b.vector(call.name)))[0] and vectors[1]:
        a, b = vectors[0], vectors[1]
        alike = _alike(call, a, b)
    if alike is None:
        raise call.refused(f"it joins values of {a.own} and {b.own}; use branches of one shape")
    left, right, places_of = alike
    terms = ((1.0, left, right),) if function is np.multiply else ((1.0, left), (factors[function], right))
    return a.then(gate(call.name, *terms), places_of)


def _alike(call: Call, a: Value, b: Value) -> tuple[Op, Op, Ints] | None:
    """Both as maps of one shape, one value a channel over the map, one channel over all, and where the model
    sees its values; None: they do not fit each other."""
    c, h, w = (max(x, y) for x, y in zip(a.op.shape, b.op.shape, strict=True))
    for wide, long in itertools.product((a, b), repeat=2):
        if wide.op.shape[0] != c or long.op.shape[1:] != (h, w):
            continue
        place = np.asarray(wide.channel * h * w + long.places % (h * w))
        places = a.places // a.size * (c * h * w) + place
        fits = all(
            x.op.shape[1:] in ((1, 1), (h, w))
            and (x.op.shape[0] == 1 or (x.channel == place // (h * w)).all())
            and (x.area == 1 or (x.places % x.area == place % (h * w)).all())
            for x in (a, b)
        )
        if fits and len(np.unique(places)) == places.size:
            return _over(call, a.op, (c, h, w)), _over(call, b.op, (c, h, w)), places
    return None


def _over(call: Call, op: Op, shape: Shape) -> Op:
    if op.shape[0] == 1 and shape[0] > 1:
        op = view(call.name, op, index=np.zeros(shape[0], np.intp))
    return spread(call.name, op, *shape[1:]) if op.shape[1:] == (1, 1) != shape[1:] else op


def with_constant(call: Call, value: Value, constant: npt.ArrayLike, operation: str) -> Value:
    """``value`` + - * / a constant, ``operation`` one of ``add sub rsub mul div rdiv``. Raises
    UnsupportedNodeError when the constant is not a scalar, one value a feature, or one a channel."""
    c = np.asarray(constant, np.float64)
    if operation == "rdiv":
        if c.size != 1:
            raise call.refused("divide by constants only")
        number = float(c.reshape(-1)[0])
        return value.apply(call.name, f"{number:g}/{{}}", lambda z: number / z)
    ones_c, none = np.ones_like(c), np.zeros_like(c)
    with np.errstate(divide="ignore"):
        scale_shift = {
            "add": (ones_c, c),
            "sub": (ones_c, -c),
            "rsub": (-ones_c, c),
            "mul": (c, none),
            "div": (1 / c, none),
        }
    scale, shift = scale_shift[operation]
    if c.size == 1:
        return value.affine(call.name, float(scale.flat[0]), float(shift.flat[0]))
    value, (scale, shift) = of_channels(call, value, scale, shift)
    return value.by_channel(call.name, scale, shift)


def of_channels(call: Call, value: Value, *constants: Array) -> tuple[Value, list[Floats]]:
    """Constants of a tensor's shape as (C,) each, and the value whose channels they are of: it may have to be
    one axis of features. Raises UnsupportedNodeError when they differ by anything else."""
    shape = constants[0].shape
    for candidate in (value, value.vector(call.name)):
        if candidate is None or len(shape) > candidate.places.ndim:
            continue
        try:
            full = [np.broadcast_to(c, candidate.places.shape) for c in constants]
        except ValueError:
            continue
        by_channel = [np.zeros(candidate.op.shape[0]) for _ in constants]
        for channel, values in zip(by_channel, full, strict=True):
            channel[candidate.channel] = values
        if all(
            np.array_equal(channel[candidate.channel], v, equal_nan=True)
            for channel, v in zip(by_channel, full, strict=True)
        ):
            return candidate, by_channel
    raise call.refused(
        f"a constant of shape {shape} on values of {value.own}; use a scalar, or one value a "
        "channel or feature"
    )
