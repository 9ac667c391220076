"""Simplification of a graph to fewer operators that compute the same; unrolled
recurrences become one time step."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.network import Gate, Pool, Product
from ndrite.emulator.network.importing.graph import Exact, Function, Graph, Op, Reach, given, product, view
from ndrite.emulator.network.importing.view import REALS, View
from ndrite.emulator.spec.archive import Arrays, digest, flat
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Array, Floats
from ndrite.emulator.spec.evaluate import At
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import GATE_TERMS_MAX

Alone = Callable[[Op], bool]
"""Function that returns whether an operator has a single reader."""
Rule = Callable[[Op, Any, Alone], Op]
"""Function of an operator, its node and ``Alone`` that returns the operator's replacement."""
ROUNDS_MAX = 100


def simplified(graph: Graph) -> Graph:
    """Apply the simplification rules to the graph until none of them changes anything."""
    for _ in range(ROUNDS_MAX):
        fresh = rewritten(graph, RULES)
        if fresh is graph:
            break
        graph = fresh
    return graph


def rewritten(graph: Graph, rules: Mapping[str, Rule]) -> Graph:
    """Return the graph after applying to each operator, once, the rule for its kind."""
    count: dict[Op, int] = {}
    op_of: dict[Hashable, Op] = {}

    def change(op: Op, fresh: Op) -> Op:
        if fresh.kind in rules:
            fresh = rules[fresh.kind](fresh, fresh.node, lambda x: count.get(x, 1) == 1)
        key = _key(fresh)
        if key in op_of:
            # An equal operator exists already. It is used here too, so it has further readers.
            count[op_of[key]] += graph.uses[op]
            return op_of[key]
        op_of[key] = fresh
        count[fresh] = max(count.get(fresh, 0), graph.uses[op])
        return fresh

    return graph.changed(change)


def _key(op: Op) -> Hashable:
    """Return a key that is equal for any two operators that compute the same function
    of the same operands."""
    moved = op.of(View)
    if moved is not None and len(op.inputs) == 1:
        index = None if moved.index is None else moved.index.tobytes()
        return (*op.inputs, moved.flat, index, moved.scale.tobytes(), moved.shift.tobytes())
    return (*op.inputs, op.sampled.of) if op.kind == "table" and op.sampled is not None else op


def _view(op: Op, node: View, alone: Alone) -> Op:
    """Merge a view that selects and scales channels into the operator before it, and
    merge nested joins into one join."""
    before = op.inputs[0]
    if len(op.inputs) > 1:
        if not any(_joins(x) for x in op.inputs):
            return op
        return view(op.name, *(y for x in op.inputs for y in (x.inputs if _joins(x) else (x,))))
    if node.flat:
        return op
    if node.is_still and (node.index is None or np.array_equal(node.index, np.arange(before.shape[0]))):
        return before
    inner, weighted = before.of(View), before.of(Product)
    pooled, gated = before.of(Pool), before.of(Gate)
    if inner is not None and not inner.flat and len(before.inputs) == 1:
        return replace(op, node=node.of([inner], [before.inputs[0].shape]), inputs=before.inputs)
    if weighted is not None and (alone(before) if node.index is None else weighted.patches.groups == 1):
        return replace(before, node=_scaled(weighted, node))
    if node.index is not None or not alone(before):
        return op
    if pooled is not None and before.inputs[0].kind == "product" and alone(before.inputs[0]):
        is_inside = pooled.inside or not any(pooled.patches.padding)
        if (node.scale > 0).all() if pooled.of == "max" else is_inside:
            return replace(before, inputs=(replace(op, inputs=before.inputs),))
    if gated is None or np.ptp(node.scale) > 0 or np.ptp(node.shift) > 0:
        return op
    factor, shift = float(node.scale[0]), float(node.shift[0])
    terms = tuple(replace(t, gain=t.gain * factor) for t in gated.terms)
    return replace(before, node=replace(gated, terms=terms, zero=gated.zero * factor + shift))


