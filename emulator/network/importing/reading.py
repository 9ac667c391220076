"""Reading of an ONNX graph, node by node, as operators of the network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.network.importing.call import MOVING, Call
from ndrite.emulator.network.importing.composed import COMPOSED
from ndrite.emulator.network.importing.composite import (
    DEVICES,
    DOMAIN,
    ESTIMATORS,
    RECURRENT,
)
from ndrite.emulator.network.importing.graph import BATCH, Given, Graph, Memories, ordered
from ndrite.emulator.network.importing.layers import CASTS, LAYERS, elementwise
from ndrite.emulator.network.importing.original import only_input
from ndrite.emulator.network.importing.steps import Steps, runs_backwards, sequence_axes
from ndrite.emulator.network.importing.values import SAMPLES, TAKEN, LeftOut, OwnShape, Value, raw_input
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.task import IDENTITY, SOFTMAX

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

HANDLERS = {**LAYERS, **MOVING, **CASTS, **RECURRENT, **ESTIMATORS, **DEVICES}

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""ONNX domains whose operators are imported by their name."""
DROPPED = ("Identity", "Dropout", "ZipMap")
MOVES = (*DROPPED, "Cast", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that leave every value unchanged."""
NORMALISED = {"Softmax": "softmax", "LogSoftmax": "log-softmax", "Normalizer": "normalisation"}
"""Names, for notes, of operators that may only be the model's last node and are left out."""
NORMALISATION = (
    "it depends on the data; use BatchNormalization, which folds into the weights, or run it on the host"
)
LARGER = "use Resize by whole numbers (torch.nn.Upsample, nearest) and a Conv after it"
TREES = "trees are not networks; use a multi-layer perceptron"
ATTENTION = "attention needs products of two signals; run it on the host between two networks"
INSTEAD = {
    "LayerNormalization": NORMALISATION,
    "InstanceNormalization": NORMALISATION,
    "GroupNormalization": NORMALISATION,
    "LRN": "it divides by what is around; use BatchNormalization",
    "DepthToSpace": LARGER,
    "Attention": ATTENTION,
    "MultiHeadAttention": ATTENTION,
    "MatMul": "its second operand has to be a constant: transpose a product with the constant in front; run "
    "products of two signals on the host",
    "Gather": "take channels by constant numbers; for an embedding use a one-hot input and a full layer",
    "NonZero": "its result's shape depends on the data; use operators of fixed shapes",
    "TopK": "it picks by the data; take it of the outputs on the host",
    "ArgMax": "take the scores; the host picks the largest",
    "If": "its condition depends on the data; export one branch",
    "Loop": "unroll it when exporting, or use LSTM, GRU or RNN",
    "TreeEnsembleClassifier": TREES,
    "TreeEnsembleRegressor": TREES,
    "TreeEnsemble": TREES,
    "SVMClassifier": "use a multi-layer perceptron",
    "SVMRegressor": "use a multi-layer perceptron",
}
OTHERWISE = (
    "use Gemm, MatMul, Conv, ConvTranspose, pooling, BatchNormalization, Concat, Add, Mul, Max and Min of "
    "branches, CumSum, Flatten, Reshape, Slice, LSTM, GRU, or a function of each value"
)


class Reading:
    """A model, an ``onnx.ModelProto`` that ``prepared`` has prepared, imported as a
    graph of operators.

    Attributes
    ----------
    graph, own_shape, notes:
        The operators, shape of one sample as the model takes it, and what was left out.
    end:
        The graph's output as the model sees it: its places, and what of the
        model's end is not read.
    name, tensor:
        The model's output that was taken, and the tensor of the model that the graph gives.
    values:
        All tensors that are computed.
    calls_first:
        Whether the model takes a sequence's calls before its samples.
    """

    def __init__(self, proto: ModelProto, shape: OwnShape | None = None, output: str | None = None) -> None:
        """Import the model ``proto``. ``shape``: shape of one sample if the file
        leaves it open; for a sequence (calls, features). ``output``: which of several
        outputs to import. Raises NetworkError when the model has no such output, or an
        output has to be chosen. Raises UnsupportedNodeError, naming the first node
        that cannot be imported."""
        from onnx import numpy_helper

        self._proto, source = proto.graph, only_input(proto)
        self._opsets = {o.domain: o.version for o in proto.opset_import}
        self._constants = {t.name: numpy_helper.to_array(t) for t in self._proto.initializer}
        self._refused: dict[str, UnsupportedNodeError] = {}
        self._memories: Memories = []
        self.notes: list[str] = []
        names = [o.name for o in self._proto.output]
        if output is not None and output not in names:
            raise NetworkError(f"output is {output!r}; accepted: {', '.join(names)}")
        sequence = sequence_axes(self._proto, source.name)
        dims = [d.dim_value for d in source.type.tensor_type.shape.dim]
        open_second = len(dims) == 3 and dims[0] > 0 == dims[1]
        self.calls_first = sequence == "tnc" or (open_second and sequence != "ntc")
        self.own_shape = shape or _sample_shape(source, calls_first=self.calls_first)
        if sequence and len(self.own_shape) != 2:
            raise NetworkError(
                f"samples have shape {self.own_shape}; accepted: (time steps, features), as for any sequence"
            )
        samples = (dims[int(self.calls_first)] if dims else 0) or SAMPLES
        in_calls = bool(sequence) and not runs_backwards(self._proto)
        first = raw_input(self.own_shape, samples, sequence=in_calls, calls_first=self.calls_first)
        self.values: dict[str, Value] = {source.name: first}
        self._nodes(self._proto)
        self.name = self._chosen([output] if output else names)
        self.graph, self.end = _finished(self.values[self.name], self._memories)
        self.tensor = self.name if self.end.left_out is None else self.end.left_out.tensor
        if (np.diff(self.end.first.reshape(-1)) < 0).any():
            self.notes.append("output: its values are in the order (channel, row, column)")

    @property
    def probability(self) -> str:
        """Name of the function that turns the outputs into probabilities, one of
        ``spec.task.PROBABILITIES``."""
        left_out = self.end.left_out
        if left_out is not None:
            return left_out.after or (SOFTMAX if left_out.kind in ("Softmax", "LogSoftmax") else "")
        maker = {name: node for node in self._proto.node for name in node.output}
        node = maker.get(self.name)
        while node is not None and node.op_type in MOVES:
            node = maker.get(node.input[0])
        return IDENTITY if node is not None and node.op_type == "Sigmoid" else ""

    @property
    def axes(self) -> tuple[int, ...] | None:
        """For each axis of the graph's input, the number of that axis in the model's
        own samples; None if the order is the same."""
        return self.graph.input.only(Given).axes

    @property
    def unfolded(self) -> OwnShape:
        """Shape of the model's own sample with all the axes that ``axes`` numbers. The
        model itself may take its samples flat."""
        if self.axes is None:
            return self.own_shape
        c, h, w = self.graph.input.shape
        sizes = (c, w) if len(self.axes) == 2 else (c, h, w)
        return tuple(sizes[self.axes.index(axis)] for axis in range(len(sizes)))

    def ordered(self, x: Floats) -> Floats:
        """Return the model's own samples (n, ...) flattened in the order of
        the graph's input."""
        samples = x.reshape(len(x), *self.unfolded)
        samples = samples if self.axes is None else samples.transpose(0, *(a + 1 for a in self.axes))
        return samples.reshape(len(x), -1)

    def run(self, x: Floats) -> Floats:
        """Return the imported graph's outputs (n, M) for flat samples in the graph's order."""
        return np.concatenate([self.graph.run(x[i : i + BATCH]) for i in range(0, max(len(x), 1), BATCH)])

    def _chosen(self, wanted: list[str]) -> str:
        """Return the name of the output to import among ``wanted``: the only
        one that can be imported, or for a recurrent layer the one that holds
        the last time step."""
        ends = {name: self.values[name] for name in wanted if name in self.values}
        ends = {name: value for name, value in ends.items() if not value.is_raw}
        if not ends:
            raise self._refused.get(wanted[0]) or NetworkError("no output depends on the input")
        single = [name for name, value in ends.items() if value.at is not None]
        # Outputs with the same value count as one, so that no choice is asked for: a
        # recurrent layer's last output, for example, equals its final state.
        apart = {(ends[name].op, ends[name].label) for name in single}
        lost = [name for name in wanted if name in self._refused and not self._is_label(name)]
        if len(wanted) > 1 and (len(apart) > 1 or (lost and not self._memories)):
            choice = ", ".join(repr(name) for name in (*single, *lost))
            raise NetworkError(
                f"the model has several outputs; accepted: one of {choice}, given as the output"
            )
        return single[0] if single else list(ends)[-1]

    def _is_label(self, name: str) -> bool:
        """Return whether an output is a predicted label, which the network does not compute."""
        from onnx import TensorProto

        kinds = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.UNDEFINED)
        (declared,) = (o for o in self._proto.output if o.name == name)
        return declared.type.tensor_type.elem_type not in kinds

    @property
    def _tensors(self) -> tuple[dict[str, Any], ...]:
        """What is known of tensors by their names: constants, values, and why some
        cannot be imported."""
        return self._constants, self.values, self._refused

    def _nodes(self, graph: GraphProto) -> None:
        """Read the nodes of the model's graph, or of a graph inside one of its nodes."""
        for node in graph.node:
            try:
                self._node(node)
            except UnsupportedNodeError as error:
                # Keep the error of a node that is not supported: it matters only if the
                # chosen output depends on that node.
                for name in node.output:
                    self._refused.setdefault(name, error)

    def _inner(self, graph: GraphProto) -> None:
        """Read a graph inside a node. It may read tensors of the graphs around it;
        another graph inside may have used its names."""
        from onnx import numpy_helper

        for name in (name for node in graph.node for name in node.output):
            for tensors in self._tensors:
                tensors.pop(name, None)
        self._constants |= {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self._nodes(graph)

    def _node(self, node: NodeProto) -> None:
        for source in node.input:
            if source in self._refused:
                raise self._refused[source]
        constants = [self._constants.get(s) if s else None for s in node.input]
        values = [self.values.get(s) if s else None for s in node.input]
        call = Call(node, self._opsets, constants, values, self.notes, self._memories)
        if node.domain not in (*DOMAINS, DOMAIN):
            raise call.refused(
                f"its domain is {node.domain!r}; use ONNX's own operators, or functions of them"
            )
        if node.op_type == "If" and constants[0] is not None:
            self._branch(call)
            return
        if node.op_type == "Scan":
            self._scan(call)
            return
        if node.op_type == "Constant" or all(v is None for v in values):
            self._constants |= zip(node.output, call.folded(), strict=False)
            return
        if node.op_type == "Size":
            self._constants[node.output[0]] = np.array(call.value.places.size)
            return
        if node.op_type == "Shape":
            sizes = np.array(call.value.places.shape, np.int64)
            self._constants[node.output[0]] = sizes[call.a.get("start", 0) : call.a.get("end", len(sizes))]
            return
        for key, result in zip(node.output, _results(call), strict=False):
            if isinstance(result, UnsupportedNodeError):
                self._refused[key] = result
            elif key:
                self.values[key] = result

    def _branch(self, call: Call) -> None:
        """Read the branch of an If that its constant condition selects."""
        branch = call.a["then_branch" if call.constant(0).reshape(-1)[0] else "else_branch"]
        self._inner(branch)
        for result, name in zip(branch.output, call.node.output, strict=True):
            for tensors in self._tensors:
                if result.name in tensors:
                    tensors[name] = tensors[result.name]

    def _scan(self, call: Call) -> None:
        """Read a Scan over the calls of the model's input: the network's calls, with
        its states as maps that outlive a call."""
        steps = Steps(call)
        results = self._of_one_call(call, steps)
        if steps.divided(results):
            results = self._of_one_call(call, steps)
        self._memories += steps.memories(results)
        self.values |= {n: v for n, v in zip(call.node.output, steps.outputs(results), strict=True) if n}

    def _of_one_call(self, call: Call, steps: Steps) -> list[Value]:
        """Read the body of a Scan; return its results, the values of one call."""
        body, count = call.a["body"], len(self._memories)
        around = self.values, self._refused
        hidden = call.refused("its body reads tensors from outside that are computed; make them its inputs")
        self.values = dict(zip((i.name for i in body.input), steps.inputs(), strict=True))
        self._refused = around[1] | dict.fromkeys(around[0], hidden)
        try:
            self._inner(body)
            results = [self._result(call, output.name) for output in body.output]
        finally:
            self.values, self._refused = around
        if len(self._memories) > count:
            raise call.refused(
                "a recurrent layer in its body begins anew in every call; make its state one of the Scan's"
            )
        return results

    def _result(self, call: Call, name: str) -> Value:
        """Return the value of the tensor ``name`` that a node's body computes."""
        if name in self._refused:
            raise self._refused[name]
        if name not in self.values:
            raise call.refused(f"its result {name!r} does not depend on the input; leave it out")
        return self.values[name]


def _results(call: Call) -> list[Value | UnsupportedNodeError]:
    """Return the values of a node's outputs. An output that cannot be imported has an
    error in its place."""
    kind = call.kind
    if kind in DROPPED:
        return [call.value]
    if kind in NORMALISED:
        return [_normalised(call)]
    for handlers in (COMPOSED, HANDLERS):
        results = handlers[kind](call) if kind in handlers else None
        if results is not None:
            return [results] if isinstance(results, Value) else list(results)
    result = elementwise(call)
    if result is None:
        raise call.refused(INSTEAD.get(kind, OTHERWISE))
    return [result]


def _normalised(call: Call) -> Value:
    """Import a softmax or another normalisation over all outputs: return the value
    before it. It is allowed only at the end of a model."""
    value, shape = call.value, call.value.places.shape
    axis = int(call.a.get("axis", 1 if call.opsets.get("", 1) < 13 else -1)) % len(shape)
    other_sizes = [size for i, size in enumerate(shape) if i not in (0, axis)]
    if value.axis != 0 or axis == 0 or any(size > 1 for size in other_sizes):
        raise call.refused(
            f"it normalises axis {axis} of {value.own}; use it over all outputs, as the model's last node"
        )
    positive = value.left_out is not None and bool(value.left_out.after or value.left_out.kind == "Softmax")
    norm = call.a.get("norm", "MAX") if call.kind == "Normalizer" else ""
    if norm in ("L1", "MAX") and not positive:
        raise call.refused(
            f"norm is {norm}, which divides by a number that may be negative, and the largest output is then "
            "the smallest; accepted: L2, or L1 and MAX after a softmax or a classifier's sigmoids"
        )
    if value.left_out is not None and call.kind == "Normalizer":
        # This node only normalises a linear classifier's sigmoids, which are left out already.
        return value
    call.notes.append(f"{call.name} ({call.kind}): {TAKEN.format(NORMALISED[call.kind])}")
    value.check_open()
    return replace(value, left_out=LeftOut(call.name, call.kind, call.node.input[0]))


def _sample_shape(value: ValueInfoProto, *, calls_first: bool) -> OwnShape:
    """Return the shape of one sample: all axes but the batch axis, whose size may be open."""
    dims = value.type.tensor_type.shape.dim
    sizes = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    sample_sizes = [size for i, size in enumerate(sizes) if i != int(calls_first)]
    if not sample_sizes or any(s <= 0 for s in sample_sizes):
        raise NetworkError(
            f"input {value.name!r} has shape {sizes}, 0 for open; state the shape of a sample (--input-shape)"
        )
    return tuple(sample_sizes)


def _finished(value: Value, memories: Memories) -> tuple[Graph, Value]:
    """Return two values: the graph that computes the output ``value``, and this
    output flattened to a vector. Raises UnsupportedNodeError when the output does not
    belong to the last time step of a sequence, or the model uses its input with two
    different shapes."""
    where = ("output", "output")
    if value.at is None:
        raise UnsupportedNodeError(
            *where, "it has values of every time step; take the last one, out[:, -1], and put Linear after it"
        )
    if value.at != value.calls - 1:
        raise UnsupportedNodeError(
            *where, f"it belongs to time step {value.at}; accepted: the last one, {value.calls - 1}"
        )
    value = value.vector("output") or value.settled()
    used: Memories = []
    ends = [value.op]
    needed = set(ordered(ends))
    # Collect the memories (states) that the output needs. Their next values may need
    # further memories, so repeat until no more are added.
    while more := [m for m in memories if m[0] in needed and m not in used]:
        used += more
        ends += [op for _, op in more]
        needed = set(ordered(ends))
    inputs = [op for op in ordered(ends) if op.is_input]
    if not inputs:
        raise UnsupportedNodeError(*where, "it does not depend on the input")
    if len(inputs) > 1:
        raise UnsupportedNodeError(
            "input", "input", "it is read in two shapes; pass it in the shape that its layers expect"
        )
    return Graph(inputs[0], value.op, tuple(used), value.calls), value
