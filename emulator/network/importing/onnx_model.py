"""ONNX files to a graph (extra ``ndrite[onnx]``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.network.importing.finish import finished
from emulator.network.importing.graph import Input
from emulator.network.importing.onnx_call import Call
from emulator.network.importing.onnx_elementwise import elementwise
from emulator.network.importing.onnx_file import load_onnx, only_input
from emulator.network.importing.onnx_layers import LAYERS
from emulator.network.importing.onnx_linear_models import LINEAR_MODELS
from emulator.network.importing.onnx_names import DROPPED, INSTEAD, OTHERWISE, QUANTISED
from emulator.network.importing.onnx_recurrent import RECURRENT, sequence_axes
from emulator.network.importing.onnx_views import VIEWS
from emulator.network.importing.recurrent import Memories
from emulator.network.importing.report import Read
from emulator.network.importing.values import OwnShape, Stack, Value
from emulator.network.importing.views import raw_input

HANDLERS = {**LAYERS, **VIEWS, **RECURRENT, **LINEAR_MODELS}


def read_onnx(path: Path, *, shape: OwnShape | None = None, output: str | None = None) -> Read:
    """The model as a graph.

    Parameters
    ----------
    shape:
        Shape of one sample where the file leaves it open; of a sequence (calls, features).
    output:
        Name of the output to take; by default the first one that supported nodes lead to.

    Raises
    ------
    MissingExtraError
        Without the package ``onnx``.
    NetworkError
        When the file is not a valid model.
    UnsupportedNodeError
        Naming the first node that cannot be imported.
    """
    return _Reader(load_onnx(path), shape).read(output)


class _Reader:
    """Walks a graph; ``values`` holds what is computed, ``constants`` what is known."""

    def __init__(self, model: Any, shape: OwnShape | None) -> None:
        from onnx import numpy_helper

        self.graph = model.graph
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.constants: dict[str, npt.NDArray[Any]] = {
            t.name: numpy_helper.to_array(t) for t in self.graph.initializer
        }
        self.values: dict[str, Value | Stack] = {}
        self.refused: dict[str, UnsupportedNodeError] = {}
        self.notes: list[str] = []
        self.memories: Memories = []
        given = only_input(model)
        sequence = sequence_axes(self.graph, given.name)
        self.shape = shape or _sample_shape(given, sequence)
        if sequence and len(self.shape) != 2:
            raise NetworkError(f"samples have shape {self.shape}; accepted: (calls, features), of a sequence")
        self.values[given.name] = raw_input(self.shape, sequence=sequence)

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
        wanted = [output] if output else names
        ends = [self.values[name] for name in wanted if name in self.values]
        for value in ends:
            if len(wanted) > 1 and value is not ends[-1] and not _is_single(value):
                continue  # of a recurrent layer's outputs the first that is not of every call
            if isinstance(value, Stack) and len(value.layers) == 1:
                value = value[0]
            if isinstance(value, Value) and isinstance(value.op, Input) and value.function is None:
                continue
            return finished(value, self.shape, self.memories, self.notes)
        raise self.refused.get(wanted[0]) or NetworkError("no output depends on the input")

    def _node(self, node: Any) -> None:
        for source in node.input:
            if source in self.refused:
                raise self.refused[source]
        known = [self.constants.get(s) if s else None for s in node.input]
        values = [self.values.get(s) if s else None for s in node.input]
        call = Call(node, self.opsets, known, values, self.notes, self.memories)
        if node.op_type == "Constant" or all(v is None for v in values):
            for key, array in zip(node.output, call.folded(), strict=False):
                self.constants[key] = array
            return
        if node.op_type == "Shape":
            sizes = np.array(call.value.shape, np.int64)
            self.constants[node.output[0]] = sizes[call.a.get("start", 0) : call.a.get("end", len(sizes))]
            return
        results = self._results(call)
        for key, result in zip(node.output, results, strict=False):
            if isinstance(result, UnsupportedNodeError):
                self.refused[key] = result
            elif key:
                self.values[key] = result

    @staticmethod
    def _results(call: Call) -> list[Any]:
        kind = call.kind
        if kind in DROPPED or kind == "Quant":
            note = DROPPED.get(kind, QUANTISED)
            if note:
                call.notes.append(f"{call.name} ({kind}): {note}")
            if kind.endswith("Softmax"):
                return [replace(call.value, left_out=(call.name, kind))]
            return [call.value]
        if kind in HANDLERS:
            found = HANDLERS[kind](call)
            if found is not None:
                return found if isinstance(found, list) else [found]
        value = elementwise(call)
        if value is None:
            raise call.refused(INSTEAD.get(kind, OTHERWISE))
        return [value]


def _is_single(value: Value | Stack) -> bool:
    return isinstance(value, Value) and ("t" not in value.axes or value.calls == 1)


def _sample_shape(value: Any, sequence: str) -> OwnShape:
    """Shape of one sample: all but the axis of samples, which may be open, as may the first axis."""
    dims = value.type.tensor_type.shape.dim
    sizes = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    own = [s for a, s in zip(sequence or "n", sizes, strict=False) if a != "n"]
    own = own if sequence else sizes[1:]
    if not own or any(s <= 0 for s in own):
        raise NetworkError(
            f"input {value.name!r} has shape {sizes} (0: open); give the shape of one sample (--input-shape)"
        )
    return tuple(own)
