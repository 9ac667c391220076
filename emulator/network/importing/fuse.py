"""Products that take in what stands behind them: a sum, as their second operand, and a function.

And what the codes of every map have to stand for exactly, which follows from who reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.network import Gate, Pool, Product, Table
from ndrite.emulator.network.importing.graph import Exact, Graph, Op, identity, table
from ndrite.emulator.network.importing.simplify import Alone, rewritten
from ndrite.emulator.network.importing.stretch import stretch_of
from ndrite.emulator.network.importing.view import View


def fused(graph: Graph) -> Graph:
    """The graph with every sum and function inside the product before it, where nothing else reads that.

    A function that falls nowhere may stand before the largest of a window, too.
    """
    return rewritten(graph, {"gate": _with_sum, "table": _with_function})


def settled(graph: Graph) -> Graph:
    """Every memory, and the output, takes the result of something that makes codes of its own."""
    if graph.output.is_input:
        graph = replace(graph, output=table(graph.output, identity(graph.output.name)))
    memories = tuple(
        (memory, op if op.kind in ("product", "table", "gate") else table(op, identity(op.name)))
        for memory, op in graph.memories
    )
    return replace(graph, memories=memories)


def _is_open(op: Op, alone: Alone) -> bool:
    """Whether it is a product that can end in the one that reads it."""
    return op.kind == "product" and op.function is None and alone(op)


def _with_function(op: Op, node: Table, alone: Alone) -> Op:
    head = op.inputs[0]
    if _is_open(head, alone):
        return _ended(head, op)
    if op.sampled is None or head.kind != "pool" or not alone(head) or head.only(Pool).of != "max":
        return op
    inner = head.inputs[0]
    if not _is_open(inner, alone) or not stretch_of(op.sampled, inner.before).rises:
        return op
    return replace(head, inputs=(replace(_ended(inner, op), reach=None),), reach=op.reach)


def _ended(op: Op, table: Op) -> Op:
    """A product that ends in the function of a table."""
    node = op.only(Product)
    dense = Exact(node.dense.weights, node.dense.bias, table.function)
    return replace(op, node=replace(node, dense=dense), reach=table.reach)


def _with_sum(op: Op, gate: Gate, alone: Alone) -> Op:
    """A sum of two as the product that one of them is, the other its second operand."""
    if not gate.is_sum or not len(gate.terms) == 2 == len(op.inputs):
        return op
    for first, second in (gate.terms, gate.terms[::-1]):
        before, second_input = op.inputs[first.a], op.inputs[second.a]
        node, moved = before.of(Product), second_input.of(View)
        if node is None or node.skip is not None or not _is_open(before, alone):
            continue
        if second.gain > 0 and (moved is None or (moved.scale > 0).all()):
            dense = Exact(node.dense.weights * first.gain, node.dense.bias * first.gain + gate.zero)
            weight = np.full(dense.outputs, second.gain)
            node = replace(node, dense=dense, sources=(first.a,), skip=second.a, skip_weight=weight)
            inputs = (before.inputs[0], second_input)
            return Op(before.name, node, inputs if first.a == 0 else inputs[::-1], op.reach, op.reach)
    return op


HELD: dict[str, Callable[[Any], Mapping[int, float]]] = {
    "product": lambda node: dict.fromkeys(node.sources if any(node.patches.padding) else (), node.pad),
    "pool": lambda node: dict.fromkeys(node.sources if node.counts_border else (), node.pad),
    "gate": lambda node: {n: 0.0 for t in node.terms if t.b is not None for n in t.reads},
}
"""By kind: what a node's maps, by number, have to hold as codes."""
PASSED: dict[str, Callable[[Any, float], float | None]] = {
    "pool": lambda node, value: value,
    "view": lambda node, value: node.before(value),
}
"""By kind: what a node that passes codes on reads where it gives a value; None: it differs by channel."""


def holds_of(graph: Graph) -> dict[Op, tuple[float, ...]]:
    """Zeros around a map and in gates, and what memories start from, brought to where codes are made."""
    holds: dict[Op, dict[float, None]] = {op: {} for op in graph.uses}
    nexts = dict(graph.memories)
    for memory, op in graph.memories:
        holds[op][memory.start] = None
    for _ in range(2 if graph.memories else 1):  # once more brings what a memory must hold to its source
        for op in reversed(graph.uses):
            hold_of = HELD[op.kind](op.node) if op.kind in HELD else {}
            for number, value in hold_of.items():
                holds[op.inputs[number]][value] = None
            for value in holds[op]:
                if op in nexts:
                    holds[nexts[op]][value] = None
                inner = PASSED[op.kind](op.node, value) if op.kind in PASSED else None
                if inner is not None:
                    for source in op.inputs:
                        holds[source][inner] = None
    return {op: tuple(values) for op, values in holds.items()}
