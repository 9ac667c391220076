"""A user's model run by a runtime that is not ours: any tensor of it, for samples as the model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network.importing.files import only_input

Array = npt.NDArray[Any]

BATCH = 64
"""Samples that a model is run on together."""


class Runtime:
    """An ONNX model in onnxruntime, or where that is not installed in ONNX's own reference implementation.

    Parameters
    ----------
    proto:
        The model, an ``onnx.ModelProto``; it is not changed.
    tensors:
        Names of the tensors that ``run`` gives, outputs or inner ones.
    samples_axis:
        Axis of the input that counts samples: 1 where a sequence has its calls first.
    """

    def __init__(self, proto: Any, tensors: Sequence[str], samples_axis: int = 0) -> None:
        import onnx

        given = only_input(proto)
        self._name, self._axis, self.tensors = given.name, samples_axis, tuple(tensors)
        self._type = onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
        dims = given.type.tensor_type.shape.dim
        self._rows = dims[samples_axis].dim_value if len(dims) > samples_axis else 0
        part = onnx.ModelProto()
        part.CopyFrom(proto)
        known = {o.name: o for o in proto.graph.output}
        del part.graph.output[:]
        part.graph.output.extend(known.get(t, onnx.ValueInfoProto(name=t)) for t in self.tensors)
        del part.graph.node[:]
        part.graph.node.extend(_needed(proto.graph, self.tensors))
        self._session = _session(part)

    def run(self, x: npt.ArrayLike) -> dict[str, list[Array]]:
        """Each tensor's values, a list of one array a batch, for samples (n, ...) in the model's own shape.

        Raises
        ------
        NetworkError
            When the runtime cannot run the model on them.
        """
        given = np.asarray(x).astype(self._type)
        size = self._rows or BATCH
        found: dict[str, list[Array]] = {name: [] for name in self.tensors}
        for start in range(0, len(given), size):
            part = given[start : start + size]
            if self._rows and len(part) < size:  # the file fixes how many samples it takes
                part = np.resize(part, (size, *part.shape[1:]))
            part = np.ascontiguousarray(np.moveaxis(part, 0, self._axis))
            try:
                results = self._session.run(list(self.tensors), {self._name: part})
            except Exception as error:  # runtimes raise what their kernels raise
                first = " ".join(str(error).split())[:300]
                raise NetworkError(
                    f"the model cannot be run on samples of {given.shape[1:]} ({first})"
                ) from None
            for name, values in zip(self.tensors, results, strict=True):
                found[name].append(np.asarray(values))
        return found


def _needed(graph: Any, tensors: Sequence[str]) -> list[Any]:
    """The nodes that the tensors depend on: nothing else of a file is run, as nothing else was read."""
    maker = {name: node for node in graph.node for name in node.output if name}
    waiting, needed = list(tensors), set()
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            waiting += _reads(node)
    return [node for node in graph.node if id(node) in needed]


def _reads(node: Any) -> list[str]:
    """Tensors that a node reads, those inside its branches among them."""
    inner = [g for a in node.attribute for g in (a.g, *a.graphs)]
    return [*node.input, *(name for g in inner for n in g.node for name in _reads(n))]


def _session(proto: Any) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return _reference(proto)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # Optimised graphs of quantised models round elsewhere than the file says.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as first:  # of onnxruntime's own kinds; it has no operators of the first sets
        return _reference(proto, first)


def _reference(proto: Any, why: Exception | None = None) -> Any:
    from onnx.reference import ReferenceEvaluator

    try:
        return ReferenceEvaluator(proto)
    except Exception as error:
        first = " ".join(str(why or error).split())[:300]
        raise NetworkError(f"the model cannot be run ({first})") from None
