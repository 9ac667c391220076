"""The arithmetic of float networks: what each kind of node computes, on maps (n, C, H, W) in 0..1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network.activation import Floats
from emulator.network.nodes import Gate, Maps, Pool, Product, Table
from emulator.spec.evaluate import At
from emulator.spec.steps import filled, join


class FloatArithmetic:
    """In single precision; a subclass that computes otherwise overrides what differs."""

    def product(self, at: At, node: Product, maps: Maps) -> npt.NDArray[Any]:
        """``activation(patches(x) @ weights + bias + skip_weight * skip)``."""
        z = self.sums(node, maps)
        y = z if node.dense.activation is None else node.dense.activation(z)
        return np.asarray(node.patches.place(y.astype(np.float32)))

    def pool(self, at: At, node: Pool, maps: Maps) -> npt.NDArray[Any]:
        """The largest of each window, or its average."""
        pad = 0.0 if node.of == "max" or node.inside else node.pad
        windows = node.patches.windows(join([maps[s] for s in node.sources]), pad)
        if node.of == "max":
            return filled(windows.max(axis=(4, 5)), node.block)
        mean = windows.sum(axis=(4, 5), dtype=np.float64) / node.counts.reshape(node.patches.grid)
        return filled(np.asarray(np.minimum(mean * node.gain, 1.0), np.float32), node.block)

    def table(self, at: At, node: Table, maps: Maps) -> npt.NDArray[Any]:
        """The function of each value."""
        v = node.voltages(join([maps[s] for s in node.sources]))
        return np.ascontiguousarray(np.moveaxis(node.activation(v.astype(np.float32)), -1, 1))

    def gate(self, at: At, node: Gate, maps: Maps) -> npt.NDArray[Any]:
        """The sum of the terms, held in 0..1."""
        total: Any = node.zero
        for term in node.terms:
            value = (maps[term.a] - term.a_zero) * term.gain
            total = total + (value if term.b is None else value * (maps[term.b] - term.b_zero))
        return np.asarray(np.clip(total, 0.0, 1.0), np.float32)

    def sums(self, node: Product, maps: Maps) -> npt.NDArray[Any]:
        """Pre-activations (n, positions, M)."""
        weights, k, groups = node.dense.weights, node.dense.inputs, node.patches.groups
        x = node.patches.cut(join([maps[s] for s in node.sources]), node.pad)
        if groups == 1:
            z = (x.reshape(-1, k) @ weights).reshape(*x.shape[:2], -1)  # one large product
        else:
            parts = zip(np.split(x, groups, axis=2), np.split(weights, groups, axis=1), strict=True)
            z = np.concatenate([part @ columns for part, columns in parts], axis=2)
        z = z + node.dense.bias
        if node.skip is not None:
            z = z + node.patches.gather(maps[node.skip]) * node.skip_weight
        return np.asarray(z)


FLOATS = FloatArithmetic()


def result(node: Any, maps: Maps) -> Floats:
    """The map float32 that one node makes of ``maps``."""
    return np.asarray(getattr(FLOATS, node.kind)(At(), node, maps), np.float32)
