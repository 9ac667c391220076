"""Recurrent cells as operators of one call: products, tables, gates, and maps that outlive the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulator.network.importing.graph import (
    Affine,
    Concat,
    Floats,
    Gate,
    Linear,
    Memory,
    Op,
    Term,
    Unary,
    product_of,
    weighted_sum,
)
from emulator.spec.patches import Patches

Memories = list[tuple[Memory, Op]]


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
    h = Memory(node=f"{node}.h", shape=shape, start=start[0])
    c = Memory(node=f"{node}.c", shape=shape, start=start[1])
    i, f, o = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "ifo")
    g = _apply(TANH, _both(f"{node}.g", x, h, gates["g"]))
    new_c = Gate(node=f"{node}.c", inputs=(f, c, i, g), shape=shape, terms=(Term(a=0, b=1), Term(a=2, b=3)))
    out = product_of(f"{node}.h", o, _apply(TANH, new_c))
    return Cell(out, [(h, out), (c, new_c)])


def gru(
    node: str, x: Op, gates: dict[str, GateWeights], *, reset_after: bool = True, start: float = 0.0
) -> Cell:
    """``h = (1 - z) * n + z * h``; ``gates`` by the letters r, z, n.

    ``reset_after``: r multiplies the product with h (PyTorch, cuDNN), not h itself.
    """
    shape = (len(gates["r"].input_bias), 1, 1)
    h = Memory(node=f"{node}.h", shape=shape, start=start)
    r, z = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "rz")
    new, name = gates["n"], f"{node}.n"
    if reset_after:
        inner = _linear(name, h, new.hidden, new.hidden_bias)
        total = weighted_sum(
            name, (1.0, _linear(name, x, new.input, new.input_bias)), (1.0, product_of(name, r, inner))
        )
        n = _apply(TANH, total)
    else:
        n = _apply(TANH, _both(name, x, product_of(name, r, h), new))
    ones = np.ones(shape[0])
    rest = Affine(node=f"{node}.z", inputs=(z,), shape=shape, scale=-ones, shift=ones)
    out = Gate(node=f"{node}.h", inputs=(rest, n, z, h), shape=shape, terms=(Term(a=0, b=1), Term(a=2, b=3)))
    return Cell(out, [(h, out)])


def rnn(node: str, x: Op, weights: GateWeights, kind: str, start: float = 0.0) -> Cell:
    """``h = f(W x + U h + b)``, ``kind`` tanh or relu."""
    h = Memory(node=f"{node}.h", shape=(len(weights.input_bias), 1, 1), start=start)
    out = _apply({"tanh": TANH, "relu": RELU}[kind], _both(node, x, h, weights))
    return Cell(out, [(h, out)])


def _apply(function: tuple[str, Callable[[Floats], Floats]], x: Op) -> Unary:
    return Unary(node=x.node, inputs=(x,), shape=x.shape, label=f"{function[0]}(x)", function=function[1])


def _both(node: str, x: Op, h: Op, w: GateWeights) -> Linear:
    """The product over the input and what the cell gave before, side by side."""
    shape = (x.shape[0] + h.shape[0], 1, 1)
    both = Concat(node=node, inputs=(x, h), shape=shape)
    return _linear(node, both, np.vstack([w.input, w.hidden]), w.input_bias + w.hidden_bias)


def _linear(node: str, x: Op, weights: Floats, bias: Floats) -> Linear:
    return Linear(
        node=node,
        inputs=(x,),
        shape=(len(bias), 1, 1),
        weights=weights,
        bias=bias,
        patches=Patches.whole(x.shape),
    )
