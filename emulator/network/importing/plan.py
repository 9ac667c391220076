"""What one node of a network does of a graph: which sum a product takes in, and which function it ends in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from emulator.network.importing.graph import (
    Affine,
    Concat,
    Flatten,
    Gate,
    Graph,
    Linear,
    Memory,
    Neurons,
    Op,
    Pool,
    Select,
    Spread,
    Unary,
    uses_of,
)

Rises = Callable[[Unary, Op], bool]
"""Whether a function falls nowhere on the values of an operator."""
PASSING = Affine | Pool | Flatten | Concat | Select | Spread


@dataclass(eq=False)
class Plan:
    """Of a graph.

    ``second``: a sum -> the matrix product that takes it in as its second operand, the numbers of the two
    terms. ``function``: a product, or such a sum -> the function that it ends in. ``behind``: functions that
    were put before the max pooling they follow -> that pooling. ``holds``: values that the codes of an
    operator's result must stand for.
    """

    second: dict[Op, tuple[int, int]] = field(default_factory=dict)
    function: dict[Op, Unary] = field(default_factory=dict)
    behind: dict[Op, Pool] = field(default_factory=dict)
    holds: dict[Op, tuple[float, ...]] = field(default_factory=dict)

    @property
    def taken(self) -> set[Op]:
        """Products that a sum takes in, and functions that products end in."""
        products = {
            gate.inputs[gate.terms[i].a] for gate, (i, _) in self.second.items() if isinstance(gate, Gate)
        }
        return products | (set(self.function.values()) - set(self.behind))


def plan_of(graph: Graph, rises: Rises) -> Plan:
    """The plan of a graph."""
    plan = Plan(holds=_holds(graph))
    order = graph.order()
    readers = {op: [r for r in order if op in r.inputs] for op in order}
    uses = uses_of(graph)
    taken: set[Op] = set()
    for gate in order:
        if isinstance(gate, Gate) and gate.is_sum and len(gate.terms) == 2 == len(gate.inputs):
            for first, other in ((0, 1), (1, 0)):
                a, b = gate.terms[first], gate.terms[other]
                product = gate.inputs[a.a]
                fits = isinstance(product, Linear) and uses[product] == 1 and product not in taken
                if fits and b.factor > 0 and not _falls(gate.inputs[b.a]):
                    plan.second[gate] = (first, other)
                    taken.add(product)
                    break
    for op in order:
        if (not isinstance(op, Linear) or op in taken) and op not in plan.second:
            continue
        if uses[op] != 1 or not readers[op]:
            continue
        (after,) = readers[op]
        if isinstance(after, Unary):
            plan.function[op] = after
        elif isinstance(after, Pool) and after.of == "max" and uses[after] == 1 and readers[after]:
            (last,) = readers[after]
            if isinstance(last, Unary) and not isinstance(last, Neurons) and rises(last, op):
                plan.function[op] = last
                plan.behind[last] = after
    return plan


def _falls(op: Op) -> bool:
    """Whether its codes stand for falling values, as far as an affine step says."""
    return isinstance(op, Affine) and bool((op.scale <= 0).any())


def _holds(graph: Graph) -> dict[Op, tuple[float, ...]]:
    """Zeros around a map and in gates, and what memories start from, brought to where codes are made."""
    holds: dict[Op, dict[float, None]] = {op: {} for op in graph.order()}
    nexts = dict(graph.memories)
    for memory, op in graph.memories:
        holds[op][memory.start] = None
    for _ in range(2 if graph.memories else 1):  # once more brings what a memory must hold to its source
        for op in reversed(graph.order()):
            if _pads(op):
                holds[op.inputs[0]][op.border if isinstance(op, Pool) else 0.0] = None
            if isinstance(op, Gate):
                for number in {n for t in op.terms if t.b is not None for n in (t.a, t.b)}:
                    holds[op.inputs[number]][0.0] = None
            for value in holds[op]:
                if isinstance(op, Memory):
                    holds[nexts[op]][value] = None
                elif isinstance(op, PASSING):
                    inner = _inner(op, value)
                    if inner is not None:
                        for i in op.inputs:
                            holds[i][inner] = None
    return {op: tuple(values) for op, values in holds.items()}


def _pads(op: Op) -> bool:
    if isinstance(op, Linear):
        return any(op.patches.padding)
    return isinstance(op, Pool) and op.of == "average" and not op.inside and any(op.patches.padding)


def _inner(op: Op, value: float) -> float | None:
    """What an operator that passes codes on reads where it gives ``value``; None: it differs by channel."""
    if not isinstance(op, Affine):
        return value
    if (op.scale == 0).any():
        return None
    inner = (value - op.shift) / op.scale
    same = np.ptp(inner) <= 1e-9 * max(1.0, float(np.abs(inner).max()))
    return float(inner[0]) if same else None
