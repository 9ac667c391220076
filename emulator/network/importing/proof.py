"""Proof of an import: compares the graph with the original model, run by an independent
runtime; and the report of an import."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.network.importing.graph import BATCH, Op
from ndrite.emulator.network.importing.original import Original, only_input
from ndrite.emulator.network.importing.reading import Reading
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.arithmetic import Array, Floats
from ndrite.emulator.spec.brief import record

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto
    from onnx.reference import ReferenceEvaluator
    from onnxruntime import InferenceSession


@dataclass(frozen=True, kw_only=True)
class BlockReport:
    """Report on the import of one matrix product, table or gate: its size, the range of
    its values, and the error of its table.

    Attributes
    ----------
    node, function:
        The node its weights are of, and what it computes after them (``product``), of
        each value (``table``), or of several (``gate``).
    kind:
        ``product``, ``table`` or ``gate``.
    inputs, outputs:
        K (of a patch, for a convolution; its group's) and M; channels, for a table or gate.
    low, high:
        Pre-activations that the table spans; outside, the function is held at its ends.
        For a gate: the results that codes span.
    step:
        Value of one code of its outputs, in the model's unit; 0 for the output layer.
    table_error:
        Largest error of the 32-segment table in its span, in the model's unit, its
        rounding to codes included.
    table_error_lsb:
        The same in codes.
    beyond:
        Fraction of the samples' pre-activations outside the span, where that costs a
        code or more; None without samples.
    """

    node: str
    kind: str
    function: str
    inputs: int
    outputs: int
    low: float
    high: float
    step: float
    table_error: float
    table_error_lsb: float
    beyond: float | None


@record(kw_only=True)
class ImportReport:
    """Report on the import of a whole model: how far the network's outputs deviate from
    the model's, and which parts of the model were left out.

    Attributes
    ----------
    float_error:
        Largest difference of the network's float outputs to the model's on the samples.
    error_rms, error_max:
        With inputs and activations in 8-bit codes and functions as tables, weights
        exact: root mean square and largest difference to the model's outputs on the
        samples, in the model's unit.
    output_rms:
        Root mean square of the model's outputs on the samples, to compare with.
    output_shape:
        (M,) or (C, H, W) of one result.
    calls:
        Calls of one sample; more than 1 for a sequence.
    notes:
        Parts of the model that were left out, one line each.
    """

    name: str
    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    calls: int
    samples: int
    blocks: tuple[BlockReport, ...]
    float_error: float | None
    error_rms: float | None
    error_max: float | None
    output_rms: float | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain types for JSON."""
        return dataclasses.asdict(self)


DRAWN = 64
"""Number of inputs tried in addition to the samples: the samples' values, shuffled
separately for each input."""
LOST = 2e-3
"""Largest rms difference between model and network, relative to the rms of the values,
that single precision explains."""
FAR = 2e-2
"""A value that differs by more than this, relative to the largest value,
counts as different."""
FAR_MAX = 5e-3
"""Fraction of values that may differ: where the model has a step, two roundings may lie
on different sides of it."""
WHERE_MAX = 16
"""Number of samples with which it is searched at which node model and network first differ."""
ALONE = 6
"""Number of samples that are also passed to the model one at a time, in addition to the
samples with the smallest and largest values."""


@record()
class Proof:
    """Comparison of the imported graph with the original model."""

    read: Reading
    original: Original

    def check(self, samples: Floats | None, low: float, high: float) -> int:
        """Compare the outputs of graph and model on the samples and on further inputs
        in the range of the samples. Return the number of inputs compared.

        ``low`` and ``high``: what inputs are drawn between where there are no
        samples. Raises UnsupportedNodeError, naming the first node whose values
        differ from the model's own.
        """
        rng = np.random.default_rng(0)
        if samples is None:
            x = rng.uniform(low, high, (DRAWN, *self.read.own_shape))
        else:
            flat_samples = samples.reshape(len(samples), -1)
            drawn = rng.permuted(flat_samples[rng.integers(len(flat_samples), size=DRAWN)], axis=0)
            x = np.concatenate([flat_samples, drawn]).reshape(-1, *self.read.own_shape)
        tensors = self._run((self.read.name, self.read.tensor), x)
        self._check_answers([x], tensors[self.read.name])
        self._check_alone(x)
        try:
            expected = placed(self.read.end, tensors[self.read.tensor], len(x))
        except ValueError:
            raise self._difference(x) from None
        if not _same(self._after(self.ours(x)), expected):
            raise self._difference(x)
        return len(x)

    def ours(self, x: Floats) -> Floats:
        """Return the imported graph's outputs (n, M) for samples (n, ...) in
        the model's layout."""
        return self.read.run(self.read.ordered(x))

    def theirs(self, x: Floats) -> Floats:
        """Return the original model's values (n, M) at the tensor where the imported
        graph ends, in the graph's order."""
        x = x.reshape(len(x), *self.read.own_shape)
        left_out = self.read.end.left_out
        if left_out is not None and left_out.after:
            # The graph ends inside a node of the model (before a classifier's sigmoid
            # or softmax), so no tensor of the model has the graph's values.
            return self.ours(x)
        tensor = self.read.tensor
        return placed(self.read.end, self._run([tensor], x)[tensor], len(x))

    def _run(self, tensors: Sequence[str], x: Floats, batch: int = BATCH) -> dict[str, list[Array]]:
        """Run the model on samples (n, ...), and return the tensors named in
        ``tensors``, which may be intermediate results. Each tensor is a list with one
        array per ``batch`` samples, or per as many samples as the file fixes.

        Raises NetworkError when the runtime cannot run the model on them.
        """
        import onnx

        proto, names = self.original.proto, list(dict.fromkeys(tensors))
        source, part = only_input(proto), onnx.ModelProto()
        part.CopyFrom(proto)
        outputs = {o.name: o for o in proto.graph.output}
        del part.graph.output[:], part.graph.node[:]
        part.graph.output.extend(outputs.get(t, onnx.ValueInfoProto(name=t)) for t in names)
        part.graph.node.extend(_needed(proto.graph, names))
        session, dims = _session(part), source.type.tensor_type.shape.dim
        axis = int(self.read.calls_first)
        fixed = dims[axis].dim_value if len(dims) > axis else 0  # 0: the number is not fixed
        rows = fixed or batch
        typed = x.astype(onnx.helper.tensor_dtype_to_np_dtype(source.type.tensor_type.elem_type))
        results_of: dict[str, list[Array]] = {name: [] for name in names}
        for start in range(0, len(typed), rows):
            some = typed[start : start + rows]
            some = np.resize(some, (fixed or len(some), *some.shape[1:]))
            try:
                results = session.run(names, {source.name: np.ascontiguousarray(np.moveaxis(some, 0, axis))})
            except Exception as error:  # the runtime's kernels may raise any exception
                raise _cannot_run(error, f" on samples of {typed.shape[1:]}") from None
            for name, values in zip(names, results, strict=True):
                results_of[name].append(np.asarray(values))
        return results_of

    def _after(self, y: Floats) -> Floats:
        """Apply the model's last function to the graph's outputs if the
        import left that function out, so that the outputs can be compared
        with the model's tensor."""
        left_out = self.read.end.left_out
        if left_out is None or not left_out.after:
            return y
        return np.asarray(expit(y) if left_out.after == "sigmoid" else softmax(y, axis=1), np.float64)

    def _check_answers(self, batches: list[Floats], parts: list[Array]) -> None:
        """Raise UnsupportedNodeError unless the user's own model and the ONNX graph
        exported from it return the same values, batch by batch."""
        if self.original.answers is None or not all(isinstance(p, np.ndarray) for p in parts):
            return
        graph = np.concatenate([p.reshape(-1) for p in parts]).astype(np.float64)
        answers = zip(*map(self.original.answers, batches), strict=True)
        answers_known = [
            np.concatenate([a.astype(np.float64).reshape(-1) for a in of])
            for of in answers
            if of[0].dtype.kind in "fiub"
        ]
        if not any(graph[: a.size].size == a.size and _same(graph[: a.size], a) for a in answers_known):
            raise UnsupportedNodeError(
                "output",
                self.read.name,
                "the exported graph gives other values than the model itself; export the model to ONNX by "
                "hand, and check which parts of it depend on the data",
            )

    def _check_alone(self, x: Floats) -> None:
        """Compare model and exported graph on single samples as well. A model that
        takes a maximum over the batch would return other values for these."""
        if self.original.answers is not None:
            # Each sample is passed as a batch of two equal samples, because the model
            # might drop a batch axis of length 1.
            twice = [np.repeat(x[i : i + 1], 2, axis=0) for i in _apart(x)]
            self._check_answers(twice, self._run([self.read.name], np.concatenate(twice), 2)[self.read.name])

    def _difference(self, x: Floats) -> NetworkError:
        """Return the error that names the first node, in the model's order, whose
        values in the imported graph differ from those in the model."""
        few, values_of = x[:WHERE_MAX], dict[Op, Floats]()
        maker = {n: node for node in self.original.proto.graph.node for n in node.output}
        readable = {n: v for n, v in self.read.values.items() if n in maker and v.at is not None}
        names = [n for n, v in readable.items() if n != self.read.tensor and v.left_out is None]
        self.read.graph.run(self.read.ordered(few), values_of.__setitem__)
        model_values, reshaped = self._run(names, few), None
        for name in names:
            value, node, kind = readable[name], maker[name].name or maker[name].output[0], maker[name].op_type
            if value.op not in values_of or model_values[name][0].dtype.kind not in "fiub":
                continue
            try:
                expected = placed(value, model_values[name], len(few))
            except ValueError:
                # Only the shape may differ: note this node, and go on looking for a
                # difference in values.
                reshaped = reshaped or (node, kind)
                continue
            if not _same(value.of(values_of[value.op]).reshape(len(few), -1), expected):
                break
        else:
            node, kind = reshaped or ("output", self.read.name)
        return UnsupportedNodeError(
            node, kind, "its values differ from the model's own on the samples; replace it by other operators"
        )


def placed(value: Value, parts: list[Array], n: int) -> Floats:
    """Return the tensor of the model that belongs to ``value``, given as one array per
    batch, rearranged to (n, C * H * W) in the order of the value's operator. Raises
    ValueError when it has another size."""
    axis = value.axis or 0
    joined = np.concatenate([np.moveaxis(p, axis, 0).reshape(-1, value.size) for p in parts])[:n]
    ordered = np.empty((n, value.size))
    ordered[:, value.first.reshape(-1)] = joined
    return ordered


def _apart(x: Floats) -> list[int]:
    """Return the indices of some samples of x (n, ...): a few spread over all samples,
    and those with the smallest and the largest values."""
    largest = np.abs(x).reshape(len(x), -1).max(axis=1)
    places = np.linspace(0, len(x) - 1, ALONE).astype(int)
    return sorted({int(largest.argmin()), int(largest.argmax()), *places.tolist()})


def _same(a: Floats, b: Floats) -> bool:
    if a.size != b.size:
        return False
    a, b = a.reshape(-1), b.reshape(-1)
    if not np.isfinite(b).all():
        return False
    away = np.abs(a - b)
    size = max(float(np.sqrt(np.square(b).mean())), 1e-12)
    far = away > FAR * max(float(np.abs(b).max()), 1e-12)
    return bool(np.sqrt(np.square(away).mean()) <= LOST * size and far.mean() <= FAR_MAX)


def _needed(graph: GraphProto, tensors: Sequence[str]) -> list[NodeProto]:
    """Return the nodes on which the tensors depend. Only these nodes of the file are run."""
    maker = {name: node for node in graph.node for name in node.output if name}
    waiting, needed = list(tensors), set()
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            waiting += _reads(node)
    return [node for node in graph.node if id(node) in needed]


def _reads(node: NodeProto) -> list[str]:
    """Return the names of the tensors that a node reads, including those
    inside its subgraphs."""
    inner = [g for a in node.attribute for g in (a.g, *a.graphs)]
    return [*node.input, *(name for g in inner for n in g.node for name in _reads(n))]


def _session(proto: ModelProto) -> InferenceSession | ReferenceEvaluator:
    """Return a session that runs the model: onnxruntime or, if that cannot, ONNX's
    reference implementation, which also supports the first operator sets."""
    from onnx.reference import ReferenceEvaluator

    why: Exception | None = None
    try:
        import onnxruntime
    except ModuleNotFoundError:
        pass
    else:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        # The optimisations of onnxruntime are switched off: in quantised models they
        # would round at other nodes than the file states.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            return onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # may be any of onnxruntime's own exception classes
            why = error
    try:
        return ReferenceEvaluator(proto)
    except Exception as error:
        raise _cannot_run(why or error) from None


def _cannot_run(why: Exception, what: str = "") -> NetworkError:
    return NetworkError(f"the model cannot be run{what} ({' '.join(str(why).split())[:300]})")
