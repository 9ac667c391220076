"""Fusion of sums and functions into the matrix product before them, and the range that
a function's table covers.

The readers of a map decide what its codes must stand for exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ndr.pwl import SEGMENTS, fit_pwl
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.errors import UnsupportedNodeError
from ndrite.emulator.network import Gate, Pool, Product, Table
from ndrite.emulator.network.activation import Activation, Ndr, Sampled
from ndrite.emulator.network.importing.graph import Exact, Function, Graph, Op, Reach, identity, table
from ndrite.emulator.network.importing.simplify import Alone, rewritten
from ndrite.emulator.network.importing.view import Span, View, code_span
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Floats
from ndrite.emulator.spec.brief import record

POINTS = (SEGMENTS - 1) * 64 + 1
"""Number of points at which a function is sampled. The borders of table segments are
among them, so that a kink on a border stays sharp."""
ROUNDING = 1e-6
"""Rounding error of a pre-activation relative to the range of a table."""
MARGIN = 0.1
"""Margin that is added at either end of the range of a function's inputs, as a
fraction of that range."""
FAR, FURTHER = 40.0, 1000.0
"""A function counts as bounded if its values at inputs of these two magnitudes are
equal, on either side of 0."""
FLAT = 0.1 / INPUT_MAX
"""Parts at the ends of a function's input range are removed in which the function
differs from its end value by no more than this, relative to its range."""
UNBOUNDED = "it is unbounded: give samples of inputs, so that its range can be measured"


@record(kw_only=True)
class Stretch:
    """How the codes of a node represent its values: as ``(values - low) / width``, with
    low and width in ``span``. ``points`` (2, P) are samples of the node's function over
    the range of its inputs.

    ``error``: largest error of the fitted table in the stretch, in the same unit.
    ``function``: what was sampled; ``rises``: it falls nowhere. ``devices``: what the
    chip has as they are.
    """

    label: str
    points: Floats
    span: Span
    error: float = 0.0
    rises: bool = False
    function: Function | None = None
    devices: Ndr | None = None

    @classmethod
    def of_devices(cls, devices: Ndr) -> Stretch:
        """Return the stretch of NDR neurons, for inputs up to four times the largest
        peak. Their codes are their output values 0..1, so no function is sampled."""
        points = np.array([[0.0, 4.0 * float(devices.peak.max())], [0.0, 1.0]])
        return cls(label="ndr(x)", points=points, span=Span(0.0, 1.0), devices=devices)

    @property
    def activation(self) -> Activation:
        """The node's function as an ``Activation`` object for ndrite's ``Network``: NDR
        devices, or the sampled points."""
        return self.devices or Sampled(self.label, self.points.astype(np.float32))

    @property
    def mirrored(self) -> Stretch:
        """The stretch of the function with its inputs negated."""
        points = np.stack([-self.points[0, ::-1], self.points[1, ::-1]])
        if self.function is None:
            return replace(self, points=points)
        of = self.function.of
        return replace(self, points=points, function=replace(self.function, of=lambda z: of(-z)))

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last pre-activation that the points cover."""
        return float(self.points[0, 0]), float(self.points[0, -1])

    def lost(self, z: Floats) -> int:
        """Return how many of the pre-activations ``z`` lie outside the covered
        range, where the constant end value is wrong by a code or more, or the
        function is undefined."""
        if self.function is None:
            return 0
        low, high = self.ends
        # Codes stand for values in single precision: a 0 may be -1e-6, where a square
        # root is undefined.
        rounding = ROUNDING * (high - low)
        outside = z[(z < low - rounding) | (z > high + rounding)]
        clamped = np.interp(outside, *self.points)
        exact = (_at(self.function, outside) - self.span.low) / self.span.width
        return int((~(np.abs(exact - clamped) <= 1 / INPUT_MAX)).sum())