def _joins(op: Op) -> bool:
    return op.kind == "view" and len(op.inputs) > 1


def _product(op: Op, node: Product, alone: Alone) -> Op:
    """Merge a matrix product with the matrix product, or with the border of zeros,
    directly before it."""
    before = op.inputs[0]
    weighted, pooled = before.of(Product), before.of(Pool)
    if weighted is not None and alone(before):
        merged = _one_product(weighted, node)
        return op if merged is None else replace(op, node=merged, inputs=before.inputs)
    plain = pooled is not None and pooled.patches.kernel == (1, 1) == pooled.patches.stride
    reads_all = node.patches.shape == before.shape
    if pooled is not None and plain and pooled.of == "average" and pooled.pad == 0 and reads_all:
        pads = zip(pooled.patches.padding, node.patches.padding, strict=True)
        top, left, bottom, right = (a + b for a, b in pads)
        patches = replace(node.patches, shape=pooled.patches.shape, padding=(top, left, bottom, right))
        return replace(op, node=replace(node, patches=patches), inputs=before.inputs)
    return op


def _gate(op: Op, node: Gate, alone: Alone) -> Op:
    """Flatten nested gates, and merge sums of matrix products that have the same geometry."""
    if node.is_sum and len(node.terms) == 2 == len(op.inputs):
        a, b = (op.inputs[t.a] for t in node.terms)
        if a.kind == b.kind == "product" and alone(a) and alone(b):
            merged = _stacked(op, node, a, b)
            if merged is not None:
                return merged
    for i, term in enumerate(node.terms):
        inner = op.inputs[term.a].of(Gate)
        if inner is None or term.b is not None or not alone(op.inputs[term.a]):
            continue
        other_inputs = [op.inputs[t.a] for j, t in enumerate(node.terms) if j != i]
        if (inner.is_sum and node.is_sum) or len(other_inputs) + len(inner.terms) > GATE_TERMS_MAX:
            continue
        if len(other_inputs) == 1 and other_inputs[0].kind == "product" and alone(other_inputs[0]):
            # Keep this gate: the matrix product can add it as its second operand.
            continue
        return _unfolded(op, node, i, inner)
    return op


def _unfolded(op: Op, node: Gate, number: int, inner: Gate) -> Op:
    """Return the gate with its term number ``number``, which is itself a gate
    (``inner``), replaced by the terms of that gate."""
    replaced = node.terms[number]
    inputs = (*op.inputs, *op.inputs[replaced.a].inputs)
    behind = {i: len(op.inputs) + i for i in range(len(inputs))}
    moved = (replace(t.on(behind), gain=t.gain * replaced.gain) for t in inner.terms)
    terms = (*(t for i, t in enumerate(node.terms) if i != number), *moved)
    used = sorted({n for t in terms for n in t.reads})
    place = {n: i for i, n in enumerate(used)}
    fresh = Gate(tuple(t.on(place) for t in terms), node.zero + replaced.gain * inner.zero)
    return replace(op, node=fresh, inputs=tuple(inputs[n] for n in used))


def _pool(op: Op, node: Pool, alone: Alone) -> Op:
    """Split an average of joined values into averages of the joined parts, each of
    which gets its own range of codes. Turn an average over the whole map of a matrix
    product into a matrix product of averages."""
    before = op.inputs[0]
    if node.of == "max":
        return op
    if before.kind == "product" and alone(before):
        return _averaged(op, node, before) or op
    if not _joins(before):
        return op
    _, height, width = node.patches.shape
    parts = (
        replace(
            op,
            node=replace(node, patches=replace(node.patches, shape=(x.shape[0], height, width))),
            inputs=(x,),
        )
        for x in before.inputs
    )
    return view(op.name, *parts)


