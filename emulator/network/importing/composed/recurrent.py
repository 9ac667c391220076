"""Import of LSTM, GRU and RNN by unrolling, where they read a sequence backwards or
read the result of another layer.

A network's calls go from the first to the last, so a direction from the last to the
first needs all inputs at once: the network has one cell for every call, each with
crossbars of its own. Cells whose results nothing reads are left out, such as all but
one of the backward direction where ``out[:, -1]`` is read.
"""

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.composite import cell, check_cell, gates_of, start_of
from ndrite.emulator.network.importing.graph import Op, view
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.arithmetic import Ints

CALLS_MAX = 256
"""Largest number of time steps that are unrolled; each becomes a dozen nodes."""


def written_out(call: Call) -> list[Value] | None:
    """Import a recurrent node by unrolling it: the states h of all time steps, the
    final h and, for an LSTM, the final c.

    None: the layer's input comes call by call, as a network's calls do.
    """
    value, layout = call.value, int(call.a.get("layout", 0))
    direction = call.a.get("direction", "forward")
    by_time = value.places.swapaxes(0, 1) if layout and value.places.ndim == 3 else value.places
    computed = call.values[0] is not None and len(call.computed) > 1
    if value.calls > 1 or value.places.ndim != 3:
        return None
    if direction == "forward" and len(by_time) == 1 and not computed:
        return None
    check_cell(call)
    if len(by_time) > CALLS_MAX:
        raise call.refused(
            f"its sequence has {len(by_time)} time steps, and is unrolled; accepted: at most {CALLS_MAX}"
        )
    states = (5, 6) if call.kind == "LSTM" else (5,)
    firsts = [_first(call, index, layout) for index in states]
    if any(firsts) and None in firsts:
        raise call.refused("one of its initial states is computed, one is constant; use two of one kind")
    calls = range(len(by_time))
    orders = [calls] * (direction != "reverse") + [calls[::-1]] * (direction != "forward")
    if len(orders) != len(call.constant(1)):
        raise call.refused(f"it has weights of {len(call.constant(1))} directions; accepted: {len(orders)}")
    inputs = [_input(call, value, places) for places in by_time]
    runs = [
        _run(call, number, inputs, order, [ops[number] for ops in firsts if ops])
        for number, order in enumerate(orders)
    ]
    every = [view(call.name, *(run[t][0] for run in runs)) for t in calls]
    y = _laid(value, view(call.name, *every), (len(calls), len(runs)))
    ends = [run[order[-1]] for run, order in zip(runs, orders, strict=True)]
    lasts = [_laid(value, view(call.name, *states), (len(runs),)) for states in zip(*ends, strict=True)]
    return [_samples_first(v) if layout else v for v in (y, *lasts)]


def _input(call: Call, value: Value, places: Ints) -> Op:
    """Return an operator for the features (F, 1, 1) of one time step of the sequence."""
    moved = value.moved(places, call.name)
    vector = None if moved is None or moved.axis != 0 else moved.vector(call.name)
    if vector is None:
        raise call.refused(f"its values are {value.own}; give sequences (calls, features)")
    return vector.settled().op


def _first(call: Call, index: int, layout: int) -> list[Op] | None:
    """Return operators for the initial state of each direction, operand number
    ``index``; None if it is 0."""
    value = call.values[index] if index < len(call.values) else None
    if value is None:
        if start_of(call, index):
            raise call.refused("its initial state is not 0; use an initial state of zeros")
        return None
    by_direction = value.places.swapaxes(0, 1) if layout else value.places
    return [_input(call, value, places) for places in by_direction]


def _run(call: Call, number: int, inputs: list[Op], order: range, first: list[Op]) -> list[list[Op]]:
    """Return the states after each time step when direction number ``number`` takes the
    inputs in the order ``order``. ``first``: its states before; empty: 0."""
    gates, states = gates_of(call, number), first
    by_call = dict[int, list[Op]]()
    for t in order:
        states = by_call[t] = cell(call, f"{call.name}.{number}.{t}", inputs[t], gates, *states)
    return [by_call[t] for t in range(len(inputs))]


def _laid(value: Value, op: Op, axes: tuple[int, ...]) -> Value:
    """Return the vector ``op`` as a value of shape (*axes, n, H). The vector holds the
    axes ``axes`` in this order, then the features H."""
    first = np.arange(op.shape[0]).reshape(*axes, 1, -1)
    samples = np.unique(value.places // value.size)
    return value.then(op, first + samples[:, None] * op.shape[0])


def _samples_first(value: Value) -> Value:
    return Value(value.op, np.moveaxis(value.places, -2, 0), value.calls, node=value.node)
