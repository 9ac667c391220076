"""What codes and tables cost, the array itself exact: a network evaluated in 8-bit codes, node by node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.pwl import fit_pwl
from emulator.device.ndr.window import Window
from emulator.network import Activation, Gate, Network, Node, Pool, Product, Sampled, Table
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN
from emulator.spec.steps import join

Floats = npt.NDArray[np.float64]
Maps = list[npt.NDArray[np.float64]]
Watch = Callable[[int, Floats], None]

SEGMENTS = 32


def quantised(network: Network, codes: npt.NDArray[np.uint8], watch: Watch | None = None) -> Floats:
    """Outputs float64 (n, M) of input codes (n, K): 8-bit codes between nodes, functions as the chip's
    tables. ``watch`` is told the pre-activations of every node with a function, by its number."""
    parts = codes.reshape(len(codes), network.calls, *network.shape)
    curves: dict[int, _Curve] = {}
    for number, node in enumerate(network.nodes):
        activation = _activation(node)
        if activation is not None:
            curves[number] = _Curve(activation)
    states: Maps = [_rounded(np.full((len(codes), *s.shape), s.start)) for s in network.states]
    maps: Maps = []
    for call in range(network.calls):
        maps = [parts[:, call].astype(np.float64) / INPUT_MAX, *states]
        for number, node in enumerate(network.nodes):
            z = _result(node, maps)
            if number in curves:
                if watch is not None:
                    watch(number, z)
                z = curves[number](z)
            maps.append(z)
        states = [maps[s.source] for s in network.states]
    return maps[-1].reshape(len(codes), -1)


def _activation(node: Node) -> Activation | None:
    if isinstance(node, Product):
        return node.dense.activation
    return node.activation if isinstance(node, Table) else None


class _Curve:
    """A function as the chip has it: its voltage code, rounded, and the table's code there, as 0..1."""

    def __init__(self, activation: Activation) -> None:
        assert isinstance(activation, Sampled)
        self.window = Window(*activation.ends, SEGMENTS, 0.0)
        wanted = INPUT_MAX * np.clip(activation.shape(self.window.values()), 0.0, 1.0)
        self.codes = fit_pwl(wanted, segments=SEGMENTS).evaluate()[0].astype(np.float64) / INPUT_MAX

    def __call__(self, z: Floats) -> Floats:
        v = np.clip(np.rint(self.window.zero + self.window.per_unit * z), V_MIN, V_MAX).astype(np.int64)
        y: Floats = self.codes[v - V_MIN]
        return y


def _result(node: Node, maps: Maps) -> Floats:
    """A node's result: pre-activations where it has a function, else codes as 0..1, or the sums."""
    if isinstance(node, Product):
        return node.patches.place(_sums(node, maps))
    x = [maps[m] for m in node.reads]
    if isinstance(node, Pool):
        border = 0.0 if node.of == "max" or node.inside else _rounded(np.array(node.pad))
        windows = node.patches.windows(join(x), float(border))
        if node.of == "max":
            largest: Floats = windows.max(axis=(4, 5))
            return largest
        return _rounded(node.gain * windows.sum(axis=(4, 5)) / node.counts.reshape(node.patches.grid))
    if isinstance(node, Table):
        gain, shift = (v.astype(np.float64)[:, None, None] for v in (node.gain, node.shift_by))
        v: Floats = join(x)[:, node.channel] * gain + shift
        return v
    assert isinstance(node, Gate)
    total = _rounded(np.array(node.zero))
    for term in node.terms:
        value = (maps[term.a] - _rounded(np.array(term.a_zero))) * term.gain
        total = total + (
            value if term.b is None else value * (maps[term.b] - _rounded(np.array(term.b_zero)))
        )
    return _rounded(total)


def _sums(node: Product, maps: Maps) -> Floats:
    """Sums (n, positions, M) in double precision."""
    patches, dense = node.patches, node.dense
    cut = patches.cut(join([maps[m] for m in node.sources]), float(_rounded(np.array(node.pad))))
    n, groups = len(cut), patches.groups
    rows = cut.reshape(-1, groups, patches.inputs).transpose(1, 0, 2)
    w = dense.weights.astype(np.float64).reshape(patches.inputs, groups, -1).transpose(1, 0, 2)
    z: Floats = np.matmul(rows, w).transpose(1, 0, 2).reshape(n, patches.positions, -1) + dense.bias
    if node.skip is not None and node.skip_weight is not None:
        z = z + patches.gather(maps[node.skip]) * node.skip_weight.astype(np.float64)
    return z


def _rounded(y: Floats) -> Floats:
    """Values as codes, 0..1; half goes up."""
    codes: Floats = np.clip(np.floor(y * INPUT_MAX + (0.5 + 1e-9)), 0.0, INPUT_MAX) / INPUT_MAX
    return codes
