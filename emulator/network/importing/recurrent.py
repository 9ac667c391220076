"""ONNX's LSTM, GRU and RNN as nodes of one call: products, tables, gates, and maps that outlive the call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.graph import Function, Memories, Op, gate, given, product, table, view
from ndrite.emulator.spec.arrays import Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.patches import Patches

GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": "h"}
USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
SIGMOID: tuple[str, Callable[[Floats], Floats]] = ("sigmoid", lambda x: 0.5 + 0.5 * np.tanh(0.5 * x))
TANH: tuple[str, Callable[[Floats], Floats]] = ("tanh", np.tanh)
RELU: tuple[str, Callable[[Floats], Floats]] = ("relu", lambda x: np.maximum(x, 0.0))


@record()
class GateWeights:
    """Of one gate: ``input`` (K, H), ``hidden`` (H, H), and their biases (H,)."""

    input: Floats
    hidden: Floats
    input_bias: Floats
    hidden_bias: Floats


Gates = dict[str, GateWeights]


def sequence_axes(graph: Any, name: str) -> str:
    """Axes of the model's input ``name`` where a recurrent node reads it, ``ntc`` or ``tnc``; else empty."""
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type not in GATES:
            continue
        layout = next((a.i for a in node.attribute if a.name == "layout"), 0)
        batch_first, source = bool(layout), node.input[0]
        while source in made_by:
            before = made_by[source]
            if before.op_type == "Transpose":
                order = next((list(a.ints) for a in before.attribute if a.name == "perm"), [])
                batch_first ^= order[:2] == [1, 0]
            source = next((s for s in before.input if s in made_by or s == name), "")
        if source == name:
            return "ntc" if batch_first else "tnc"
    return ""


def _layer(call: Call) -> list[Any]:
    a, kind = call.a, call.kind
    if a.get("direction", "forward") != "forward":
        raise call.refused("use direction forward, from first to last call")
    activations = a.get("activations", USUAL[kind])
    relu = kind == "RNN" and activations == ["Relu"]
    if (activations != USUAL[kind] and not relu) or a.get("clip") or a.get("input_forget"):
        raise call.refused("use its usual activations, without clip and input_forget")
    if call.optional(4) is not None or len([v for v in call.values if v is not None]) > 1:
        raise call.refused("use sequences of one length, and constant weights and first states")
    if kind == "LSTM" and call.optional(7) is not None:
        raise call.refused("use it without peepholes")
    layout, value = int(a.get("layout", 0)), call.value
    by_sample = value.places if layout else value.places.swapaxes(0, 1)
    if not np.array_equal(by_sample.reshape(-1), np.arange(by_sample.size)):
        raise call.refused(
            f"its values are {value.own}; give sequences (calls, features) as the model's input"
        )
    value, gates = value.settled(), _weights(call)
    shape = (len(next(iter(gates.values())).input_bias), 1, 1)
    h = given(f"{call.name}.h", shape, _start(call, 5))
    if kind == "LSTM":
        c = given(f"{call.name}.c", shape, _start(call, 6))
        memories = _lstm(call.name, value.op, h, c, gates)
    elif kind == "GRU":
        memories = _gru(call.name, value.op, h, gates, reset_after=bool(a.get("linear_before_reset", 0)))
    else:
        memories = [(h, _apply(RELU if relu else TANH, _both(call.name, value.op, h, gates["h"])))]
    call.memories.extend(memories)
    out = value.mixed(memories[0][1], -1)
    all_calls = replace(out, places=np.expand_dims(out.places, 2 if layout else 1))
    last = replace(out, places=out.places.take([-1], layout))
    return [all_calls, last, replace(last, op=memories[-1][1])]


def _lstm(node: str, x: Op, h: Op, c: Op, gates: Gates) -> Memories:
    """``c = f * c + i * g``, ``h = o * tanh(c)``; ``gates`` by the letters i, f, g, o."""
    i, f, o = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "ifo")
    g = _apply(TANH, _both(f"{node}.g", x, h, gates["g"]))
    new_c = gate(f"{node}.c", (1.0, f, c), (1.0, i, g))
    return [(h, gate(f"{node}.h", (1.0, o, _apply(TANH, new_c)))), (c, new_c)]


def _gru(node: str, x: Op, h: Op, gates: Gates, *, reset_after: bool) -> Memories:
    """``h = (1 - z) * n + z * h``; ``gates`` by the letters r, z, n.

    ``reset_after``: r multiplies the product with h (PyTorch, cuDNN), not h itself.
    """
    r, z = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "rz")
    new, name = gates["n"], f"{node}.n"
    if reset_after:
        inner = _linear(name, h, new.hidden, new.hidden_bias)
        outer = _linear(name, x, new.input, new.input_bias)
        n = gate(name, (1.0, outer), (1.0, gate(name, (1.0, r, inner))))
    else:
        n = _both(name, x, gate(name, (1.0, r, h)), new)
    unit = np.ones(h.shape[0])
    one_minus_z = view(f"{node}.z", z, scale=-unit, shift=unit)
    return [(h, gate(f"{node}.h", (1.0, one_minus_z, _apply(TANH, n)), (1.0, z, h)))]


def _apply(function: tuple[str, Callable[[Floats], Floats]], x: Op) -> Op:
    return table(x, Function(x.name, f"{function[0]}(x)", function[1]))


def _both(node: str, x: Op, h: Op, w: GateWeights) -> Op:
    """The product over the input and what the cell gave before, side by side."""
    return _linear(node, view(node, x, h), np.vstack([w.input, w.hidden]), w.input_bias + w.hidden_bias)


def _linear(node: str, x: Op, weights: Floats, bias: Floats) -> Op:
    return product(node, x, weights, bias, Patches.whole(x.shape))


def _weights(call: Call) -> Gates:
    """By gate: ONNX has all of them below each other, and one set a direction."""
    letters = GATES[call.kind]
    w, r = (np.asarray(call.constant(i), np.float64)[0] for i in (1, 2))
    bias = call.optional(3)
    b = np.zeros(2 * len(w)) if bias is None else np.asarray(bias, np.float64)[0]
    parts = (np.split(array, len(letters)) for array in (w, r, b[: len(w)], b[len(w) :]))
    return {
        letter: GateWeights(wi.T, wh.T, bi, bh)
        for letter, wi, wh, bi, bh in zip(letters, *parts, strict=True)
    }


def _start(call: Call, index: int) -> float:
    """Initial value of a state: a number."""
    first = call.optional(index)
    if first is None:
        return 0.0
    if not first.size or np.ptp(first) > 0:
        raise call.refused("its first state differs by unit; begin with zeros")
    return float(first.reshape(-1)[0])


RECURRENT: dict[str, Callable[[Call], Any]] = dict.fromkeys(GATES, _layer)
