"""Models that are called for one piece of a signal after the other; and inputs of a
model that are constants, or states that the caller carries from one call to the next.

A streaming model takes a piece of a signal and its state, and returns its result and
the next state. It becomes a model with a single input, the pieces of all calls, which
ONNX's operator Scan gives it one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import NetworkError
from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.composite import GATES
from ndrite.emulator.network.importing.graph import Memories, Op, given, view
from ndrite.emulator.network.importing.original import inputs_of
from ndrite.emulator.network.importing.values import Value, chosen
from ndrite.emulator.network.importing.view import View
from ndrite.emulator.spec.arithmetic import Ints

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

Inputs = Mapping[str, str | npt.ArrayLike]
"""For inputs of a model by name: a constant, or for a state the name of the output that
is its value in the next call."""


def sequence_axes(graph: GraphProto, name: str) -> str:
    """Return the order of the axes of the model's input ``name`` as a
    recurrent node or a Scan reads it: ``ntc`` (batch, time, channel) or
    ``tnc``; empty if none reads it."""
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Scan":
            axes = next((a.ints for a in node.attribute if a.name == "scan_input_axes"), [0])
            batch_first, source = list(axes) == [1], node.input[-1]
        elif node.op_type in GATES:
            layout = next((a.i for a in node.attribute if a.name == "layout"), 0)
            batch_first, source = bool(layout), node.input[0]
        else:
            continue
        while source in made_by:
            before = made_by[source]
            if before.op_type == "Transpose":
                order = next((list(a.ints) for a in before.attribute if a.name == "perm"), [])
                batch_first ^= order[:2] == [1, 0]
            source = next((s for s in before.input if s in made_by or s == name), "")
        if source == name:
            return "ntc" if batch_first else "tnc"
    return ""


def runs_backwards(graph: GraphProto) -> bool:
    """Return whether any recurrent node reads its sequence from the last time
    step to the first."""
    directions = (
        a.s for node in graph.node if node.op_type in GATES for a in node.attribute if a.name == "direction"
    )
    return any(direction in (b"reverse", b"bidirectional") for direction in directions)


def with_one_input(proto: ModelProto, inputs: Inputs) -> ModelProto:
    """Return the model without the inputs that ``inputs`` names: constants are part of
    the model, and states are 0 before the first of several calls.

    With states, a sample has the shape (calls, values of one call), and outputs are
    those of the last call. Raises NetworkError when a name is no input or no output, or
    a shape does not fit.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(proto)
    declared = {i.name: i for i in inputs_of(model)}
    outputs = [o.name for o in model.graph.output]
    states = {name: value for name, value in inputs.items() if isinstance(value, str)}
    for name in inputs:
        if name not in declared:
            raise NetworkError(f"model_inputs names {name!r}; accepted: {', '.join(declared)}")
        value = states.get(name)
        if value is not None and (value not in outputs or list(states.values()).count(value) > 1):
            raise NetworkError(
                f"input {name!r} is {value!r}; accepted: a number, or for a state one of the outputs "
                f"{', '.join(outputs)}, each once"
            )
    sample_inputs = [i for name, i in declared.items() if name not in inputs]
    if len(sample_inputs) != 1:
        names = ", ".join(i.name for i in sample_inputs) or "none"
        raise NetworkError(
            f"{len(sample_inputs)} inputs are left ({names}); accepted: one, which takes the samples"
        )
    constants = [_constant(declared[name], v) for name, v in inputs.items() if name not in states]
    kept = [i for i in model.graph.input if i.name not in inputs]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(constants)
    if states:
        _scan(model, sample_inputs[0], [declared[name] for name in states], list(states.values()))
    return model


def _sizes(value: ValueInfoProto) -> list[int]:
    """Return the declared sizes of a tensor, 0 for an open one."""
    return [d.dim_value for d in value.type.tensor_type.shape.dim]


