"""Loops that an exporter wrote out: one call of a recurrent cell, found again in a graph of all of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.arithmetic import REALS
from ndrite.emulator.network.importing.graph import Graph, Op, given
from ndrite.emulator.spec.archive import Arrays, digest, flat
from ndrite.emulator.spec.evaluate import At, evaluated

CALLS_MIN = 3
TRIED = np.linspace(-3.0, 3.0, 31)
"""Where two functions are alike."""


def rolled(graph: Graph) -> Graph:
    """One call of the graph's loop over the rows of its input (calls, 1, features), and what outlives a call.

    As it is where there is no such loop. The last call gives the output, the one before it what the next call
    reads; the copies of both that are alike are one.
    """
    calls, rows, features = graph.input.shape
    parts, last = _parts(graph), calls - 1
    if rows > 1 or calls < CALLS_MIN or set(parts.values()) != set(range(calls)):
        return graph
    of = _calls(graph, parts)
    states, earlier = (_read(graph, of, parts, call) for call in (last, last - 1))
    alike = [(s.kind, s.shape) for s in states] == [(s.kind, s.shape) for s in earlier]
    if not alike or of[graph.output] < last or any(of[s] < last - 1 for s in states):
        return graph
    x, memories = given("input", (features, 1, 1)), [given(s.name, s.shape, 0.0) for s in states]
    op_of: dict[Any, Op] = {}
    copies: list[dict[Op, Op]] = []
    for call, before in ((last - 1, earlier), (last, states)):
        new = dict(zip(before, memories, strict=True))
        for op in graph.uses:
            if of[op] == call and op in parts:
                new[op] = x
            elif of[op] == call:
                fresh = replace(op, inputs=tuple(new[i] for i in op.inputs))
                new[op] = op_of.setdefault(_content(fresh), fresh)
        copies.append(new)
    nexts = tuple(copies[0][s] for s in states)
    graph_of_calls = Graph(x, copies[1][graph.output], tuple(zip(memories, nexts, strict=True)), calls)
    tried = np.random.default_rng(0).normal(size=(4, calls * features))
    with np.errstate(all="ignore"):
        alike = np.allclose(graph_of_calls.run(tried), graph.run(tried), rtol=1e-6, atol=1e-9)
    return graph_of_calls if alike else graph


def _parts(graph: Graph) -> dict[Op, int]:
    """The operators that are one row of the input, and which."""
    size, features = int(np.prod(graph.input.shape)), graph.input.shape[2]
    places_of = {graph.input: np.arange(size, dtype=np.float64).reshape(1, *graph.input.shape)}
    parts = {}
    for op in graph.uses:
        if op.kind == "view" and len(op.inputs) == 1 and op.inputs[0] in places_of:
            places_of[op] = evaluated(REALS, At(), op.node, [places_of[op.inputs[0]]])
            call = int(places_of[op].flat[0]) // features
            if np.array_equal(places_of[op].reshape(-1), np.arange(call * features, (call + 1) * features)):
                parts[op] = call
    return parts


def _calls(graph: Graph, parts: Mapping[Op, int]) -> dict[Op, int]:
    """The call of each operator; what only weighs the results of a call is of the call that reads it."""
    of: dict[Op, int] = {}
    for op in graph.uses:
        of[op] = parts.get(op, max((of[i] for i in op.inputs), default=-1))
    readers: dict[Op, set[int]] = {op: set() for op in graph.uses}
    for op in reversed(graph.uses):
        weighs = op.kind == "product" and op.function is None
        if weighs and readers[op] == {of[op] + 1} and all(i.kind not in ("view", "given") for i in op.inputs):
            of[op] += 1
        for i in op.inputs:
            readers[i].add(of[op])
    return of


def _read(graph: Graph, of: Mapping[Op, int], parts: Mapping[Op, int], call: int) -> list[Op]:
    """Values that a call reads from earlier calls."""
    reads = (i for op in graph.uses if of[op] == call and op not in parts for i in op.inputs)
    return list(dict.fromkeys(i for i in reads if of[i] < call))


def _content(op: Op) -> Any:
    """The same for two operators that compute the same of the same."""
    if op.function is not op.sampled:  # devices
        return op
    arrays: Arrays = {} if op.sampled is None else {"sampled": op.sampled.of(TRIED)}
    return op.kind, op.inputs, digest(flat("", op.node, arrays, {"activation": None}), arrays)
