"""PyTorch's recurrent layers and cells as operators of one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import Floats, Op
from emulator.network.importing.recurrent import Cell, GateWeights, Memories, gru, lstm, rnn
from emulator.network.importing.torch_modules import parameter
from emulator.network.importing.values import Stack, Value

GATES = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}


@dataclass(eq=False)
class Loop:
    """A cell that a model calls for one part of a sequence after another: what it was given and gave."""

    calls: int = 0
    input: Op | None = None
    cell: Cell | None = None


def layers_of(name: str, module: Any, value: Value, state: Any, memories: Memories) -> Any:
    """``(outputs, h_n)`` of a GRU or RNN, ``(outputs, (h_n, c_n))`` of an LSTM."""
    kind = type(module).__name__
    if module.bidirectional:
        raise UnsupportedNodeError(
            name, kind, "it is bidirectional; use one direction, from first to last call"
        )
    if getattr(module, "proj_size", 0):
        raise UnsupportedNodeError(name, kind, "proj_size is set; use a Linear layer behind it")
    axes = "ntc" if module.batch_first else "tnc"
    if value.axes != axes:
        raise UnsupportedNodeError(
            name, kind, f"its values have axes {value.own}; give sequences (calls, features) as input_shape"
        )
    value = value.settled()
    starts = _starts(name, kind, state)
    lasts, cells = [], []
    for layer in range(module.num_layers):
        weights = _weights(module, kind, f"_l{layer}")
        cell = _cell(f"{name}.{layer}", kind, getattr(module, "mode", ""), value.op, weights, starts)
        memories += cell.memories
        value = value.then(cell.out)
        last = replace(value, axes="nc", at=value.calls - 1)
        lasts.append(last)
        cells.append(replace(last, op=cell.memories[-1][1]))
    h = Stack(tuple(lasts))
    return value, (h, Stack(tuple(cells))) if kind == "LSTM" else h


def cell_of(name: str, module: Any, value: Value, state: Any, memories: Memories, loop: Loop) -> Any:
    """``(h, c)`` of an LSTMCell, ``h`` of the others, called once or once a part of a sequence in order."""
    kind = type(module).__name__.removesuffix("Cell")
    value = value.settled()
    at = 0 if value.at is None else value.at
    if at != loop.calls or (loop.input is not None and value.op is not loop.input) or value.axes != "nc":
        raise UnsupportedNodeError(
            name,
            f"{kind}Cell",
            "it is not called on a sequence in order, x[:, 0], x[:, 1], ...; use nn." + kind,
        )
    if loop.cell is None:
        starts = _starts(name, kind, state)
        mode = f"RNN_{getattr(module, 'nonlinearity', 'tanh').upper()}"
        loop.cell = _cell(name, kind, mode, value.op, _weights(module, kind, ""), starts)
        loop.input = value.op
        memories += loop.cell.memories
    else:
        given = state if isinstance(state, tuple | list) else (state,)
        wanted = [op for _, op in loop.cell.memories]
        fits = len(given) == len(wanted) and all(
            isinstance(v, Value) and v.function is None and v.op is op and v.at == at - 1
            for v, op in zip(given, wanted, strict=True)
        )
        if not fits:
            raise UnsupportedNodeError(
                name, f"{kind}Cell", "its state is not what it gave before; use nn." + kind
            )
    loop.calls += 1
    results = tuple(replace(value.then(op), at=value.at) for _, op in loop.cell.memories)
    return results if kind == "LSTM" else results[0]


def _cell(
    name: str, kind: str, mode: str, x: Op, gates: dict[str, GateWeights], starts: tuple[float, float]
) -> Cell:
    if kind == "LSTM":
        return lstm(name, x, gates, starts)
    if kind == "GRU":
        return gru(name, x, gates, start=starts[0])
    return rnn(name, x, gates["h"], "relu" if mode.endswith("RELU") else "tanh", starts[0])


def _weights(module: Any, kind: str, suffix: str) -> dict[str, GateWeights]:
    letters = GATES[kind]

    def parts(name: str) -> list[Floats]:
        tensor = getattr(module, f"{name}{suffix}", None)
        if tensor is None:  # bias=False
            rows = getattr(module, f"weight_hh{suffix}").shape[0]
            return np.split(np.zeros(rows), len(letters))
        return np.split(parameter(tensor), len(letters))

    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {
        letter: GateWeights(wi.T, wh.T, bi, bh)
        for letter, wi, wh, bi, bh in zip(letters, *(parts(n) for n in names), strict=True)
    }


def _starts(name: str, kind: str, state: Any) -> tuple[float, float]:
    """What h and c begin with: a number each."""
    given = state if isinstance(state, tuple | list) else (state,)
    starts = []
    for value in given:
        number = np.zeros(1) if value is None else value
        if not isinstance(number, np.ndarray) or not number.size or np.ptp(number) > 0:
            raise UnsupportedNodeError(name, kind, "its first state is computed; begin with zeros")
        starts.append(float(number.reshape(-1)[0]))
    return starts[0], starts[-1]
