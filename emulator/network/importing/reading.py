"""An ONNX graph, node by node, as nodes of the network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.network.importing.call import Call
from emulator.network.importing.domains import DEVICES, DOMAIN
from emulator.network.importing.elementwise import CASTS, elementwise
from emulator.network.importing.estimators import ESTIMATORS
from emulator.network.importing.files import only_input
from emulator.network.importing.graph import BATCH, Given, Graph, Memories, ordered
from emulator.network.importing.layers import LAYERS
from emulator.network.importing.moving import MOVING
from emulator.network.importing.recurrent import RECURRENT, sequence_axes
from emulator.network.importing.values import SAMPLES, LeftOut, OwnShape, Value, raw_input
from emulator.network.importing.view import Floats

HANDLERS = {**LAYERS, **MOVING, **CASTS, **RECURRENT, **ESTIMATORS, **DEVICES}

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Of operators that are read by their names."""
DROPPED = ("Identity", "Dropout", "ZipMap")
NORMALISED = {
    "Softmax": "outputs are taken before the softmax; the largest one is the same",
    "LogSoftmax": "outputs are taken before the log-softmax; the largest one is the same",
    "Normalizer": "outputs are taken before the normalisation; the largest one is the same",
}
NORMALISATION = (
    "it depends on the data; use BatchNormalization, which folds into the weights, or run it on the host"
)
LARGER = "use Resize by whole numbers (torch.nn.Upsample, nearest) and a Conv behind it"
TREES = "trees are not networks; use a multi-layer perceptron"
ATTENTION = "attention needs products of two signals; run it on the host between two networks"
INSTEAD = {
    "LayerNormalization": NORMALISATION,
    "InstanceNormalization": NORMALISATION,
    "GroupNormalization": NORMALISATION,
    "LRN": "it divides by what is around; use BatchNormalization",
    "ConvTranspose": LARGER,
    "DepthToSpace": LARGER,
    "Attention": ATTENTION,
    "MultiHeadAttention": ATTENTION,
    "MatMul": "only constants can be one of its operands; run products of two signals on the host",
    "Gather": "take channels by constant numbers; for an embedding use a one-hot input and a full layer",
    "NonZero": "its result's shape depends on the data; use operators of fixed shapes",
    "TopK": "it picks by the data; take it of the outputs on the host",
    "ArgMax": "take the scores; the host picks the largest",
    "If": "it depends on the data; export one branch",
    "Loop": "unroll it when exporting, or use LSTM, GRU or RNN",
    "Scan": "use LSTM, GRU or RNN",
    "TreeEnsembleClassifier": TREES,
    "TreeEnsembleRegressor": TREES,
    "TreeEnsemble": TREES,
    "SVMClassifier": "use a multi-layer perceptron",
    "SVMRegressor": "use a multi-layer perceptron",
}
OTHERWISE = (
    "use Gemm, MatMul, Conv, pooling, BatchNormalization, Concat, Add and Mul of branches, Flatten, Reshape, "
    "LSTM, GRU, or a function of each value"
)


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
        return self.graph.input.only(Given).axes

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


def read_onnx(proto: Any, *, shape: OwnShape | None = None, output: str | None = None) -> Read:
    """An ``onnx.ModelProto``, as ``prepared`` gives it, as a graph.

    ``shape`` of one sample where the file leaves it open, of a sequence (calls, features); ``output`` to take
    where the model has several that are values. Raises NetworkError when the output is not one of the
    model's, or it has to be chosen. Raises UnsupportedNodeError, naming the first node that cannot be
    imported.
    """
    return _Reader(proto, shape).read(output)


