"""Networks in double precision: in real numbers, as a model is read, and in 8-bit codes, as a chip has it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ndrite.emulator.device.ndr.pwl import SEGMENTS, fit_pwl
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.network import Ndr, Network, Sampled
from ndrite.emulator.network.floats import FloatArithmetic
from ndrite.emulator.network.importing.view import View
from ndrite.emulator.network.nodes import Maps
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, unit_codes
from ndrite.emulator.spec.arrays import Codes, Floats
from ndrite.emulator.spec.evaluate import At, last, run

Watch = Callable[[int, Floats], None]


class RealArithmetic(FloatArithmetic):
    """Values in the model's own unit, nothing held in a range; functions as the model has them."""

    lowest = -np.inf

    def view(self, at: At, node: View, maps: Maps) -> Floats:
        """Values moved, and scaled by channel."""
        x: Any = node.source(maps)
        x = x.reshape(len(x), -1, 1, 1) if node.flat else x
        x = x if node.index is None else x[:, node.index]
        y = x if node.is_still else x * node.scale[:, None, None] + node.shift[:, None, None]
        return np.asarray(y, np.float64)

    def function(self, at: At, activation: Any, z: Floats) -> Floats:
        inputs = z.astype(np.float32) if isinstance(activation, Ndr) else z
        return z if activation is None else np.asarray(activation(inputs), np.float64)

    def held(self, y: Any) -> Floats:
        return np.asarray(y, np.float64)


REALS = RealArithmetic()


class CodeArithmetic(RealArithmetic):
    """Every map in codes, as 0..1, and functions as the chip's tables; weights and sums are exact.

    ``watch`` is told the pre-activations of every node with a function, by its number.
    """

    lowest = 0.0

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._curves: dict[int, _Curve] = {}

    def function(self, at: At, activation: Any, z: Floats) -> Floats:
        if activation is None:
            return z
        if self._watch is not None:
            self._watch(at.node, z)
        if isinstance(activation, Ndr):  # the chip's own table is the compiler's
            return unit_codes(super().function(at, activation, z))
        if at.node not in self._curves:
            self._curves[at.node] = _Curve(activation)
        return self._curves[at.node](z)

    def held(self, y: Any) -> Floats:
        return unit_codes(y)

    def number(self, y: float) -> Any:
        return unit_codes(y)


class _Curve:
    """A function as the chip has it: its voltage code, rounded, and the table's code there, as 0..1."""

    def __init__(self, activation: Sampled) -> None:
        self.window = Window(*activation.ends, SEGMENTS, 0.0)
        curve_codes = INPUT_MAX * np.clip(activation.shape(self.window.values()), 0.0, 1.0)
        self.codes = fit_pwl(curve_codes).evaluate()[0].astype(np.float64) / INPUT_MAX

    def __call__(self, z: Floats) -> Floats:
        v = np.clip(np.rint(self.window.zero + self.window.per_unit * z), V_MIN, V_MAX).astype(np.int64)
        return np.asarray(self.codes[v - V_MIN], np.float64)


def in_codes(network: Network, codes: Codes, watch: Watch | None = None) -> Floats:
    """Outputs float64 (n, M) of input codes (n, K): what codes and tables cost, the array itself exact."""
    firsts, starts = network.begun(codes / INPUT_MAX)
    calls = run(CodeArithmetic(watch), network.nodes, network.states, firsts, list(map(unit_codes, starts)))
    return np.asarray(last(calls)[-1].reshape(len(codes), -1))
