"""Products that take in what stands behind them: a sum, as their second operand, and a function.

And what the codes of every map have to stand for exactly, which follows from who reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from emulator.network import Gate, Pool, Product
from emulator.network.importing.graph import Exact, Function, Graph, Op, Reach, identity, table
from emulator.network.importing.view import View

Rises = Callable[[Function, Reach | None], bool]
"""Whether a function falls nowhere on a range."""


@dataclass(frozen=True, eq=False)
class Fused:
    """A graph of the network's nodes; ranges ``before`` and ``after`` functions, where there are samples."""

    graph: Graph
    before: dict[Op, Reach | None] = field(default_factory=dict)
    after: dict[Op, Reach | None] = field(default_factory=dict)


def fused(graph: Graph, seen: Mapping[Op, Reach], rises: Rises) -> Fused:
    """The graph with every sum and function inside the product before it, where nothing else reads that.

    ``seen``: ranges of its operators on samples, empty without. A function that falls nowhere may stand
    before the largest of a window, too.
    """
    new: dict[Op, Op] = {}
    uses: dict[Op, int] = {}
    made = Fused(graph)
    before, after = made.before, made.after
    for op, count in graph.uses.items():
        fresh = replace(op, inputs=tuple(new[i] for i in op.inputs)) if op.inputs else op
        head = fresh.inputs[0] if fresh.kind == "table" else fresh
        before[fresh] = after[head] if head is not fresh else seen.get(op)
        if isinstance(fresh.node, Gate):
            fresh = _with_sum(fresh, fresh.node, uses)
            before[fresh] = seen.get(op)
        elif _is_open(head, uses):
            fresh = _ended(head, fresh.function)
            before[fresh] = before[head]
        elif _is_largest(head) and isinstance(fresh.function, Function) and uses[head] == 1:
            inner = head.inputs[0]
            if _is_open(inner, uses) and rises(fresh.function, before[inner]):
                ended = _ended(inner, fresh.function)
                before[ended], after[ended] = before[inner], None
                fresh = replace(head, inputs=(ended,))
        after[fresh], uses[fresh], new[op] = seen.get(op), count, fresh
    return replace(made, graph=graph.made_of(new))


def settled(graph: Graph) -> Graph:
    """Every memory takes the result of something that makes codes of its own."""
    memories = tuple(
        (memory, op if op.kind in ("product", "table", "gate") else table(op, identity(op.name)))
        for memory, op in graph.memories
    )
    return replace(graph, memories=memories)


def _is_open(op: Op, uses: Mapping[Op, int]) -> bool:
    """Whether it is a product that can end in the one that reads it."""
    return op.kind == "product" and op.function is None and uses.get(op) == 1


def _is_largest(op: Op) -> bool:
    return isinstance(op.node, Pool) and op.node.of == "max"


def _ended(op: Op, function: object) -> Op:
    assert isinstance(op.node, Product)
    dense = op.node.dense
    return replace(op, node=replace(op.node, dense=Exact(dense.weights, dense.bias, function)))


def _with_sum(op: Op, gate: Gate, uses: Mapping[Op, int]) -> Op:
    """A sum of two as the product that one of them is, the other its second operand."""
    if not gate.is_sum or not len(gate.terms) == 2 == len(op.inputs):
        return op
    for first, second in (gate.terms, gate.terms[::-1]):
        before, other = op.inputs[first.a], op.inputs[second.a]
        node = before.node
        if not isinstance(node, Product) or node.skip is not None or not _is_open(before, uses):
            continue
        falls = isinstance(other.node, View) and (other.node.scale <= 0).any()
        if second.gain > 0 and not falls:
            dense = Exact(node.dense.weights * first.gain, node.dense.bias * first.gain + gate.zero)
            weight = np.full(dense.outputs, second.gain)
            node = replace(node, dense=dense, sources=(first.a,), skip=second.a, skip_weight=weight)
            inputs = (before.inputs[0], other)
            return Op(before.name, node, inputs if first.a == 0 else inputs[::-1])
    return op


def holds_of(graph: Graph) -> dict[Op, tuple[float, ...]]:
    """Zeros around a map and in gates, and what memories start from, brought to where codes are made."""
    holds: dict[Op, dict[float, None]] = {op: {} for op in graph.uses}
    nexts = dict(graph.memories)
    for memory, op in graph.memories:
        holds[op][memory.start] = None
    for _ in range(2 if graph.memories else 1):  # once more brings what a memory must hold to its source
        for op in reversed(graph.order()):
            for source, value in _held_by(op):
                holds[source][value] = None
            for value in holds[op]:
                if op in nexts:
                    holds[nexts[op]][value] = None
                inner = op.node.before(value) if isinstance(op.node, View) else value
                if op.kind in ("pool", "view") and inner is not None:
                    for source in op.inputs:
                        holds[source][inner] = None
    return {op: tuple(values) for op, values in holds.items()}


def _held_by(op: Op) -> list[tuple[Op, float]]:
    """What an operator needs of its inputs: values that are codes there."""
    node = op.node
    if isinstance(node, Gate):
        numbers = {n for t in node.terms if t.b is not None for n in t.reads}
        return [(op.inputs[n], 0.0) for n in numbers]
    if isinstance(node, Product) and any(node.patches.padding):
        return [(op.inputs[node.sources[0]], node.pad)]
    if isinstance(node, Pool) and node.counts_border:
        return [(op.inputs[0], node.pad)]
    return []
