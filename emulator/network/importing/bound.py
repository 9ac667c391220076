"""The largest error that codes and tables can make of a network, whatever its inputs: node by node."""

from collections import deque

import numpy as np

from emulator.device.ndr.pwl import SEGMENTS
from emulator.device.ndr.window import Window
from emulator.network import Activation, Gate, Network, Pool, Product, Sampled, Table
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.arrays import Floats
from emulator.spec.evaluate import At, run
from emulator.spec.patches import Shape

HALF = 0.5 / INPUT_MAX
CALLS_MAX = 64
"""Longer sequences have no bound that says anything."""


def error_bound(network: Network, table_errors: list[float]) -> float | None:
    """Largest possible error of any output, ``table_errors`` (0..1) of every node in turn; None: too long, or
    devices among its functions.

    An error of a map's values (C,) reaches a product's through the weights' absolute values, and a function's
    through its steepest slope; the table's own error, and half a voltage code, come on top. What a gate
    multiplies by is at most its distance to the gate's zero.
    """
    sampled = (isinstance(kind, Sampled | None) for kind in network.activation_kinds)
    if network.calls > CALLS_MAX or not all(sampled):
        return None
    inputs = (np.full(network.shape[0], HALF) for _ in range(network.calls))
    starts = [np.full(s.shape[0], _off_code(s.start)) for s in network.states]
    bounds = _Bounds(network.map_shapes, table_errors)
    return float(deque(run(bounds, network.nodes, network.states, inputs, starts), maxlen=1).pop()[-1].max())


class _Bounds:
    """Largest errors by channel (C,) of every map, from those of the maps that it is made of."""

    def __init__(self, shapes: tuple[Shape, ...], table_errors: list[float]) -> None:
        self._shapes, self._tables = shapes, table_errors

    def gate(self, at: At, node: Gate, errors: list[Floats]) -> Floats:
        total: Floats = np.full(len(errors[node.terms[0].a]), HALF + _off_code(node.zero))
        for term in node.terms:
            a = reached = errors[term.a] + _off_code(term.a_zero)
            if term.b is not None:
                b = errors[term.b] + _off_code(term.b_zero)
                most_a, most_b = (max(z, 1 - z) for z in (term.a_zero, term.b_zero))
                reached = a * most_b + b * most_a + a * b
            total = total + abs(term.gain) * reached
        return np.minimum(1.0, total)

    def pool(self, at: At, node: Pool, errors: list[Floats]) -> Floats:
        source = self._joined(node, errors)
        border = 0.0 if node.inside else _off_code(node.pad)
        return source if node.of == "max" else np.minimum(1.0, node.gain * (source + border) + HALF)

    def table(self, at: At, node: Table, errors: list[Floats]) -> Floats:
        reached = self._joined(node, errors)[node.channel] * node.gain
        return _through(node.activation, reached, self._tables[at.node])

    def product(self, at: At, node: Product, errors: list[Floats]) -> Floats:
        patches, dense = node.patches, node.dense
        source = self._joined(node, errors)
        if any(patches.padding):
            source = np.maximum(source, _off_code(node.pad))
        by_input = np.tile(source.reshape(patches.groups, -1), patches.kernel[0] * patches.kernel[1])
        w = np.abs(dense.weights.astype(np.float64)).reshape(patches.inputs, patches.groups, -1)
        reached: Floats = np.einsum("gk,kgm->gm", by_input, w).reshape(-1)
        if node.skip is not None and node.skip_weight is not None:
            reached = reached + node.skip_weight * errors[node.skip]
        return (
            reached
            if dense.activation is None
            else _through(dense.activation, reached, self._tables[at.node])
        )

    def _joined(self, node: Product | Pool | Table, errors: list[Floats]) -> Floats:
        found, shapes = [errors[m] for m in node.sources], [self._shapes[m] for m in node.sources]
        if len({shape[1:] for shape in shapes}) == 1:
            return np.concatenate(found)
        return np.concatenate(
            [np.repeat(e, shape[1] * shape[2]) for e, shape in zip(found, shapes, strict=True)]
        )


def _through(activation: Activation, reached: Floats, table: float) -> Floats:
    assert isinstance(activation, Sampled)
    points = activation.points.astype(np.float64)
    slope = float(np.abs(np.diff(points[1]) / np.diff(points[0])).max())
    rounding = 0.5 / Window(*activation.ends, SEGMENTS, 0.0).per_unit
    return np.minimum(1.0, slope * (reached + rounding) + table)


def _off_code(y: float) -> float:
    """Distance of a stated value to the code it becomes."""
    return abs(round(y * INPUT_MAX) / INPUT_MAX - y)
