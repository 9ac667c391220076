"""Matrix products that take in what stands beside them: factors, another product, a sum, an average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emulator.network import Gate, Pool, Product
from emulator.network.importing.graph import Exact, Op, product, view
from emulator.network.importing.view import Floats, View
from emulator.spec.patches import Patches


def scaled(node: Product, by: View) -> Product:
    """The product whose outputs are picked, scaled and moved."""
    weights, bias = node.dense.weights, node.dense.bias
    if by.index is not None:
        weights, bias = weights[:, by.index], bias[by.index]
    return replace(node, dense=Exact(weights * by.scale, bias * by.scale + by.shift))


def one_product(first: Product, second: Product) -> Product | None:
    """``second`` of ``first`` as one product, where either sees single positions only; else None."""
    if first.patches.groups > 1 or second.patches.groups > 1:
        return None
    a, b = first.dense, second.dense
    if _pointwise(second.patches):
        return replace(first, dense=Exact(a.weights @ b.weights, a.bias @ b.weights + b.bias))
    if not _pointwise(first.patches) or (any(second.patches.padding) and a.bias.any()):
        return None
    kernels = b.weights.reshape(second.patches.shape[0], -1, b.outputs)
    dense = Exact(
        np.einsum("ac,ckm->akm", a.weights, kernels).reshape(-1, b.outputs),
        b.bias + np.einsum("c,ckm->m", a.bias, kernels),
    )
    return replace(second, dense=dense, patches=replace(second.patches, shape=first.patches.shape))


def _real(array: Any) -> Floats:
    """An array of ``Exact``, which is in float64."""
    return np.asarray(array, np.float64)


def _pointwise(where: Patches) -> bool:
    return where.kernel == (1, 1) and where.stride == (1, 1) and not any(where.padding)


def stacked(op: Op, total: Gate, first: Op, second: Op) -> Op | None:
    """The sum of two products as one over both their inputs, where they cut the same patches; else None."""
    a, b = first.only(Product), second.only(Product)
    if a.patches.groups > 1 or replace(a.patches, shape=b.patches.shape) != b.patches:
        return None
    if first.shape != second.shape or a.patches.shape[1:] != b.patches.shape[1:]:
        return None
    fa, fb = (t.gain for t in total.terms)
    wa, wb = fa * _real(a.dense.weights), fb * _real(b.dense.weights)
    bias = fa * _real(a.dense.bias) + fb * _real(b.dense.bias) + total.zero
    if first.inputs[0] is second.inputs[0]:
        return product(op.name, first.inputs[0], wa + wb, bias, a.patches)
    both = view(op.name, first.inputs[0], second.inputs[0])
    patches = replace(a.patches, shape=(both.shape[0], *a.patches.shape[1:]))
    return product(first.name, both, np.vstack([wa, wb]), bias, patches)


def averaged(op: Op, pool: Pool, before: Op) -> Op | None:
    """The average of a product's whole map as one product of averages, whose codes are not noisy; else None.

    Every weight meets the average of the values that it met.
    """
    node = before.only(Product)
    patches = node.patches
    whole = pool.patches.kernel == patches.grid and not any(pool.patches.padding)
    if not whole or pool.block != (1, 1) or patches.groups > 1 or patches.grid == (1, 1):
        return None
    window = replace(patches, kernel=patches.grid, stride=patches.dilation, dilation=patches.stride, groups=1)
    if window.grid != patches.kernel:  # rows or columns at the end that no patch reaches
        return None
    means = Op(op.name, Pool("average", (0,), window), before.inputs)
    flat = view(before.name, means, flat=True)
    return Op(before.name, Product(node.dense, (0,), Patches.whole(flat.shape)), (flat,))
