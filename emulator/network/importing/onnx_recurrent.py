"""ONNX's LSTM, GRU and RNN as operators of one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.network.importing.onnx_call import Call
from emulator.network.importing.recurrent import GateWeights, gru, lstm, rnn
from emulator.network.importing.view import Floats

GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": "h"}
USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


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
    layout = int(a.get("layout", 0))
    axes = "ntc" if layout else "tnc"
    value = call.value
    if value.axes != axes:
        raise call.refused(
            f"its values are {value.own}; give sequences (calls, features) as the model's input"
        )
    value = value.settled()
    weights, starts = _weights(call), [_start(call, i) for i in ((5, 6) if kind == "LSTM" else (5,))]
    if kind == "LSTM":
        cell = lstm(call.name, value.op, weights, (starts[0], starts[1]))
    elif kind == "GRU":
        after = bool(a.get("linear_before_reset", 0))
        cell = gru(call.name, value.op, weights, reset_after=after, start=starts[0])
    else:
        cell = rnn(call.name, value.op, weights["h"], "relu" if relu else "tanh", starts[0])
    call.memories.extend(cell.memories)
    out = value.then(cell.out, "ntdc" if layout else "tdnc")
    last = replace(out, axes="ndc" if layout else "dnc", at=value.calls - 1)
    return [out, last, replace(last, op=cell.memories[-1][1])]


def _weights(call: Call) -> dict[str, GateWeights]:
    """By gate: ONNX has all of them below each other, and one set a direction."""
    letters = GATES[call.kind]
    w, r = (np.asarray(call.constant(i), np.float64)[0] for i in (1, 2))
    bias = call.optional(3)
    b = np.zeros(2 * len(w)) if bias is None else np.asarray(bias, np.float64)[0]

    def parts(array: Floats) -> list[Floats]:
        return np.split(array, len(letters))

    split = zip(letters, parts(w), parts(r), parts(b[: len(w)]), parts(b[len(w) :]), strict=True)
    return {letter: GateWeights(wi.T, wh.T, bi, bh) for letter, wi, wh, bi, bh in split}


def _start(call: Call, index: int) -> float:
    """What a state begins with: a number."""
    first = call.optional(index)
    if first is None:
        return 0.0
    if not first.size or np.ptp(first) > 0:
        raise call.refused("its first state differs by unit; begin with zeros")
    return float(first.reshape(-1)[0])


RECURRENT: dict[str, Callable[[Call], Any]] = dict.fromkeys(GATES, _layer)