def stretch_of(
    function: Function, reach: Reach | None, holds: tuple[float, ...] = (), limits: Reach = (-np.inf, np.inf)
) -> Stretch:
    """Choose the range of inputs that a function's table covers. ``reach`` is the range
    of these inputs on the samples.

    ``reach``: of samples' pre-activations, None without samples; ``holds``: values
    that the outputs' range must hold too, what a padded convolution puts around
    them; ``limits``: no pre-activation lies outside. Raises UnsupportedNodeError
    when there are no samples and the function has no bounds, or it is not finite
    where it is needed.
    """
    if reach is None and not np.isfinite(limits).all() and not _bounded(function):
        raise UnsupportedNodeError(function.node, function.label, UNBOUNDED)
    wide = (-FAR, FAR) if reach is None else with_room(*reach)
    low, high = max(wide[0], limits[0]), min(wide[1], limits[1])
    if reach is not None and not np.isfinite(_at(function, np.linspace(low, high, 257))).all():
        low, high = reach
    if not low < high:
        low, high = low - 0.5, low + 0.5
    low, high = _trimmed(function, low, high)
    candidates = [_fitted(function, low, high, holds)]
    if low < 0 < high:
        candidates.append(_fitted(function, _with_border(low, high), high, holds))
    points, span, error = min(candidates, key=lambda c: c[2])
    rises = bool((np.diff(points[1]) >= -1e-9).all())
    return Stretch(
        label=function.label, points=points, span=span, error=error, rises=rises, function=function
    )


def with_room(low: float, high: float) -> tuple[float, float]:
    """Return the range ``low..high`` of the samples, widened at both ends by a
    margin for other data."""
    room = MARGIN * max(high - low, 1e-3 * max(abs(low), abs(high), 1.0))
    return low - room, high + room


def _at(function: Function, z: npt.ArrayLike) -> Floats:
    """Return the function's values at ``z``, which may be infinite or NaN."""
    with np.errstate(all="ignore"):
        return np.asarray(function.of(np.asarray(z, np.float64)), np.float64)


def _bounded(function: Function) -> bool:
    far = _at(function, [-FURTHER, -FAR, FAR, FURTHER])
    return bool(np.isfinite(far).all() and abs(far[0] - far[1]) < 1e-6 and abs(far[2] - far[3]) < 1e-6)


def _values(function: Function, z: Floats) -> Floats:
    y = _at(function, z)
    if y.shape != z.shape or not np.isfinite(y).all():
        raise UnsupportedNodeError(
            function.node,
            function.label,
            "it is infinite or undefined at values that reach it; keep its inputs within its domain",
        )
    return y


def _trimmed(function: Function, low: float, high: float) -> tuple[float, float]:
    """Return the input range ``low..high`` without the parts at both ends in which the
    function is constant."""
    z = np.linspace(low, high, 8193)
    y = _values(function, z)
    tolerance = FLAT * max(float(np.ptp(y)), 1e-12)
    moved = np.flatnonzero(np.abs(y - y[0]) > tolerance)
    first = max(int(moved[0]) - 1, 0) if len(moved) else 0
    moved = np.flatnonzero(np.abs(y - y[-1]) > tolerance)
    last = min(int(moved[-1]) + 1, len(z) - 1) if len(moved) else len(z) - 1
    if last <= first:
        return low, high
    # An end of the range that is near 0 is set exactly to 0, because functions often
    # have a kink there, which a table represents exactly only at the end of a segment.
    near = 2 * float(z[1] - z[0])
    ends = [0.0 if abs(v) < near else float(v) for v in (z[first], z[last])]
    return (ends[0], ends[1]) if ends[0] < ends[1] else (float(z[first]), float(z[last]))


def _with_border(low: float, high: float) -> float:
    """Return ``low``, lowered so that 0 lies on the border between two table segments."""
    inner = SEGMENTS - 1
    n = int(np.ceil(-low / ((high - low) / inner)))
    n = min(max(n, 1), inner - 1)
    return -n * high / (inner - n)


def _fitted(
    function: Function, low: float, high: float, holds: tuple[float, ...]
) -> tuple[Floats, Span, float]:
    """Return three values for a function on ``low..high``: the points of its table,
    the span of its values, and the largest error of the fitted table relative to
    the span's width."""
    # The network file stores the points in single precision, so they are rounded now,
    # before the errors are computed.
    u = np.linspace(low, high, POINTS).astype(np.float32).astype(np.float64)
    y = _values(function, u)
    span = code_span(float(y.min()), float(y.max()), holds)
    points = np.stack([u, np.clip((y - span.low) / span.width, 0.0, 1.0)])
    window = Window(float(u[0]), float(u[-1]), SEGMENTS, 0.0)
    inputs = np.clip(window.values(), u[0], u[-1])
    exact = np.clip((_values(function, inputs) - span.low) / span.width, 0.0, 1.0)
    table = fit_pwl(INPUT_MAX * np.interp(inputs, *points))
    error = float(np.abs(table.evaluate()[0] / INPUT_MAX - exact).max())
    return points, span, error


def fused(graph: Graph) -> Graph:
    """Fuse every sum and every function into the matrix product before it, if no other
    operator reads that product.

    A function that falls nowhere may stand before the largest of a window, too.
    """
    return rewritten(graph, {"gate": _with_sum, "table": _with_function})


