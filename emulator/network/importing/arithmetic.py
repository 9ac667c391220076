"""Networks in double precision: in real numbers, as a model is read, and in 8-bit codes, as a chip has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.pwl import fit_pwl
from emulator.device.ndr.window import Window
from emulator.network import Gate, Ndr, Network, Pool, Product, Sampled, Table
from emulator.network.floats import FloatArithmetic
from emulator.network.importing.view import Floats, View
from emulator.network.nodes import Maps
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, unit_codes
from emulator.spec.evaluate import At, run
from emulator.spec.steps import filled, join

Watch = Callable[[int, Floats], None]

SEGMENTS = 32


class RealArithmetic(FloatArithmetic):
    """Values in the model's own unit, nothing held in a range; functions as the model has them."""

    lowest = -np.inf
    """Around a map whose largest values are taken."""

    def product(self, at: At, node: Product, maps: Maps) -> Floats:
        return self.function(at, node.dense.activation, node.patches.place(self.sums(node, maps)))

    def pool(self, at: At, node: Pool, maps: Maps) -> Floats:
        if node.of == "max":
            windows = node.patches.windows(join([maps[s] for s in node.sources]), self.lowest)
            return filled(np.asarray(windows.max(axis=(4, 5)), np.float64), node.block)
        border = 0.0 if node.inside else self.held(node.pad)
        windows = node.patches.windows(join([maps[s] for s in node.sources]), border)
        mean = node.gain * windows.sum(axis=(4, 5)) / node.counts.reshape(node.patches.grid)
        return filled(np.asarray(self.held(mean), np.float64), node.block)

    def table(self, at: At, node: Table, maps: Maps) -> Floats:
        x = join([maps[s] for s in node.sources])
        gain, shift = (v.astype(np.float64)[:, None, None] for v in (node.gain, node.shift_by))
        return self.function(at, node.activation, x[:, node.channel] * gain + shift)

    def gate(self, at: At, node: Gate, maps: Maps) -> Floats:
        total = self.held(node.zero)
        for term in node.terms:
            value = (maps[term.a] - self.held(term.a_zero)) * term.gain
            total = total + (value if term.b is None else value * (maps[term.b] - self.held(term.b_zero)))
        return np.asarray(self.held(total), np.float64)

    def view(self, at: At, node: View, maps: Maps) -> Floats:
        """Values moved, and scaled by channel."""
        x: Any = join([maps[s] for s in node.sources])
        x = x.reshape(len(x), -1, 1, 1) if node.flat else x
        x = x if node.index is None else x[:, node.index]
        y = x if node.is_still else x * node.scale[:, None, None] + node.shift[:, None, None]
        return np.asarray(y, np.float64)

    def sums(self, node: Product, maps: Maps) -> Floats:
        patches, dense = node.patches, node.dense
        cut = patches.cut(join([maps[s] for s in node.sources]), self.held(node.pad))
        n, groups = len(cut), patches.groups
        rows = cut.reshape(-1, groups, patches.inputs).transpose(1, 0, 2)
        w = dense.weights.astype(np.float64).reshape(patches.inputs, groups, -1).transpose(1, 0, 2)
        z: Floats = np.matmul(rows, w).transpose(1, 0, 2).reshape(n, patches.positions, -1) + dense.bias
        if node.skip is not None and node.skip_weight is not None:
            z = z + patches.gather(maps[node.skip]) * node.skip_weight.astype(np.float64)
        return z

    def held(self, y: Any) -> Any:
        """Values, or a number of the network's, as this arithmetic has them."""
        return y

    def function(self, at: At, activation: Any, z: Floats) -> Floats:
        """What pre-activations (n, C, H, W) become; devices are one a channel."""
        if not isinstance(activation, Ndr):
            return z if activation is None else np.asarray(activation(z), np.float64)
        y = activation(np.moveaxis(z, 1, -1).astype(np.float32))
        return np.asarray(self.held(np.moveaxis(y, -1, 1).astype(np.float64)), np.float64)


REALS = RealArithmetic()


class CodeArithmetic(RealArithmetic):
    """Every map in codes, as 0..1, and functions as the chip's tables; weights and sums are exact.

    ``watch`` is told the pre-activations of every node with a function, by its number.
    """

    lowest = 0.0

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._curves: dict[int, _Curve] = {}

    def held(self, y: Any) -> Any:
        return unit_codes(y)

    def function(self, at: At, activation: Any, z: Floats) -> Floats:
        if activation is not None and self._watch is not None:
            self._watch(at.node, z)
        if not isinstance(activation, Sampled):  # devices: the chip's own table is the compiler's
            return super().function(at, activation, z)
        if at.node not in self._curves:
            self._curves[at.node] = _Curve(activation)
        return self._curves[at.node](z)


class _Curve:
    """A function as the chip has it: its voltage code, rounded, and the table's code there, as 0..1."""

    def __init__(self, activation: Sampled) -> None:
        self.window = Window(*activation.ends, SEGMENTS, 0.0)
        wanted = INPUT_MAX * np.clip(activation.shape(self.window.values()), 0.0, 1.0)
        self.codes = fit_pwl(wanted, segments=SEGMENTS).evaluate()[0].astype(np.float64) / INPUT_MAX

    def __call__(self, z: Floats) -> Floats:
        v = np.clip(np.rint(self.window.zero + self.window.per_unit * z), V_MIN, V_MAX).astype(np.int64)
        return np.asarray(self.codes[v - V_MIN], np.float64)


def in_codes(network: Network, codes: npt.NDArray[np.uint8], watch: Watch | None = None) -> Floats:
    """Outputs float64 (n, M) of input codes (n, K): what codes and tables cost, the array itself exact."""
    parts = codes.reshape(len(codes), network.calls, *network.shape)
    firsts = (parts[:, call].astype(np.float64) / INPUT_MAX for call in range(network.calls))
    starts = [unit_codes(np.full((len(codes), *s.shape), s.start)) for s in network.states]
    calls = run(CodeArithmetic(watch), network.nodes, network.states, firsts, starts)
    return np.asarray(deque(calls, maxlen=1).pop()[-1].reshape(len(codes), -1))
