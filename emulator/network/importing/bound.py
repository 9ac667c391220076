"""The largest error that codes and tables can make of a network, whatever its inputs: node by node."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.window import Window
from emulator.network import Activation, Gate, Network, Node, Pool, Product, Sampled
from emulator.spec.arithmetic import INPUT_MAX

Floats = npt.NDArray[np.float64]

SEGMENTS = 32
HALF = 0.5 / INPUT_MAX
CALLS_MAX = 64
"""Longer sequences have no bound that says anything."""


def error_bound(network: Network, table_errors: list[float]) -> float | None:
    """Largest possible error of any output, ``table_errors`` (0..1) of every node in turn; None: too long.

    An error of a map's values (C,) reaches a product's through the weights' absolute values, and a function's
    through its steepest slope; the table's own error, and half a voltage code, come on top. What a gate
    multiplies by is at most its distance to the gate's zero.
    """
    if network.calls > CALLS_MAX:
        return None
    shapes = network.map_shapes
    states = [np.full(s.shape[0], _off_code(s.start)) for s in network.states]
    errors: list[Floats] = []
    for _ in range(network.calls):
        errors = [np.full(network.shape[0], HALF), *states]
        for node, table in zip(network.nodes, table_errors, strict=True):
            errors.append(_of_node(node, errors, shapes, table))
        states = [errors[s.source] for s in network.states]
    return float(errors[-1].max())


def _of_node(
    node: Node, errors: list[Floats], shapes: tuple[tuple[int, int, int], ...], table: float
) -> Floats:
    if isinstance(node, Gate):
        total: Floats = np.full(len(errors[node.terms[0].a]), HALF + _off_code(node.zero))
        for term in node.terms:
            a, za = errors[term.a], _off_code(term.a_zero)
            if term.b is None:
                total = total + abs(term.gain) * (a + za)
                continue
            b, zb = errors[term.b], _off_code(term.b_zero)
            most_a, most_b = (max(z, 1 - z) for z in (term.a_zero, term.b_zero))
            total = total + abs(term.gain) * ((a + za) * most_b + (b + zb) * most_a + (a + za) * (b + zb))
        return np.minimum(1.0, total)
    source = _joined([errors[m] for m in node.sources], [shapes[m] for m in node.sources])
    if isinstance(node, Pool):
        border = 0.0 if node.inside else _off_code(node.pad)
        return source if node.of == "max" else np.minimum(1.0, node.gain * (source + border) + HALF)
    if isinstance(node, Product):
        return _of_product(node, source, errors, table)
    return _through(node.activation, source[node.channel] * node.gain, table)


def _joined(errors: list[Floats], shapes: list[tuple[int, int, int]]) -> Floats:
    if len({shape[1:] for shape in shapes}) == 1:
        return np.concatenate(errors)
    return np.concatenate(
        [np.repeat(e, shape[1] * shape[2]) for e, shape in zip(errors, shapes, strict=True)]
    )


def _of_product(node: Product, source: Floats, errors: list[Floats], table: float) -> Floats:
    patches, dense = node.patches, node.dense
    area = patches.kernel[0] * patches.kernel[1]
    if any(patches.padding):
        source = np.maximum(source, _off_code(node.pad))
    by_input = np.repeat(source, area).reshape(patches.groups, patches.inputs)
    w = np.abs(dense.weights.astype(np.float64)).reshape(patches.inputs, patches.groups, -1)
    reached: Floats = np.einsum("gk,kgm->gm", by_input, w).reshape(-1)
    if node.skip is not None and node.skip_weight is not None:
        reached = reached + node.skip_weight * errors[node.skip]
    return reached if dense.activation is None else _through(dense.activation, reached, table)


def _through(activation: Activation, reached: Floats, table: float) -> Floats:
    assert isinstance(activation, Sampled)
    points = activation.points.astype(np.float64)
    slope = float(np.abs(np.diff(points[1]) / np.diff(points[0])).max())
    rounding = 0.5 / Window(*activation.ends, SEGMENTS, 0.0).per_unit
    return np.minimum(1.0, slope * (reached + rounding) + table)


def _off_code(y: float) -> float:
    """Distance of a stated value to the code it becomes."""
    return abs(round(y * INPUT_MAX) / INPUT_MAX - y)
