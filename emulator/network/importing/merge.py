"""Two matrix products as one, where nothing is between them or where they are added; averages before one."""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.network.importing.graph import Concat, Flatten, Gate, Linear, Pool
from emulator.spec.patches import Patches


def one_product(first: Linear, second: Linear) -> Linear | None:
    """``second`` of ``first`` as one product, where either sees single positions only; else None."""
    if first.patches.groups > 1 or second.patches.groups > 1:
        return None
    node, shape = second.node, second.shape
    if _pointwise(second):
        return dataclasses.replace(
            first,
            node=node,
            shape=shape,
            weights=first.weights @ second.weights,
            bias=first.bias @ second.weights + second.bias,
        )
    if not _pointwise(first) or (any(second.patches.padding) and first.bias.any()):
        return None
    kernels = second.weights.reshape(second.patches.shape[0], -1, len(second.bias))
    return dataclasses.replace(
        second,
        inputs=first.inputs,
        weights=np.einsum("ac,ckm->akm", first.weights, kernels).reshape(-1, len(second.bias)),
        bias=second.bias + np.einsum("c,ckm->m", first.bias, kernels),
        patches=dataclasses.replace(second.patches, shape=first.patches.shape),
    )


def _pointwise(op: Linear) -> bool:
    where = op.patches
    return where.kernel == (1, 1) and where.stride == (1, 1) and not any(where.padding)


def stacked(total: Gate, a: Linear, b: Linear) -> Linear | None:
    """The sum of two products as one over both their inputs, where they cut the same patches; else None."""
    if a.patches.groups > 1 or b.patches.groups > 1 or len(total.inputs) != 2:
        return None
    channels = a.patches.shape[0] + b.patches.shape[0]
    if dataclasses.replace(a.patches, shape=b.patches.shape) != b.patches or a.shape != b.shape:
        return None
    if a.patches.shape[1:] != b.patches.shape[1:]:
        return None
    fa, fb = (t.factor for t in total.terms)
    a, b = (total.inputs[t.a] for t in total.terms)  # type: ignore[assignment]
    bias = fa * a.bias + fb * b.bias + total.constant
    if a.inputs[0] is b.inputs[0]:
        return dataclasses.replace(a, node=total.node, weights=fa * a.weights + fb * b.weights, bias=bias)
    shape = (channels, *a.patches.shape[1:])
    both = Concat(node=total.node, inputs=(a.inputs[0], b.inputs[0]), shape=shape)
    return Linear(
        node=a.node,
        inputs=(both,),
        shape=a.shape,
        weights=np.vstack([fa * a.weights, fb * b.weights]),
        bias=bias,
        patches=dataclasses.replace(a.patches, shape=shape),
    )


def averaged(pool: Pool, product: Linear) -> Linear | None:
    """The average of a product's whole map as one product of averages, whose codes are not noisy; else None.

    Every weight meets the average of the values that it met.
    """
    patches = product.patches
    whole = pool.patches.kernel == patches.grid and not any(pool.patches.padding)
    if not whole or pool.block != (1, 1) or patches.groups > 1 or patches.grid == (1, 1):
        return None
    source = product.inputs[0]
    window = dataclasses.replace(
        patches, kernel=patches.grid, stride=patches.dilation, dilation=patches.stride, groups=1
    )
    if window.grid != patches.kernel:  # rows or columns at the end that no patch reaches
        return None
    shape = (patches.shape[0], *window.grid)
    node, size = product.node, patches.inputs
    means = Pool(node=pool.node, inputs=(source,), shape=shape, of="average", patches=window)
    flat = Flatten(node=node, inputs=(means,), shape=(size, 1, 1))
    return dataclasses.replace(
        product, inputs=(flat,), shape=(len(product.bias), 1, 1), patches=Patches.whole((size, 1, 1))
    )
