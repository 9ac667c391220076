"""What codes and tables cost, the array itself exact: a network evaluated in 8-bit codes, node by node."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.pwl import fit_pwl
from emulator.device.ndr.window import Window
from emulator.network import Activation, Gate, Network, Pool, Product, Sampled, Table
from emulator.network.floats import FloatArithmetic
from emulator.network.nodes import Maps
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, unit_codes
from emulator.spec.evaluate import At, run
from emulator.spec.steps import filled, join

Floats = npt.NDArray[np.float64]
Watch = Callable[[int, Floats], None]

SEGMENTS = 32


def quantised(network: Network, codes: npt.NDArray[np.uint8], watch: Watch | None = None) -> Floats:
    """Outputs float64 (n, M) of input codes (n, K): 8-bit codes between nodes, functions as the chip's
    tables. ``watch`` is told the pre-activations of every node with a function, by its number."""
    parts = codes.reshape(len(codes), network.calls, *network.shape)
    firsts = (parts[:, call].astype(np.float64) / INPUT_MAX for call in range(network.calls))
    starts = [unit_codes(np.full((len(codes), *s.shape), s.start)) for s in network.states]
    calls = run(_Quantised(watch), network.nodes, network.states, firsts, starts)
    return np.asarray(deque(calls, maxlen=1).pop()[-1].reshape(len(codes), -1))


class _Quantised(FloatArithmetic):
    """In double precision, every result a code."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._curves: dict[int, _Curve] = {}

    def product(self, at: At, node: Product, maps: Maps) -> Floats:
        z = node.patches.place(self.sums(node, maps))
        return z if node.dense.activation is None else self._function(at, node.dense.activation, z)

    def pool(self, at: At, node: Pool, maps: Maps) -> Floats:
        border = 0.0 if node.of == "max" or node.inside else float(unit_codes(node.pad))
        windows = node.patches.windows(join([maps[s] for s in node.sources]), border)
        if node.of == "max":
            return filled(np.asarray(windows.max(axis=(4, 5)), np.float64), node.block)
        counts = node.counts.reshape(node.patches.grid)
        return filled(unit_codes(node.gain * windows.sum(axis=(4, 5)) / counts), node.block)

    def table(self, at: At, node: Table, maps: Maps) -> Floats:
        x = join([maps[s] for s in node.sources])
        gain, shift = (v.astype(np.float64)[:, None, None] for v in (node.gain, node.shift_by))
        return self._function(at, node.activation, x[:, node.channel] * gain + shift)

    def gate(self, at: At, node: Gate, maps: Maps) -> Floats:
        total = unit_codes(node.zero)
        for term in node.terms:
            value = (maps[term.a] - unit_codes(term.a_zero)) * term.gain
            total = total + (value if term.b is None else value * (maps[term.b] - unit_codes(term.b_zero)))
        return unit_codes(total)

    def sums(self, node: Product, maps: Maps) -> Floats:
        patches, dense = node.patches, node.dense
        cut = patches.cut(join([maps[s] for s in node.sources]), float(unit_codes(node.pad)))
        n, groups = len(cut), patches.groups
        rows = cut.reshape(-1, groups, patches.inputs).transpose(1, 0, 2)
        w = dense.weights.astype(np.float64).reshape(patches.inputs, groups, -1).transpose(1, 0, 2)
        z: Floats = np.matmul(rows, w).transpose(1, 0, 2).reshape(n, patches.positions, -1) + dense.bias
        if node.skip is not None and node.skip_weight is not None:
            z = z + patches.gather(maps[node.skip]) * node.skip_weight.astype(np.float64)
        return z

    def _function(self, at: At, activation: Activation, z: Floats) -> Floats:
        if self._watch is not None:
            self._watch(at.node, z)
        if not isinstance(activation, Sampled):  # devices: the chip's own table is the compiler's
            y = activation(np.moveaxis(z, 1, -1).astype(np.float32))
            return unit_codes(np.moveaxis(y, -1, 1))
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
