"""A graph with fewer operators that computes the same: everything linear goes into the weights beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from emulator.network.importing.graph import (
    Affine,
    Concat,
    Flatten,
    Floats,
    Gate,
    Graph,
    Linear,
    Neurons,
    Op,
    Pool,
    Select,
    Term,
    Unary,
    uses_of,
)
from emulator.network.importing.merge import averaged, one_product, stacked
from emulator.spec.steps import GATE_TERMS_MAX

Alone = Callable[[Op], bool]
"""Whether an operator is read once."""
Rule = Callable[[Op, Alone], Op]
ROUNDS_MAX = 100


def simplified(graph: Graph) -> Graph:
    """The graph with the rules applied until none does anything more."""
    for _ in range(ROUNDS_MAX):
        fresh = _rewritten(graph)
        if fresh is graph:
            break
        graph = fresh
    return graph


def _rewritten(graph: Graph) -> Graph:
    uses = uses_of(graph)
    new: dict[Op, Op] = {}
    count: dict[Op, int] = {}
    known: dict[tuple[object, ...], Op] = {}
    for op in graph.order():
        inputs = tuple(new[i] for i in op.inputs)
        same = all(a is b for a, b in zip(inputs, op.inputs, strict=True))
        fresh = op if same else dataclasses.replace(op, inputs=inputs)
        for rule in RULES:
            found = rule(fresh, lambda x: count.get(x, 1) == 1)
            if found is not fresh:
                fresh = found
                break
        key = _key(fresh)
        if key in known:  # read once more
            fresh = known[key]
            count[fresh] += uses[op]
        else:
            known[key] = fresh
            count[fresh] = max(count.get(fresh, 0), uses[op])
        new[op] = fresh
    if all(a is b for a, b in new.items()):
        return graph
    memories = tuple((memory, new[op]) for memory, op in graph.memories)
    return dataclasses.replace(graph, output=new[graph.output], memories=memories)


def _key(op: Op) -> tuple[object, ...]:
    """The same for two operators that compute the same of the same: a function that is read twice."""
    if isinstance(op, Unary):
        return (*op.inputs, op.function)
    if isinstance(op, Affine):
        return (*op.inputs, op.scale.tobytes(), op.shift.tobytes())
    if isinstance(op, Flatten) and op.order is None:
        return (Flatten, *op.inputs)
    return (op,)


def _affine(op: Op, alone: Alone) -> Op:
    """Factors and shifts by channel go into what is before them."""
    if not isinstance(op, Affine):
        return op
    before, scale, shift = op.inputs[0], op.scale, op.shift
    if (scale == 1).all() and (shift == 0).all():
        return before
    if isinstance(before, Affine):
        return dataclasses.replace(
            op, inputs=before.inputs, scale=scale * before.scale, shift=shift + scale * before.shift
        )
    if not alone(before):
        return op
    if isinstance(before, Linear):
        return dataclasses.replace(before, weights=before.weights * scale, bias=before.bias * scale + shift)
    if isinstance(before, Pool) and isinstance(before.inputs[0], Linear) and alone(before.inputs[0]):
        whole = before.inside or not any(before.patches.padding)
        if (scale > 0).all() if before.of == "max" else whole:
            inner = dataclasses.replace(op, inputs=before.inputs, shape=before.inputs[0].shape)
            return dataclasses.replace(before, inputs=(inner,))
    if isinstance(before, Gate):
        return _affine_of_gate(op, before, alone)
    return op


def _affine_of_gate(op: Affine, gate: Gate, alone: Alone) -> Op:
    if np.ptp(op.scale) == 0 and np.ptp(op.shift) == 0:
        factor, shift = float(op.scale[0]), float(op.shift[0])
        terms = tuple(dataclasses.replace(t, factor=t.factor * factor) for t in gate.terms)
        return dataclasses.replace(gate, terms=terms, constant=gate.constant * factor + shift)
    first = next(
        (t.a for t in gate.terms if isinstance(gate.inputs[t.a], Linear) and alone(gate.inputs[t.a])), None
    )
    if not gate.is_sum or first is None:
        return op
    still = np.zeros_like(op.shift)
    inputs = tuple(
        dataclasses.replace(op, inputs=(x,), shift=op.shift if i == first else still)
        for i, x in enumerate(gate.inputs)
    )
    factor = gate.terms[first].factor
    inner = dataclasses.replace(inputs[first], shift=(op.shift + gate.constant * op.scale) / factor)
    return dataclasses.replace(
        gate, inputs=tuple(inner if i == first else x for i, x in enumerate(inputs)), constant=0.0
    )


def _unary(op: Op, alone: Alone) -> Op:
    """A function of a flattened map is one of the map; one function of another is one."""
    if not isinstance(op, Unary) or isinstance(op, Neurons):
        return op
    before = op.inputs[0]
    if isinstance(before, Flatten):
        inner = dataclasses.replace(op, inputs=before.inputs, shape=before.inputs[0].shape)
        return dataclasses.replace(before, inputs=(inner,))
    if isinstance(before, Unary) and not isinstance(before, Neurons) and alone(before):
        outer, first = op.function, before.function

        def both(z: Floats) -> Floats:
            return outer(first(z))

        label = f"{op.label} of {before.label}"
        return dataclasses.replace(op, inputs=before.inputs, function=both, label=label)
    return op


def _linear(op: Op, alone: Alone) -> Op:
    """A matrix product right behind another one, or behind a border of zeros, is one."""
    if not isinstance(op, Linear):
        return op
    before = op.inputs[0]
    if isinstance(before, Linear) and alone(before):
        return one_product(before, op) or op
    if isinstance(before, Pool) and _is_border(before):
        inside = before.inputs[0].shape
        top, left, bottom, right = (
            a + b for a, b in zip(before.patches.padding, op.patches.padding, strict=True)
        )
        patches = dataclasses.replace(op.patches, shape=inside, padding=(top, left, bottom, right))
        return dataclasses.replace(op, inputs=before.inputs, patches=patches)
    return op


def _is_border(pool: Pool) -> bool:
    one = pool.patches.kernel == (1, 1) == pool.patches.stride
    return pool.of == "average" and one and pool.border == 0


def _gate(op: Op, alone: Alone) -> Op:
    """Sums of products, and of matrix products of one geometry."""
    if not isinstance(op, Gate):
        return op
    flat = [x for x in op.inputs if isinstance(x, Flatten)]
    if len(flat) == len(op.inputs) and all(
        x.order is None and x.inputs[0].shape == flat[0].inputs[0].shape for x in flat
    ):
        inner = dataclasses.replace(
            op, inputs=tuple(x.inputs[0] for x in flat), shape=flat[0].inputs[0].shape
        )
        return dataclasses.replace(flat[0], inputs=(inner,))
    if op.is_sum and len(op.terms) == 2 and len(op.inputs) == 2:
        a, b = (op.inputs[t.a] for t in op.terms)
        if isinstance(a, Linear) and isinstance(b, Linear) and alone(a) and alone(b):
            both = stacked(op, a, b)
            if both is not None:
                return both
    for i, term in enumerate(op.terms):
        inner_gate = op.inputs[term.a]
        fits = isinstance(inner_gate, Gate) and term.b is None and alone(inner_gate)
        if not fits or not isinstance(inner_gate, Gate) or (inner_gate.is_sum and op.is_sum):
            continue
        others = [op.inputs[t.a] for j, t in enumerate(op.terms) if j != i]
        if len(others) == 1 and isinstance(others[0], Linear) and alone(others[0]):
            continue  # that product takes the gate in as its second operand
        if len(others) + len(inner_gate.terms) > GATE_TERMS_MAX:
            continue
        return _unfolded(op, i, inner_gate)
    return op


def _unfolded(op: Gate, number: int, inner: Gate) -> Gate:
    """The gate with term ``number``, another gate, replaced by that one's terms."""
    at, factor = len(op.inputs), op.terms[number].factor
    moved = tuple(
        Term(a=t.a + at, b=None if t.b is None else t.b + at, factor=t.factor * factor) for t in inner.terms
    )
    kept = tuple(t for i, t in enumerate(op.terms) if i != number)
    inputs = (*op.inputs, *inner.inputs)
    used = sorted({n for t in (*kept, *moved) for n in (t.a, t.b) if n is not None})
    place = {n: i for i, n in enumerate(used)}
    terms = tuple(
        Term(a=place[t.a], b=None if t.b is None else place[t.b], factor=t.factor) for t in (*kept, *moved)
    )
    return dataclasses.replace(
        op,
        inputs=tuple(inputs[n] for n in used),
        terms=terms,
        constant=op.constant + factor * inner.constant,
    )