def _constant(declared: ValueInfoProto, value: npt.ArrayLike) -> TensorProto:
    import onnx

    kind = onnx.helper.tensor_dtype_to_np_dtype(declared.type.tensor_type.elem_type)
    sizes = [size or 1 for size in _sizes(declared)]
    try:
        number = np.asarray(value, np.float64)
        array = np.broadcast_to(number.astype(kind), sizes)
        exact = bool((array.astype(np.float64) == number).all()) or np.issubdtype(kind, np.floating)
    except (TypeError, ValueError):
        exact = False
    if not exact:
        raise NetworkError(
            f"input {declared.name!r} is {value!r}; accepted: {kind} of shape {tuple(_sizes(declared))}"
        )
    return onnx.numpy_helper.from_array(np.ascontiguousarray(array), declared.name)


def _zeros(graph: GraphProto, state: ValueInfoProto, calls: str, name: str) -> list[NodeProto]:
    """Return nodes that compute the state's first value ``name``, zeros for as many
    samples as the tensor ``calls`` has; their constants become part of ``graph``."""
    from onnx import TensorProto, helper

    nodes, parts = [], []
    for axis, size in enumerate(_sizes(state)):
        parts.append(f"{name}, size {axis}")
        if size:
            graph.initializer.append(helper.make_tensor(parts[-1], TensorProto.INT64, [1], [size]))
        else:
            first, all_sizes = f"{name}, first axis", f"{name}, sizes of calls"
            graph.initializer.append(helper.make_tensor(first, TensorProto.INT64, [1], [0]))
            nodes.append(helper.make_node("Shape", [calls], [all_sizes]))
            nodes.append(helper.make_node("Gather", [all_sizes, first], [parts[-1]], axis=0))
    zero = helper.make_tensor("zero", state.type.tensor_type.elem_type, [1], [0])
    nodes.append(helper.make_node("Concat", parts, [f"{name}, shape"], axis=0))
    nodes.append(helper.make_node("ConstantOfShape", [f"{name}, shape"], [name], value=zero))
    return nodes


def _scan(model: ModelProto, x: ValueInfoProto, states: list[ValueInfoProto], nexts: list[str]) -> None:
    """Turn the model's graph into a Scan over the calls of its input ``x``.
    ``states`` are inputs of the graph, ``nexts`` the names of their next values
    among its outputs."""
    from onnx import TensorProto, helper

    graph, results = model.graph, {o.name: o for o in model.graph.output}
    used = {name for node in graph.node for name in (*node.input, *node.output)}
    used |= {t.name for t in graph.initializer} | {x.name, *(s.name for s in states)}

    def unused(name: str) -> str:
        while name in used:
            name += "_"
        used.add(name)
        return name

    kind, sizes = x.type.tensor_type.elem_type, _sizes(x)
    samples, values = (sizes[0] if sizes else 0) or "n", int(np.prod(sizes[1:])) or "values"
    calls, piece = unused(f"{x.name} of all calls"), x.name
    before: list[NodeProto] = []
    body: list[NodeProto] = []
    if len(sizes) != 2:
        piece = unused(f"{x.name} of one call")
        shape = unused("shape of one call")
        graph.initializer.append(helper.make_tensor(shape, TensorProto.INT64, [len(sizes)], [0, *sizes[1:]]))
        body = [helper.make_node("Reshape", [piece, shape], [x.name])]
        if 0 in sizes[1:]:
            raise NetworkError(
                f"input {x.name!r} has shape {sizes}, 0 for open; accepted: all sizes but the first"
            )
    firsts = [unused(f"first {state.name}") for state in states]
    for state, name in zip(states, firsts, strict=True):
        if (0 in _sizes(state)) != (0 in sizes[:1]) or _sizes(state).count(0) > 1 or not _sizes(state):
            raise NetworkError(
                f"state {state.name!r} has shape {_sizes(state)}, and input {x.name!r} {sizes}, 0 for open; "
                "accepted: the number of samples open in both and all other sizes of the state fixed, or all "
                "sizes fixed"
            )
        before += _zeros(graph, state, calls, name)
    answers = [name for name in results if name not in nexts]
    inside = helper.make_graph(
        [*body, *graph.node],
        "one call",
        [*states, helper.make_tensor_value_info(piece, kind, [samples, values])],
        [results[name] for name in (*nexts, *answers)],
    )
    of_all_calls = [unused(f"{name} of all calls") for name in answers]
    lasts = [unused(f"last {state.name}") for state in states]
    number = unused("last call")
    graph.initializer.append(helper.make_tensor(number, TensorProto.INT64, [], [-1]))
    scan = helper.make_node(
        "Scan",
        [*firsts, calls],
        [*lasts, *of_all_calls],
        name="calls",
        body=inside,
        num_scan_inputs=1,
        scan_input_axes=[1],
        **({"scan_output_axes": [1] * len(answers)} if answers else {}),
    )
    after = [
        helper.make_node("Gather", [all_of, number], [name], axis=1)
        for all_of, name in zip(of_all_calls, answers, strict=True)
    ]
    # A model that returns nothing but states: its last states are its outputs.
    after += (
        [] if answers else [helper.make_node("Identity", [a], [b]) for a, b in zip(lasts, nexts, strict=True)]
    )
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*before, scan, *after])
    graph.input.append(helper.make_tensor_value_info(calls, kind, [samples, "calls", values]))
    graph.output.extend(results[name] for name in answers or nexts)