def settled(graph: Graph) -> Graph:
    """Insert an identity table (which rounds values to codes) wherever a memory
    takes over a node that has no codes of its own, and where the output is the
    model's input itself."""
    if graph.output.is_input:
        graph = replace(graph, output=table(graph.output, identity(graph.output.name)))
    memories = tuple(
        (memory, op if op.kind in ("product", "table", "gate") else table(op, identity(op.name)))
        for memory, op in graph.memories
    )
    return replace(graph, memories=memories)


def _is_open(op: Op, alone: Alone) -> bool:
    """Return whether the operator is a matrix product without an activation function
    and with a single reader, so that the reader can be fused into it."""
    return op.kind == "product" and op.function is None and alone(op)


def _with_function(op: Op, node: Table, alone: Alone) -> Op:
    head = op.inputs[0]
    if _is_open(head, alone):
        return _ended(head, op)
    if op.sampled is None or head.kind != "pool" or not alone(head) or head.only(Pool).of != "max":
        return op
    inner = head.inputs[0]
    if not _is_open(inner, alone) or not stretch_of(op.sampled, inner.before).rises:
        return op
    return replace(head, inputs=(replace(_ended(inner, op), reach=None),), reach=op.reach)


def _ended(op: Op, table: Op) -> Op:
    """Return the matrix product ``op`` with the function of ``table`` as its activation."""
    node, function = op.only(Product), table.function
    function = function.of(node.channel_of) if isinstance(function, Ndr) else function
    dense = Exact(node.dense.weights, node.dense.bias, function)
    return replace(op, node=replace(node, dense=dense), reach=table.reach)


def _with_sum(op: Op, gate: Gate, alone: Alone) -> Op:
    """Fuse a sum of two values into one of them that is a matrix product: the
    other value becomes the product's second operand. Return the sum unchanged if
    that is not possible."""
    if not gate.is_sum or not len(gate.terms) == 2 == len(op.inputs):
        return op
    for first, second in (gate.terms, gate.terms[::-1]):
        before, second_input = op.inputs[first.a], op.inputs[second.a]
        node, moved = before.of(Product), second_input.of(View)
        if node is None or node.skip is not None or not _is_open(before, alone):
            continue
        if second.gain > 0 and (moved is None or (moved.scale > 0).all()):
            dense = Exact(node.dense.weights * first.gain, node.dense.bias * first.gain + gate.zero)
            weight = np.full(dense.outputs, second.gain)
            node = replace(node, dense=dense, sources=(first.a,), skip=second.a, skip_weight=weight)
            inputs = (before.inputs[0], second_input)
            return Op(before.name, node, inputs if first.a == 0 else inputs[::-1], op.reach, op.reach)
    return op


HELD: dict[str, Callable[[Any], Mapping[int, float]]] = {
    "product": lambda node: dict.fromkeys(node.sources if any(node.patches.padding) else (), node.pad),
    "pool": lambda node: dict.fromkeys(node.sources if node.counts_border else (), node.pad),
    "gate": lambda node: {n: 0.0 for t in node.terms if t.b is not None for n in t.reads},
}
"""For each kind of node: map number -> value that the codes of this input map have to
represent exactly."""
PASSED: dict[str, Callable[[Any, float], float | None]] = {
    "pool": lambda node, value: value,
    "view": lambda node, value: node.before(value),
}
"""For each kind of node that only passes codes on: function that returns the input
value which gives a wanted output value, or None if it differs by channel."""


def holds_of(graph: Graph) -> dict[Op, tuple[float, ...]]:
    """Return for each node the values that its codes must represent exactly: the zeros
    in the border around a map, the zeros of gates, and the start values of memories."""
    holds: dict[Op, dict[float, None]] = {op: {} for op in graph.uses}
    nexts = dict(graph.memories)
    for memory, op in graph.memories:
        holds[op][memory.start] = None
    # What a memory must represent is passed on to the operator of its next value, which
    # the first pass has visited already: a second pass is needed.
    for _ in range(2 if graph.memories else 1):
        for op in reversed(graph.uses):
            hold_of = HELD[op.kind](op.node) if op.kind in HELD else {}
            for number, value in hold_of.items():
                holds[op.inputs[number]][value] = None
            for value in holds[op]:
                if op in nexts:
                    holds[nexts[op]][value] = None
                inner = PASSED[op.kind](op.node, value) if op.kind in PASSED else None
                if inner is not None:
                    for source in op.inputs:
                        holds[source][inner] = None
    return {op: tuple(values) for op, values in holds.items()}