class _Reader:
    """Walks a graph; ``values`` holds what is computed, ``constants`` what is known."""

    def __init__(self, model: Any, shape: OwnShape | None) -> None:
        from onnx import numpy_helper

        self.graph = model.graph
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.constants: dict[str, npt.NDArray[Any]] = {
            t.name: numpy_helper.to_array(t) for t in self.graph.initializer
        }
        for node in self.graph.node:  # constants written as nodes, which a loop's copies are told apart by
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.values: dict[str, Value] = {}
        self.refused: dict[str, UnsupportedNodeError] = {}
        self.notes: list[str] = []
        self.memories: Memories = []
        source = only_input(model)
        self.sequence = sequence_axes(self.graph, source.name)
        dims = [d.dim_value for d in source.type.tensor_type.shape.dim]
        self.calls_first = self.sequence == "tnc" or (len(dims) == 3 and dims[0] > 0 == dims[1])
        self.shape = shape or _sample_shape(source, calls_first=self.calls_first)
        if self.sequence and len(self.shape) != 2:
            raise NetworkError(f"samples have shape {self.shape}; accepted: (calls, features), of a sequence")
        samples = (dims[int(self.calls_first)] if dims else 0) or SAMPLES
        self.values[source.name] = raw_input(
            self.shape, samples, sequence=bool(self.sequence), calls_first=self.calls_first
        )

    def read(self, output: str | None) -> Read:
        names = [o.name for o in self.graph.output]
        if output is not None and output not in names:
            raise NetworkError(f"output is {output!r}; accepted: {', '.join(names)}")
        for node in self.graph.node:
            try:
                self._node(node)
            except UnsupportedNodeError as error:
                # Only what the output needs has to be understood.
                for name in node.output:
                    self.refused.setdefault(name, error)
        name = self._chosen([output] if output else names)
        value = self.values[name]
        graph, end = _finished(value, self.memories)
        if (np.diff(end.first.reshape(-1)) < 0).any():
            self.notes.append("output: its values are in the order (channel, row, column)")
        tensor = name if end.left_out is None else end.left_out.tensor
        notes, first = tuple(self.notes), self.calls_first
        return Read(graph, self.shape, notes, end, name, tensor, self._inner(), calls_first=first)

    def _chosen(self, wanted: list[str]) -> str:
        """The output that is taken: the one that can be read; of a recurrent layer's, the one that has an
        end."""
        ends = [name for name in wanted if self._is_value(name)]
        if not ends:
            raise self.refused.get(wanted[0]) or NetworkError("no output depends on the input")
        single = [name for name in ends if self._is_single(name)]
        apart = {self._identity(name) for name in single}
        lost = [name for name in wanted if name in self.refused and not self._is_label(name)]
        if len(wanted) > 1 and (len(apart) > 1 or (lost and not self.memories)):
            choice = ", ".join(repr(name) for name in (*single, *lost))
            raise NetworkError(
                f"the model has several outputs; accepted: one of {choice}, given as the output"
            )
        return single[0] if single else ends[-1]

    def _is_value(self, name: str) -> bool:
        return name in self.values and not self.values[name].is_raw

    def _is_single(self, name: str) -> bool:
        return self.values[name].at is not None

    def _identity(self, name: str) -> Any:
        """The same for two outputs of one value, such as a recurrent layer's last call and last result."""
        value = self.values[name]
        return value.op, value.label

    def _is_label(self, name: str) -> bool:
        """Whether an output is a label, which no network computes, and not values."""
        from onnx import TensorProto

        kinds = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.UNDEFINED)
        (found,) = (o for o in self.graph.output if o.name == name)
        return found.type.tensor_type.elem_type not in kinds

    def _inner(self) -> dict[str, tuple[str, str, Value]]:
        """Tensors with the node and kind that make them, where they are values of one call."""
        found = {}
        for node in self.graph.node:
            for name in node.output:
                value = self.values.get(name)
                if value is not None and value.at is not None and value.left_out is None:
                    found[name] = (node.name or node.output[0], node.op_type, value)
        return found

    def _node(self, node: Any) -> None:
        for source in node.input:
            if source in self.refused:
                raise self.refused[source]
        known = [self.constants.get(s) if s else None for s in node.input]
        values = [self.values.get(s) if s else None for s in node.input]
        call = Call(node, self.opsets, known, values, self.notes, self.memories)
        if node.domain not in (*DOMAINS, DOMAIN):
            raise call.refused(
                f"its domain is {node.domain!r}; use ONNX's own operators, or functions of them"
            )
        if node.op_type == "Constant" or all(v is None for v in values):
            self.constants |= zip(node.output, call.folded(), strict=False)
            return
        if node.op_type == "Shape":
            sizes = np.array(call.value.places.shape, np.int64)
            self.constants[node.output[0]] = sizes[call.a.get("start", 0) : call.a.get("end", len(sizes))]
            return
        for key, result in zip(node.output, _results(call), strict=False):
            if isinstance(result, UnsupportedNodeError):
                self.refused[key] = result
            elif key:
                self.values[key] = result


def _results(call: Call) -> list[Any]:
    """A node's outputs: values, or errors where an output cannot be read."""
    kind = call.kind
    if kind in DROPPED:
        return [call.value]
    if kind in NORMALISED:
        return [_normalised(call)]
    found = HANDLERS[kind](call) if kind in HANDLERS else None
    found = elementwise(call) if found is None else found
    if found is None:
        raise call.refused(INSTEAD.get(kind, OTHERWISE))
    return found if isinstance(found, list) else [found]


def _normalised(call: Call) -> Value:
    """What comes before a softmax or a normalisation of all outputs, which may only end a model."""
    value, shape = call.value, call.value.places.shape
    axis = int(call.a.get("axis", 1 if call.opsets.get("", 1) < 13 else -1)) % len(shape)
    rest = [size for i, size in enumerate(shape) if i not in (0, axis)]
    if value.axis != 0 or axis == 0 or any(size > 1 for size in rest):
        raise call.refused(
            f"over axis {axis} of {value.own}; use it over all outputs, as the model's last node"
        )
    if value.left_out is not None and call.kind == "Normalizer":
        return value  # the sigmoids of a linear classifier, made to add up to 1
    call.notes.append(f"{call.name} ({call.kind}): {NORMALISED[call.kind]}")
    value.check_open()
    return replace(value, left_out=LeftOut(call.name, call.kind, call.node.input[0]))


def _sample_shape(value: Any, *, calls_first: bool) -> OwnShape:
    """Shape of one sample: all but the axis of samples, which may be open."""
    dims = value.type.tensor_type.shape.dim
    sizes = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    own = [size for i, size in enumerate(sizes) if i != int(calls_first)]
    if not own or any(s <= 0 for s in own):
        raise NetworkError(
            f"input {value.name!r} has shape {sizes} (0: open); give the shape of one sample (--input-shape)"
        )
    return tuple(own)


def _finished(value: Value, memories: Memories) -> tuple[Graph, Value]:
    """The graph of an output, and the output. Raises UnsupportedNodeError when the output is not the last
    call's of a sequence, or the input is read in two shapes."""
    where = ("output", "output")
    if value.at is None:
        raise UnsupportedNodeError(
            *where, "it is of every call; take the last one, out[:, -1], and Linear after it"
        )
    if value.at != value.calls - 1:
        raise UnsupportedNodeError(
            *where, f"it is of call {value.at}; accepted: the last one, {value.calls - 1}"
        )
    value = value.vector("output") or value.settled()
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
        raise UnsupportedNodeError(*where, "it does not depend on the input")
    if len(inputs) > 1:
        raise UnsupportedNodeError(
            "input", "input", "it is read in two shapes; give it the shape that its layers see"
        )
    return Graph(inputs[0], value.op, tuple(used), value.calls), value