def _scaled(node: Product, by: View) -> Product:
    """Return the matrix product with its outputs selected, scaled and shifted as the
    view ``by`` does."""
    columns = np.arange(node.dense.outputs).reshape(node.patches.groups, node.copies, -1)
    if by.index is not None:
        columns = columns[:, :, by.index]
    # The view has a scale and a shift for each channel; the matrix product has a column
    # for each channel at each position of a block. The channel's values are repeated
    # for all positions.
    by_channel = (v.reshape(len(columns), 1, -1) for v in (by.scale, by.shift))
    scale, shift = (np.broadcast_to(v, columns.shape).reshape(-1) for v in by_channel)
    weights, bias = node.dense.weights[:, columns.reshape(-1)], node.dense.bias[columns.reshape(-1)]
    return replace(node, dense=Exact(weights * scale, bias * scale + shift))


def _one_product(first: Product, second: Product) -> Product | None:
    """Combine two successive matrix products into one. Return None unless one of them
    reads single positions only."""
    if first.patches.groups > 1 or second.patches.groups > 1 or first.block != (1, 1):
        return None
    a, b = first.dense, second.dense
    if _pointwise(second.patches) and second.block == (1, 1):
        return replace(first, dense=Exact(a.weights @ b.weights, a.bias @ b.weights + b.bias))
    if not _pointwise(first.patches) or (any(second.patches.padding) and a.bias.any()):
        return None
    kernels = b.weights.reshape(-1, second.patches.shape[0], b.outputs)
    dense = Exact(
        np.einsum("ac,kcm->kam", a.weights, kernels).reshape(-1, b.outputs),
        b.bias + np.einsum("c,kcm->m", a.bias, kernels),
    )
    _, height, width = second.patches.shape
    shape = (first.patches.shape[0], height, width)
    return replace(second, dense=dense, patches=replace(second.patches, shape=shape))


def _real(array: Array) -> Floats:
    """Return an array of an ``Exact`` layer in float64."""
    return np.asarray(array, np.float64)


def _pointwise(where: Patches) -> bool:
    return where.kernel == (1, 1) and where.stride == (1, 1) and not any(where.padding)


def _stacked(op: Op, total: Gate, first: Op, second: Op) -> Op | None:
    """Return the sum of two matrix products as one matrix product over the inputs of
    both, or None unless both cut the same patches."""
    a, b = first.only(Product), second.only(Product)
    if a.patches.groups > 1 or replace(a.patches, shape=b.patches.shape) != b.patches:
        return None
    if first.shape != second.shape or a.patches.shape[1:] != b.patches.shape[1:]:
        return None
    fa, fb = (t.gain for t in total.terms)
    wa, wb = fa * _real(a.dense.weights), fb * _real(b.dense.weights)
    bias = fa * _real(a.dense.bias) + fb * _real(b.dense.bias) + total.zero
    if first.inputs[0] is second.inputs[0]:
        return product(op.name, first.inputs[0], wa + wb, bias, a.patches, a.block)
    joined_view = view(op.name, first.inputs[0], second.inputs[0])
    patches = replace(a.patches, shape=(joined_view.shape[0], *a.patches.shape[1:]))
    # The rows of the joint weight matrix are, for each kernel position, the channels of
    # the first matrix product, then those of the second.
    reshaped = [w.reshape(-1, of.patches.shape[0], w.shape[1]) for w, of in ((wa, a), (wb, b))]
    rows = np.concatenate(reshaped, axis=1).reshape(-1, wa.shape[1])
    return product(first.name, joined_view, rows, bias, patches, a.block)


def _averaged(op: Op, pool: Pool, before: Op) -> Op | None:
    """Return the average over the whole map of a matrix product as one matrix
    product of averaged inputs; None if that is not possible. The averaged inputs'
    codes carry no read noise.

    Every weight meets the average of the values that it met.
    """
    node = before.only(Product)
    patches = node.patches
    covers_all = pool.patches.kernel == patches.grid and not any(pool.patches.padding)
    if (
        not covers_all
        or not pool.block == node.block == (1, 1)
        or patches.groups > 1
        or patches.grid == (1, 1)
    ):
        return None
    window = replace(patches, kernel=patches.grid, stride=patches.dilation, dilation=patches.stride, groups=1)
    if window.grid != patches.kernel:
        # Some rows or columns at the end of the map belong to no patch.
        return None
    means = Op(op.name, Pool("average", (0,), window), before.inputs)
    return Op(before.name, Product(node.dense, (0,), Patches.whole(means.shape)), (means,))


