"""Recurrent cells as operators of one call: products, tables, gates, and maps that outlive the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulator.network.importing.graph import Function, Op, gate, given, product, table, view
from emulator.network.importing.view import Floats
from emulator.spec.patches import Patches

Memories = list[tuple[Op, Op]]


@dataclass(frozen=True, eq=False)
class GateWeights:
    """Of one gate: ``input`` (K, H), ``hidden`` (H, H), and their biases (H,)."""

    input: Floats
    hidden: Floats
    input_bias: Floats
    hidden_bias: Floats


@dataclass(frozen=True, eq=False)
class Cell:
    """What a cell of one call is: its result, and the maps that its next call needs."""

    out: Op
    memories: Memories


def _sigmoid(x: Floats) -> Floats:
    rising: Floats = 0.5 + 0.5 * np.tanh(0.5 * x)
    return rising


SIGMOID: tuple[str, Callable[[Floats], Floats]] = ("sigmoid", _sigmoid)
TANH: tuple[str, Callable[[Floats], Floats]] = ("tanh", np.tanh)
RELU: tuple[str, Callable[[Floats], Floats]] = ("relu", lambda x: np.maximum(x, 0.0))


def lstm(node: str, x: Op, gates: dict[str, GateWeights], start: tuple[float, float] = (0.0, 0.0)) -> Cell:
    """``c = f * c + i * g``, ``h = o * tanh(c)``; ``gates`` by the letters i, f, g, o; ``start`` of h, c."""
    shape = (len(gates["i"].input_bias), 1, 1)
    h, c = (given(f"{node}.{letter}", shape, first) for letter, first in zip("hc", start, strict=True))
    i, f, o = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "ifo")
    g = _apply(TANH, _both(f"{node}.g", x, h, gates["g"]))
    new_c = gate(f"{node}.c", (1.0, f, c), (1.0, i, g))
    out = gate(f"{node}.h", (1.0, o, _apply(TANH, new_c)))
    return Cell(out, [(h, out), (c, new_c)])


def gru(
    node: str, x: Op, gates: dict[str, GateWeights], *, reset_after: bool = True, start: float = 0.0
) -> Cell:
    """``h = (1 - z) * n + z * h``; ``gates`` by the letters r, z, n.

    ``reset_after``: r multiplies the product with h (PyTorch, cuDNN), not h itself.
    """
    shape = (len(gates["r"].input_bias), 1, 1)
    h = given(f"{node}.h", shape, start)
    r, z = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "rz")
    new, name = gates["n"], f"{node}.n"
    if reset_after:
        inner = _linear(name, h, new.hidden, new.hidden_bias)
        total = (1.0, _linear(name, x, new.input, new.input_bias)), (1.0, gate(name, (1.0, r, inner)))
        n = _apply(TANH, gate(name, *total))
    else:
        n = _apply(TANH, _both(name, x, gate(name, (1.0, r, h)), new))
    ones = np.ones(shape[0])
    rest = view(f"{node}.z", z, scale=-ones, shift=ones)
    out = gate(f"{node}.h", (1.0, rest, n), (1.0, z, h))
    return Cell(out, [(h, out)])


def rnn(node: str, x: Op, weights: GateWeights, kind: str, start: float = 0.0) -> Cell:
    """``h = f(W x + U h + b)``, ``kind`` tanh or relu."""
    h = given(f"{node}.h", (len(weights.input_bias), 1, 1), start)
    out = _apply({"tanh": TANH, "relu": RELU}[kind], _both(node, x, h, weights))
    return Cell(out, [(h, out)])


def _apply(function: tuple[str, Callable[[Floats], Floats]], x: Op) -> Op:
    return table(x, Function(x.name, f"{function[0]}(x)", function[1]))


def _both(node: str, x: Op, h: Op, w: GateWeights) -> Op:
    """The product over the input and what the cell gave before, side by side."""
    return _linear(node, view(node, x, h), np.vstack([w.input, w.hidden]), w.input_bias + w.hidden_bias)


def _linear(node: str, x: Op, weights: Floats, bias: Floats) -> Op:
    return product(node, x, weights, bias, Patches.whole(x.shape))
