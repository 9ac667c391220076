"""Tables, gates and poolings of the model as nodes of the network: what their maps stand for is undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network import Gate, Pool, Table, Term
from emulator.network.importing import graph as ops
from emulator.network.importing.function import Stretch
from emulator.network.importing.graph import Unary
from emulator.network.importing.held import Held
from emulator.network.importing.span import Span
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.patches import Patches, Shape
from emulator.spec.steps import joined

GAIN_MAX = 64.0
"""Largest factor of an average."""


def table_node(x: Held, stretch: Stretch) -> tuple[Table, Stretch]:
    """The function of a value whose scales have one sign, and the stretch as the table sees it.

    A table's gains are positive: falling codes are taken by the function's mirror program.
    """
    scale, shift = x.scale, x.shift
    if (scale < 0).all():
        scale, shift, function = -scale, -shift, stretch.unary.function
        mirrored: Unary = dataclasses.replace(stretch.unary, function=lambda z: function(-z))
        points = np.stack([-stretch.points[0, ::-1], stretch.points[1, ::-1]])
        stretch = dataclasses.replace(stretch, unary=mirrored, points=points)
    places, gain, by = x.places.astype(np.int32), scale.astype(np.float32), shift.astype(np.float32)
    return Table(x.maps, places, gain, by, stretch.activation), stretch


def gate_node(op: ops.Gate, x: list[Held], span: Span, start: Callable[[ops.Gate, int], float]) -> Gate:
    """The gate of plain values ``x``; ``start``: the value that an operand of a sum is counted from.

    Raises
    ------
    UnsupportedNodeError
        When the value that it counts from is far outside of what its results span.
    """
    terms, total = [], op.constant
    for term in op.terms:
        a = x[term.a]
        gain = term.factor * float(a.scale[0]) / span.width
        if term.b is not None:
            b = x[term.b]
            zeros = (a.zero or 0.0, b.zero or 0.0)
            gain *= float(b.scale[0])
            terms.append(Term(a=a.maps[0], b=b.maps[0], gain=gain, a_zero=zeros[0], b_zero=zeros[1]))
            continue
        y = np.clip((start(op, term.a) - a.shift[0]) / a.scale[0], 0.0, 1.0)
        code = round(float(y) * INPUT_MAX) / INPUT_MAX
        total += term.factor * float(a.shift[0] + a.scale[0] * code)
        terms.append(Term(a=a.maps[0], gain=gain, a_zero=code))
    zero = (total - span.low) / span.width
    if not -1 / INPUT_MAX < zero < 1 + 1 / INPUT_MAX:
        raise UnsupportedNodeError(
            op.node, "sum", "its operands are never near 0; put a BatchNorm or a Linear layer before it"
        )
    return Gate(tuple(terms), float(np.clip(zero, 0.0, 1.0)))


def pool_node(
    op: ops.Pool, x: Held, reach: tuple[float, float] | None, holds: tuple[float, ...], shapes: list[Shape]
) -> tuple[Pool, Held]:
    """The pooling of a value, and what its result stands for but for the number of its map.

    ``reach``: least and greatest result on samples, ``holds`` what its codes must stand for.
    """
    channels = joined([shapes[m] for m in x.maps])[0]
    patches = dataclasses.replace(op.patches, shape=(channels, *op.patches.shape[1:]))
    pad = (x.affine(1.0, -op.border).zero or 0.0) if counts_border(op) else 0.0
    gain = 1.0 if op.of == "max" or reach is None else _gain(x, (*reach, *holds))
    node = Pool(op.of, x.maps, patches, pad, op.inside, gain, op.block)
    return node, dataclasses.replace(x, shape=op.shape, scale=x.scale / gain)


def counts_border(op: ops.Pool) -> bool:
    """Whether what is around the map is part of what it gives."""
    return op.of == "average" and not op.inside and any(op.patches.padding)


def _gain(x: Held, values: tuple[float, ...]) -> float:
    """What averages can be stretched by: they span less than what they are of; a 0 stays a code."""
    if (x.scale == 0).any():
        return 1.0
    most = max(float(((value - x.shift) / x.scale).max()) for value in values)
    gain = min(1 / max(most, 1 / GAIN_MAX), GAIN_MAX)
    if x.zero:
        gain = float(np.floor(gain * x.zero * INPUT_MAX + 1e-9)) / (x.zero * INPUT_MAX)
    return max(1.0, gain)


def spread_node(x: Held, shape: Shape) -> Pool:
    """One value a channel over a map: the largest of windows that hold the one value and the border."""
    _, height, width = shape
    around = (height - 1, width - 1, height - 1, width - 1)
    return Pool("max", x.maps, Patches(shape=(x.channels, 1, 1), kernel=(height, width), padding=around))
