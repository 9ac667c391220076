"""Parts of an ONNX model between two of its tensors, run on their own (extra ``ndrite[onnx]``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network.importing.onnx_file import load_onnx, only_input

Floats = npt.NDArray[np.float64]

SHOWN = 8
"""Names in a message."""


class Graph:
    """A model's nodes, cut out between any two tensors and run in NumPy."""

    def __init__(self, path: Path) -> None:
        self.model = load_onnx(path)
        self.path, self.input = path, only_input(self.model)
        self._maker = {name: node for node in self.model.graph.node for name in node.output if name}
        self._constants = {t.name for t in self.model.graph.initializer}
        size = self.input.type.tensor_type.shape.dim
        self._rows = size[0].dim_value if len(size) else 0

    @property
    def names(self) -> list[str]:
        """Tensors that are computed, in order."""
        return [self.input.name, *self._maker]

    def between(self, begin: str, end: str) -> Callable[[Floats], Floats]:
        """A function of values (n, inputs) at ``begin`` to those (n, outputs) at ``end``.

        Raises
        ------
        NetworkError
            When there are no such tensors, or ``end`` is not made of ``begin`` alone.
        """
        import onnx
        from onnx.reference import ReferenceEvaluator

        for name in (begin, end):
            if name not in self.names:
                raise NetworkError(
                    f"{self.path}: tensor is {name!r}; accepted: one that the file computes, such as "
                    f"{listed(self.names[-SHOWN:])}"
                )
        needed = self._needed(end, begin)
        if self.input.name in needed and begin != self.input.name:
            raise NetworkError(
                f"{self.path}: tensor {end!r} depends on {self.input.name!r} besides {begin!r}; "
                f"accepted: one that is made of {begin!r} alone"
            )
        if begin not in needed:
            raise NetworkError(
                f"{self.path}: tensor {end!r} does not depend on {begin!r}; accepted: a later one"
            )
        graph = self.model.graph
        part = onnx.helper.make_graph(
            [n for n in graph.node if needed & set(n.output) and begin not in n.output],
            "layer",
            [onnx.ValueInfoProto(name=begin)],
            [onnx.ValueInfoProto(name=end)],
            [t for t in graph.initializer if t.name in needed],
        )
        opsets = self.model.opset_import
        run = ReferenceEvaluator(
            onnx.helper.make_model(part, opset_imports=opsets, functions=list(self.model.functions))
        )
        kind = onnx.helper.tensor_dtype_to_np_dtype(self.input.type.tensor_type.elem_type)

        def one(x: npt.NDArray[Any]) -> Floats:
            try:
                (found,) = run.run(None, {begin: x.astype(kind)})
            except Exception as error:  # evaluators raise what NumPy raises
                first = " ".join(str(error).split())[:300]
                raise NetworkError(
                    f"{self.path}: tensor {end!r} cannot be computed of {begin!r} {x.shape} ({first})"
                ) from None
            return np.asarray(found)

        def outputs(x: Floats) -> Floats:
            # Where the file fixes how many samples it takes, so many are given, some of them twice.
            size = self._rows or len(x)
            parts = [
                one(np.resize(x[i : i + size], (size, x.shape[1])) if len(x) - i < size else x[i : i + size])
                for i in range(0, len(x), size)
            ]
            if any(p.ndim != 2 or len(p) != size for p in parts):
                raise NetworkError(
                    f"{self.path}: tensor {end!r} is {parts[0].shape} of {size} samples; accepted: "
                    f"({size}, values)"
                )
            return np.concatenate(parts)[: len(x)].astype(np.float64)

        return outputs

    def cuts(self) -> list[str]:
        """Tensors that everything goes through on its way to the first output, in order."""
        (end, *_) = (o.name for o in self.model.graph.output)
        on_the_way = self._needed(end, self.input.name)
        inner = (
            name
            for name in self.names[1:]
            if name in on_the_way and self.input.name not in self._needed(end, name)
        )
        varies = (name for name in inner if self.input.name in self._needed(name, self.input.name))
        return [self.input.name, *varies]

    def _needed(self, end: str, begin: str) -> set[str]:
        """Tensors that ``end`` is made of, going back no further than ``begin``."""
        found, open_ends = set(), [end]
        while open_ends:
            name = open_ends.pop()
            if name in found:
                continue
            found.add(name)
            if name != begin and name in self._maker:
                open_ends.extend(_reads(self._maker[name]))
        return found


def _reads(node: Any) -> Iterator[str]:
    """Tensors a node reads, those inside its branches and loops among them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)


def listed(names: Sequence[str]) -> str:
    """Some of the names, for a message."""
    more = "" if len(names) <= SHOWN else ", .."
    return ", ".join(repr(name) for name in names[:SHOWN]) + more