def _select(op: Op, alone: Alone) -> Op:
    """Some channels of a matrix product are some of its columns."""
    if not isinstance(op, Select):
        return op
    before = op.inputs[0]
    if np.array_equal(op.index, np.arange(before.shape[0])):
        return before
    if isinstance(before, Select):
        return dataclasses.replace(op, inputs=before.inputs, index=before.index[op.index])
    if isinstance(before, Linear) and before.patches.groups == 1:
        return dataclasses.replace(
            before, weights=before.weights[:, op.index], bias=before.bias[op.index], shape=op.shape
        )
    return op


def _concat(op: Op, alone: Alone) -> Op:
    """One concatenation of many."""
    if not isinstance(op, Concat):
        return op
    if len(op.inputs) == 1:
        return op.inputs[0]
    if any(isinstance(x, Concat) for x in op.inputs):
        inputs = tuple(y for x in op.inputs for y in (x.inputs if isinstance(x, Concat) else (x,)))
        return dataclasses.replace(op, inputs=inputs)
    return op


def _pool(op: Op, alone: Alone) -> Op:
    """Averages of joined values are averages of each, which has its own range of codes; those of sums are
    sums of averages."""
    if not isinstance(op, Pool) or op.of == "max":
        return op
    if isinstance(op.inputs[0], Linear) and alone(op.inputs[0]):
        return averaged(op, op.inputs[0]) or op
    if not isinstance(op.inputs[0], Concat):
        return op
    parts = tuple(
        dataclasses.replace(
            op,
            inputs=(x,),
            shape=(x.shape[0], *op.shape[1:]),
            patches=dataclasses.replace(op.patches, shape=x.shape),
        )
        for x in op.inputs[0].inputs
    )
    return Concat(node=op.node, inputs=parts, shape=op.shape)


RULES: tuple[Rule, ...] = (_affine, _unary, _linear, _gate, _select, _concat, _pool)
