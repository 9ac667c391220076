"""The end of reading a model: its output, checked, with all that it needs."""

from __future__ import annotations

from typing import Any

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import Graph, Input, ordered
from emulator.network.importing.recurrent import Memories
from emulator.network.importing.report import Read
from emulator.network.importing.values import OwnShape, Value


def finished(value: Any, own_shape: OwnShape, memories: Memories, notes: list[str]) -> Read:
    """The graph of an output.

    Raises
    ------
    UnsupportedNodeError
        When the output is not one tensor, not the last call's of a sequence, or the input is read in two
        shapes.
    """
    if not isinstance(value, Value):
        raise UnsupportedNodeError(
            "output", "output", "return one tensor; of a recurrent layer, the last call's: out[:, -1]"
        )
    if "t" in value.axes and value.calls > 1:
        raise UnsupportedNodeError(
            "output", "output", "it is of every call; take the last one, out[:, -1], and Linear after it"
        )
    if value.at is not None and value.at != value.calls - 1:
        raise UnsupportedNodeError(
            "output", "output", f"it is of call {value.at}; accepted: the last one, {value.calls - 1}"
        )
    value = value.settled()
    used: Memories = []
    ends = [value.op]
    while True:  # memories that the output needs, and those that these need
        needed = set(ordered(ends))
        more = [m for m in memories if m[0] in needed and m not in used]
        if not more:
            break
        used += more
        ends += [op for _, op in more]
    inputs = [op for op in ordered(ends) if isinstance(op, Input)]
    if not inputs:
        raise UnsupportedNodeError("output", "output", "it does not depend on the input")
    if len(inputs) > 1:
        raise UnsupportedNodeError(
            "input", "input", "it is read in two shapes; give it the shape that its layers see"
        )
    letters = "".join(a for a in value.axes if a in "chw")
    if value.op.shape[1:] != (1, 1) and letters not in ("chw", "cw", "ch"):
        notes.append("output: its values are in the order (channel, row, column)")
    graph = Graph(inputs[0], value.op, tuple(used), value.calls)
    return Read(graph, own_shape, tuple(notes))
