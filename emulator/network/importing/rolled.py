"""Loops that an exporter wrote out: one call of a recurrent cell, found again in a graph of all of them.

A cell that a model calls for one part of its input after another comes as as many copies of the cell's nodes.
The copies of the second call are kept; whatever they read of the first call outlives a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

PARTS = ("Gather", "Slice", "Split")
"""Operators that take one call of a sequence."""


@dataclass(frozen=True)
class Loop:
    """A loop over ``calls`` of the graph's input, which its ``axis`` counts.

    ``skipped``: outputs of the nodes that are copies. ``states``: tensors that hold, in a call, what another
    one gave in the call before; ``sizes``: shape of each such source, 0 for samples. ``alias``: tensors of
    the last call by their names in the call that is kept.
    """

    calls: int
    axis: int
    skipped: frozenset[str]
    states: dict[str, str]
    alias: dict[str, str]
    sizes: dict[str, tuple[int, ...]]


def loop_of(proto: Any, name: str, constants: dict[str, Any]) -> Loop | None:
    """The loop over the input ``name``, where the graph is one written out; ``constants`` that are known."""
    given = next(i for i in proto.graph.input if i.name == name)
    dims = [d.dim_value for d in given.type.tensor_type.shape.dim]
    if len(dims) != 3:
        return None
    at, axis = _calls(proto.graph, name, constants)
    last = max(at.values(), default=0)
    if axis is None or last < 2 or dims[axis] not in (0, last + 1):
        return None
    by_call: list[list[Any]] = [[] for _ in range(last + 1)]
    for node in proto.graph.node:
        if node.output[0] in at:
            by_call[at[node.output[0]]].append(node)
    if not all(by_call) or not _begun_early_moved(by_call):
        return None
    kept = by_call[1]
    states: dict[str, str] = {}
    same: dict[str, str] = {}
    for call in range(2, last + 1):
        same = _matched(kept, by_call[call], same, states, constants)
        if not same:
            return None
    copies = [node for call in (0, *range(2, last)) for node in by_call[call]]
    copies += by_call[last][: len(kept)]
    sizes = _sizes(proto, states.values())
    if sizes is None:
        return None
    skipped = frozenset(name for node in copies for name in node.output)
    return Loop(last + 1, axis, skipped, states, {b: a for a, b in same.items()}, sizes)


def _calls(graph: Any, name: str, constants: dict[str, Any]) -> tuple[dict[str, int], int | None]:
    """The call that every tensor is of, where it is of one, and the axis that parts are taken along."""
    whole = {name: {0: 0, 1: 1, 2: 2}}
    at: dict[str, int] = {}
    axis = None
    for node in graph.node:
        reads = [at[s] for s in node.input if s in at]
        first = node.input[0] if node.input else ""
        a = {item.name: item for item in node.attribute}
        if reads:
            at |= dict.fromkeys(node.output, max(reads))
        elif first in whole and node.op_type == "Transpose":
            order = list(a["perm"].ints)
            whole[node.output[0]] = {i: whole[first][p] for i, p in enumerate(order)}
        elif first in whole and node.op_type in PARTS:
            place, numbers = _part(node, a, constants)
            if place is None or whole[first].get(place) is None or numbers is None:
                continue
            axis = whole[first][place]
            at |= dict(zip(node.output, numbers, strict=False))
        elif any(s in whole for s in node.input) and node.op_type not in (
            "Shape",
            "Reshape",
            "LSTM",
            "GRU",
            "RNN",
        ):
            source = next(s for s in node.input if s in whole)
            whole[node.output[0]] = whole[source]
    return at, axis


def _part(node: Any, a: dict[str, Any], constants: dict[str, Any]) -> tuple[int | None, list[int] | None]:
    """The axis and the numbers of what a node takes, where it takes single ones."""
    known: list[Any] = [constants.get(s) for s in node.input[1:]]
    if node.op_type == "Gather":
        if known[0] is None or np.size(known[0]) != 1:
            return None, None
        return (a["axis"].i if "axis" in a else 0), [int(np.reshape(known[0], -1)[0])]
    if node.op_type == "Slice":
        if len(known) < 3 or any(k is None or np.size(k) != 1 for k in known[:3]):
            return None, None
        start, end, axis = (int(np.reshape(k, -1)[0]) for k in known[:3])
        return axis, [start] if end == start + 1 else None
    return (a["axis"].i if "axis" in a else 0), list(range(len(node.output)))


def _begun_early_moved(by_call: list[list[Any]]) -> bool:
    """Move what a call begins for the next one, such as a product with its state, to that one.

    The last call has none of it. Whether every such node was found in every call.
    """
    kept, last = by_call[1], by_call[-1]
    early: list[int] = []
    found: dict[int, Any] = {}
    for i, node in enumerate(kept):
        at = len(found)
        if at < len(last) and node.op_type == last[at].op_type and _alike(node, last[at]):
            found[i] = last[at]
        else:
            early.append(i)
    if not early:
        return True
    if any(len(nodes) != len(kept) for nodes in by_call[2:-1]):
        return False
    after = found if len(by_call) == 3 else dict(enumerate(by_call[2]))
    maker = {name: node for node in by_call[0] for name in node.output}
    beginning: dict[int, Any] = {}
    for i in reversed(early):
        (name, *_) = kept[i].output
        readers = [(kept[j], beginning[j]) for j in early if name in kept[j].input and j in beginning]
        readers += [(after[j], kept[j]) for j in after if j not in early and name in after[j].input]
        if not readers:
            return False
        theirs, ours = readers[0]
        source = ours.input[list(theirs.input).index(name)]
        if source not in maker:
            return False
        beginning[i] = maker[source]
    moved = [[beginning[i] for i in early], *([nodes[i] for i in early] for nodes in by_call[1:-1])]
    for call, nodes in enumerate(moved):
        gone = {node.output[0] for node in nodes}
        by_call[call] = [node for node in by_call[call] if node.output[0] not in gone]
        by_call[call + 1] = [*nodes, *by_call[call + 1]]
    return True


def _matched(
    kept: list[Any],
    nodes: list[Any],
    before: dict[str, str],
    states: dict[str, str],
    constants: dict[str, Any],
) -> dict[str, str]:
    """Tensors of ``kept`` with the same ones of ``nodes``, a later call; empty where it is another cell.

    ``before``: those of the call between. ``states`` is filled by the first of these calls.
    """
    same: dict[str, str] = {}
    first = not before
    made = {name for node in kept for name in node.output}
    for node, other in zip(kept, nodes, strict=False):
        if node.op_type != other.op_type or len(node.input) != len(other.input) or not _alike(node, other):
            return {}
        parts = node.op_type in PARTS and not any(s in made or s in states for s in node.input)
        for ours, theirs in zip(node.input, other.input, strict=True):
            if ours in constants or theirs in constants:
                equal = ours in constants and theirs in constants
                if not equal or (not parts and not np.array_equal(constants[ours], constants[theirs])):
                    return {}
            elif ours in made:
                if same.get(ours) != theirs:
                    return {}
            elif ours != theirs or not parts:
                # What the kept call reads of the one before it.
                source = theirs if first else next((a for a, b in before.items() if b == theirs), "")
                if states.setdefault(ours, source) != source or source not in made:
                    return {}
        same |= dict(zip(node.output, other.output, strict=True))
    return same if len(nodes) >= len(kept) else {}


def _alike(a: Any, b: Any) -> bool:
    return {i.name: i.SerializeToString() for i in a.attribute} == {
        i.name: i.SerializeToString() for i in b.attribute
    }


def _sizes(proto: Any, names: Any) -> dict[str, tuple[int, ...]] | None:
    """Shape of each tensor, by ONNX's own inference of shapes; None where one is no vector of each sample."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(proto)
    known = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in inferred.graph.value_info
    }
    sizes = {name: known.get(name, ()) for name in names}
    fits = all(shape and shape[-1] and shape[:-2] in ((), (1,)) for shape in sizes.values())
    return sizes if fits else None