@dataclass(frozen=True)
class Carried:
    """A state of a Scan: the places of its elements in the map that holds it, the
    height and width of that map, and its value before the first call."""

    places: Ints
    area: tuple[int, int]
    first: float


class Steps:
    """A Scan over the calls of the model's input: what its body takes and gives, as
    values of one call.

    A state is a map where samples are its first axis, else a vector, as (layers, n,
    units) of a recurrent layer. It is divided into several where it joins maps that
    have ranges of their own, such as an LSTM's h and c.
    """

    def __init__(self, call: Call) -> None:
        """Raises UnsupportedNodeError unless the Scan takes the whole input call by
        call, and its states are the same number before the first call."""
        a, body = call.a, call.a["body"]
        directions = (*a.get("scan_input_directions", ()), *a.get("scan_output_directions", ()))
        axis = int(a.get("scan_input_axes", [0])[0])
        if a["num_scan_inputs"] != 1 or any(directions) or call.values[-1] is None or len(call.computed) > 1:
            raise call.refused(
                "it takes several sequences, one from its end, or states that are computed; use one sequence "
                "from its first call, and constant states"
            )
        x = call.value
        samples = axis if x.axis is None else x.axis
        places = x.places if samples == axis else np.moveaxis(x.places, (samples, axis), (0, 1))
        if samples == axis or not np.array_equal(places.reshape(-1), np.arange(places.size)):
            raise call.refused(f"its sequence is {x.own}; give it the model's input, (calls, values)")
        self._call, self._x, self._calls, self._samples = call, x.settled(), places.shape[1], len(places)
        self._places = np.arange(len(places) * x.size).reshape(len(places), *places.shape[2:])
        self._states = [self._state(number, declared) for number, declared in enumerate(body.input[:-1])]
        self._axes = [int(v) for v in a.get("scan_output_axes", [0] * (len(body.output) - len(self._states)))]
        self._parts = [[s.places.size // self._samples // int(np.prod(s.area))] for s in self._states]
        self._given: list[list[Op]] = []

    def _state(self, number: int, declared: ValueInfoProto) -> Carried:
        first = self._call.constant(number)
        sizes = _sizes(declared)
        axes = [i for i, n in enumerate(first.shape) if n == self._samples]
        axis = sizes.index(0) if sizes.count(0) == 1 else next(iter(axes), None)
        if axis is None or not first.size or np.ptp(first) > 0:
            raise self._call.refused(
                f"its state {declared.name!r} of shape {first.shape} has no axis of samples, or does not "
                "begin as one number; use zeros"
            )
        other_sizes = [size for i, size in enumerate(first.shape) if i != axis]
        is_map = axis == 0 and len(other_sizes) in (2, 3)
        area = (1, *other_sizes[1:])[-2:] if is_map else (1, 1)
        places = np.moveaxis(np.arange(first.size).reshape(self._samples, *other_sizes), 0, axis)
        return Carried(places, (area[0], area[1]), float(first.reshape(-1)[0]))

    def inputs(self) -> list[Value]:
        """Return the values of the body's inputs: its states, and the piece of one call."""
        name, states = self._call.name, []
        self._given = [
            [given(f"{name}.{number}.{k}", (size, *s.area), s.first) for k, size in enumerate(sizes)]
            for number, (sizes, s) in enumerate(zip(self._parts, self._states, strict=True))
        ]
        for parts, s in zip(self._given, self._states, strict=True):
            states.append(Value(parts[0] if len(parts) == 1 else view(name, *parts), s.places))
        return [*states, Value(self._x.op, self._places)]

    def divided(self, results: list[Value]) -> bool:
        """Divide the states as the body joins them; return whether any was divided."""
        nexts = [self._next(number, results[number]) for number in range(len(self._states))]
        before, self._parts = self._parts, [_parts(op) for op in nexts]
        return self._parts != before

    def memories(self, results: list[Value]) -> Memories:
        """Return each part of each state with the operator of its next value."""
        pairs = []
        for number, parts in enumerate(self._given):
            op, first = self._next(number, results[number]), 0
            for part in parts:
                pairs.append((part, chosen(self._call.name, op, np.arange(first, first + part.shape[0]))))
                first += part.shape[0]
        return pairs

    def outputs(self, results: list[Value]) -> list[Value]:
        """Return the values of the node's outputs: the states after the last call, and
        results of all calls."""
        by_call = [[_of_call(value, call, self._calls) for call in range(self._calls)] for value in results]
        count = len(self._states)
        stacked = [
            replace(values[0], places=np.stack([v.places for v in values], axis))
            for values, axis in zip(by_call[count:], self._axes, strict=True)
        ]
        return [*(values[-1] for values in by_call[:count]), *stacked]

    def _next(self, number: int, value: Value) -> Op:
        """Return an operator for the next value of state ``number``, a map in
        the state's order."""
        state, moved = self._states[number], None
        if value.places.shape == state.places.shape and value.axis is not None:
            if value.in_order and value.op.shape[1:] == state.area:
                moved = value
            elif state.area == (1, 1):
                rows = np.moveaxis(value.places, value.axis, 0).reshape(self._samples, -1)
                rearranged = value.moved(rows, self._call.name)
                moved = None if rearranged is None else rearranged.vector(self._call.name)
        if moved is None:
            raise self._call.refused(
                f"the next value of its state {number} has shape {value.places.shape}, or another order of "
                f"rows and columns; accepted: {state.places.shape}, with samples in one axis"
            )
        return moved.settled().op


def _parts(op: Op) -> list[int]:
    """Return the sizes of the vectors that an operator joins; its own size
    where it joins none."""
    joined = op.of(View)
    while joined is not None and joined.is_map and joined.is_still:
        (op,) = op.inputs
        joined = op.of(View)
    whole = joined is None or joined.index is not None or joined.flat or not joined.is_still
    return [op.shape[0]] if whole else [part.shape[0] for part in op.inputs]


def _of_call(value: Value, call: int, calls: int) -> Value:
    """Return a value of the body as the value of call number ``call`` of all ``calls``."""
    sample, place = np.divmod(value.places, value.size)
    return replace(value, places=(sample * calls + call) * value.size + place, calls=calls)