RULES: dict[str, Rule] = {"view": _view, "product": _product, "gate": _gate, "pool": _pool}


RMS, MOST = 0.4, 2.0
"""A function that stays as near to its operand, in steps of 255 over the operand's
range, is a rounding.

Half a step at most is 0.29 in the mean; a zero point that was rounded too saturates the
ends a little more.
"""
POINTS = 4001


def without_roundings(graph: Graph) -> tuple[Graph, list[str]]:
    """Remove functions that only round the graph's input or output; return the graph
    and a note for each removed rounding.

    The chip's own codes make them again; as neurons of their own they would pass every
    value through a crossbar of ones, with its programming errors. Outside of what
    samples reach a saturation may be left out, too: inputs are held at the ends of
    their range before.
    """
    notes = []

    def change(op: Op, fresh: Op) -> Op:
        at_end = op is graph.output or any(i.is_input for i in op.inputs)
        if at_end and op.sampled is not None and op.before is not None and _rounds(op.sampled, op.before):
            notes.append(f"{op.name}: its rounding to steps of a code is left to the chip's codes")
            return fresh.inputs[0]
        return fresh

    return graph.changed(change), notes


def _rounds(function: Function, reach: Reach) -> bool:
    z = np.linspace(*reach, POINTS)
    steps = (function.of(z) - z) * INPUT_MAX / max(reach[1] - reach[0], 1e-30)
    return bool(np.sqrt(np.square(steps).mean()) <= RMS and np.abs(steps).max() <= MOST)


CALLS_MIN = 3
TRIED = np.linspace(-3.0, 3.0, 31)
"""Inputs at which two sampled functions are compared."""


def rolled(graph: Graph) -> Graph:
    """Convert an unrolled recurrence, a graph that reads its input (calls, 1, features)
    row by row, to the graph of one time step with memories that link the time steps.

    As it is where there is no such loop. The last call gives the output, the one before
    it what the next call reads; the copies of both that are alike are one.
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
    op_of: dict[Hashable, Op] = {}
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
    """Return the operators that select one row of the graph's input, each with the
    number of that row."""
    size, features = int(np.prod(graph.input.shape)), graph.input.shape[2]
    places_of = {graph.input: np.arange(size, dtype=np.float64).reshape(1, *graph.input.shape)}
    parts = {}
    for op in graph.uses:
        if op.kind == "view" and len(op.inputs) == 1 and op.inputs[0] in places_of:
            places_of[op] = op.visit(REALS, At(), op.node, [places_of[op.inputs[0]]])
            call = int(places_of[op].flat[0]) // features
            if np.array_equal(places_of[op].reshape(-1), np.arange(call * features, (call + 1) * features)):
                parts[op] = call
    return parts


def _calls(graph: Graph, parts: Mapping[Op, int]) -> dict[Op, int]:
    """Return the number of the time step (call) to which each operator belongs.
    An operator that only rescales the result of a time step belongs to the time
    step that reads it."""
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
    """Return the operators of earlier time steps whose values time step ``call`` reads."""
    reads = (i for op in graph.uses if of[op] == call and op not in parts for i in op.inputs)
    return list(dict.fromkeys(i for i in reads if of[i] < call))


def _content(op: Op) -> Hashable:
    """Return a key that is equal for any two operators that compute the same function
    of the same operands, also in different time steps."""
    if op.function is not op.sampled:  # each NDR device is individual: never merged
        return op
    arrays: Arrays = {} if op.sampled is None else {"sampled": op.sampled.of(TRIED)}
    return op.kind, op.inputs, digest(flat("", op.node, arrays, {"activation": None}), arrays)
