"""The arithmetic of float networks: what each kind of node computes, on maps (n,
C, H, W) in 0..1."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.network.activation import Activation
from ndrite.emulator.network.nodes import Gate, Maps, Node, Pool, Product, Table
from ndrite.emulator.spec.arithmetic import Array, Floats
from ndrite.emulator.spec.evaluate import At, PerKind, evaluated
from ndrite.emulator.spec.flow import filled


class FloatArithmetic(PerKind):
    """Arithmetic of the float network, in single precision. A subclass for another
    arithmetic overrides the methods that differ."""

    lowest = 0.0
    """Value of the border around a map when the maximum of a pool is taken."""

    def product(self, at: At, node: Product, maps: Maps) -> Array:
        """Return the result of a matrix product: ``activation(patches(x) @ weights +
        bias + skip_weight * skip)``."""
        return node.patches.place(self.function(at, node.dense.activation, self.sums(node, maps)), node.block)

    def pool(self, at: At, node: Pool, maps: Maps) -> Array:
        """Return the pooled map: the largest value of each window, or its average."""
        border = self.lowest if node.of == "max" else 0.0 if node.inside else self.number(node.pad)
        windows = node.patches.windows(node.source(maps), border)
        if node.of == "max":
            return filled(np.asarray(windows.max(axis=(4, 5))), node.block)
        mean = windows.sum(axis=(4, 5), dtype=np.float64) / node.counts.reshape(node.patches.grid)
        return filled(self.held(mean * node.gain), node.block)

    def table(self, at: At, node: Table, maps: Maps) -> Array:
        """Return the result of a table node: its function of each value of the source maps."""
        v = node.voltages(node.source(maps))
        return np.ascontiguousarray(np.moveaxis(self.function(at, node.activation, v), -1, 1))

    def gate(self, at: At, node: Gate, maps: Maps) -> Array:
        """Return the result of a gate node: the sum of its terms."""
        total = self.number(node.zero)
        for term in node.terms:
            value = (maps[term.a] - self.number(term.a_zero)) * term.gain
            total = total + (value if term.b is None else value * (maps[term.b] - self.number(term.b_zero)))
        return self.held(total)

    def sums(self, node: Product, maps: Maps) -> Array:
        """Return the pre-activations of a matrix product, (n, positions, M)."""
        weights, k, groups = node.dense.weights, node.dense.inputs, node.patches.groups
        x = node.patches.cut(node.source(maps), self.number(node.pad))
        if groups == 1:
            z = (x.reshape(-1, k) @ weights).reshape(*x.shape[:2], -1)  # one matrix product for all patches
        else:
            parts = zip(np.split(x, groups, axis=2), np.split(weights, groups, axis=1), strict=True)
            z = np.concatenate([part @ columns for part, columns in parts], axis=2)
        z = z + node.dense.bias
        if node.skip is not None:
            assert node.skip_weight is not None
            z = z + node.patches.gather(maps[node.skip], node.block) * node.skip_weight
        return np.asarray(z)

    def function(self, at: At, activation: Activation | None, z: Array) -> Array:
        """Return the outputs of an activation at pre-activations ``z`` (.., M),
        each column by its own device if the devices differ. Without an
        activation, return ``z``."""
        y = z if activation is None else activation(z.astype(np.float32))
        return y.astype(np.float32)

    def held(self, y: npt.ArrayLike) -> Array:
        """Return the results of an average or a gate in the form in which a map stores
        them: clipped to 0..1."""
        return np.asarray(np.clip(y, 0.0, 1.0), np.float32)

    def number(self, y: float) -> Any:
        """Return a constant of a node in the precision of stored maps."""
        return y


FLOATS = FloatArithmetic()


def result(node: Node, maps: Maps) -> Floats:
    """Return the map, float32, that one node computes from ``maps``."""
    return np.asarray(evaluated(FLOATS, At(), node, maps), np.float32)
