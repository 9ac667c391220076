"""A matrix product of the model as a node of the network: what its maps stand for goes into the weights."""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.errors import NetworkError
from emulator.network import Activation, Dense, Product
from emulator.network.importing.graph import Floats, Linear
from emulator.network.importing.held import Held
from emulator.spec.patches import Patches, Shape
from emulator.spec.steps import joined


def product_node(
    op: Linear,
    x: Held,
    factor: float,
    second: Held | None,
    activation: Activation | None,
    shapes: list[Shape],
) -> Product:
    """``activation(factor * op(x) + second)`` as a node; ``shapes`` of the maps so far.

    ``second`` is in one map, its scales from 0.

    Raises
    ------
    NetworkError
        When a weight is not finite.
    """
    whole = joined([shapes[m] for m in x.maps])
    patches = Patches.whole(whole) if x.flat else dataclasses.replace(op.patches, shape=_seen(whole, op))
    weights, bias = _folded(op, x, patches)
    weights, bias = weights * factor, bias * factor
    pad = x.zero if any(patches.padding) else 0.0
    if pad is None:
        raise NetworkError(f"node {op.node!r}: its border of zeros is no code of what it pads")
    if second is not None:
        bias = bias + second.shift
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise NetworkError(f"node {op.node!r} holds a weight that is not finite; accepted: finite numbers")
    return Product(
        Dense(weights.astype(np.float32), bias.astype(np.float32), activation),
        x.maps,
        patches,
        pad,
        None if second is None else second.maps[0],
        None if second is None else second.scale.astype(np.float32),
    )


def _seen(whole: Shape, op: Linear) -> Shape:
    return (whole[0], *op.patches.shape[1:])


def _folded(op: Linear, x: Held, patches: Patches) -> tuple[Floats, Floats]:
    """Weights (K, M) and bias (M,) on the maps' codes 0..1."""
    groups, m = op.patches.groups, len(op.bias)
    area = op.patches.kernel[0] * op.patches.kernel[1]
    w = op.weights.reshape(-1, area, groups, m // groups)
    by_group = (x.scale.reshape(groups, -1).T, x.shift.reshape(groups, -1).T)
    scaled = (w * by_group[0][:, None, :, None]).reshape(-1, area, m)
    bias = op.bias + np.einsum("cg,cagm->gm", by_group[1], w).reshape(-1)
    if x.index is None:
        return scaled.reshape(-1, m), bias
    placed = np.zeros((patches.inputs // (1 if x.flat else area), area, m))
    np.add.at(placed, x.index, scaled)
    return placed.reshape(-1, m), bias
