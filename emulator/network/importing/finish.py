"""The end of reading a model: its output, checked, with all that it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import BATCH, Graph, ordered
from emulator.network.importing.recurrent import Memories
from emulator.network.importing.values import OwnShape, Value
from emulator.network.importing.view import Floats


@dataclass(frozen=True, eq=False)
class Read:
    """What reading makes of a model.

    Attributes
    ----------
    graph, own_shape, notes:
        The operators, shape of one sample as the model takes it, and what was left out.
    end:
        The graph's output as the model sees it: its axes, and what of the model's end is not read.
    name, tensor:
        The model's output that was taken, and the tensor of the model that the graph gives.
    values:
        Inner tensors, each with its node and kind.
    calls_first:
        Whether the model takes a sequence's calls before its samples.
    """

    graph: Graph
    own_shape: OwnShape
    notes: tuple[str, ...]
    end: Value
    name: str = ""
    tensor: str = ""
    values: dict[str, tuple[str, str, Value]] = field(default_factory=dict)
    calls_first: bool = False

    @property
    def axes(self) -> tuple[int, ...] | None:
        """Axes of the graph's input in the model's own samples; None: the same."""
        return self.graph.input.axes

    @property
    def shape(self) -> OwnShape:
        """Shape of one sample as the graph takes it, calls first."""
        c, h, w = self.graph.input.shape
        if self.graph.calls > 1:
            return (self.graph.calls, c)
        if len(self.own_shape) == 2:
            return (c, w) if h == 1 else (c, h, w)
        return (c,) if h == w == 1 else (c, h, w)

    def ordered(self, x: Floats) -> Floats:
        """The model's own samples (n, ...) flat, as the graph takes them."""
        own = x.reshape(len(x), *self.own_shape)
        own = own if self.axes is None else own.transpose(0, *(a + 1 for a in self.axes))
        return own.reshape(len(x), -1)

    def run(self, x: Floats) -> Floats:
        """The graph's outputs (n, M) of flat samples."""
        return np.concatenate([self.graph.run(x[i : i + BATCH]) for i in range(0, max(len(x), 1), BATCH)])


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
    inputs = [op for op in ordered(ends) if op.is_input]
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
    return Read(graph, own_shape, tuple(notes), end=value)
