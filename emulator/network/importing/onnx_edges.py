"""Functions of edges of a Kolmogorov-Arnold network in an ONNX file, read without knowing how it writes them.

A layer gives sums of functions of single values. With all values but one held still, its outputs follow that
one value's functions; what they do together must be their sum, and that is tried. So splines, waves or
anything else are read alike, from where a layer begins and ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network.importing.onnx_parts import Graph, listed

Floats = npt.NDArray[np.float64]

ERROR_MAX = 1e-3
"""Largest error of the sum of functions, in deviations of the outputs: rounding of 32-bit floats is below."""
TRIED = 64
"""Samples that layers are tried on."""
VALUES_MAX = 1 << 22
"""Inputs of a layer that are worked on at once."""


class Edges:
    """Functions of the edges from one tensor to another: values (n, inputs) to (n, outputs, inputs).

    ``held`` (inputs,): where the other values are held.
    """

    def __init__(self, graph: Graph, begin: str, end: str, held: Floats) -> None:
        self.begin, self.end = begin, end
        self._run, self._held = graph.between(begin, end), held

    def __call__(self, x: Floats) -> Floats:
        inputs = len(self._held)
        level = self.outputs(self._held[None])[0]
        found = np.empty((len(x), len(level), inputs))
        step = max(1, VALUES_MAX // max(1, len(x) * inputs))
        for first in range(0, inputs, step):
            moved = range(first, min(first + step, inputs))
            rows = np.broadcast_to(self._held, (len(moved), len(x), inputs)).copy()
            for row, i in zip(rows, moved, strict=True):
                row[:, i] = x[:, i]
            outputs = self.outputs(rows.reshape(-1, inputs)).reshape(len(moved), len(x), -1)
            found[:, :, first : first + len(moved)] = (outputs - level).transpose(1, 2, 0)
        # A layer's constant is nobody's: each edge takes its part of it.
        result: Floats = found + level[:, None] / inputs
        return result

    def outputs(self, x: Floats) -> Floats:
        """What the file makes of values (n, inputs): (n, outputs)."""
        return self._run(x)

    def error(self, x: Floats) -> float:
        """Largest error of the sum of functions, in deviations of the outputs: at values that are drawn from
        ``x`` (n, inputs), each input by itself."""
        rng = np.random.default_rng(0)
        rows = np.stack([rng.permutation(len(x)) for _ in range(x.shape[1])], axis=1)
        exact = self.outputs(np.take_along_axis(x, rows, axis=0))
        parts = self(x)
        columns = np.arange(x.shape[1])
        sums = parts[rows, :, columns].sum(axis=1)
        deviation = float((exact - exact.mean(axis=0)).std())
        return float(np.abs(exact - sums).max()) / max(deviation, 1e-12)


def onnx_edges(path: Path, samples: Floats, at: Sequence[str] | None) -> tuple[Edges, ...]:
    """The layers of functions of an ONNX file.

    Parameters
    ----------
    samples:
        Values (n, inputs) of the first tensor.
    at:
        Tensors where layers begin and end, in order; None: from the input on, each layer as long as it is a
        sum of functions of single values.

    Raises
    ------
    NetworkError
        When a layer is no such sum, or there is no such tensor.
    MissingExtraError
        Without the package ``onnx``.
    """
    graph = Graph(path)
    if at is not None:
        if len(at) < 2:
            raise NetworkError(f"at is {list(at)}; accepted: two tensors or more, where layers begin and end")
        return tuple(_named(graph, at, samples))
    return tuple(_found(graph, samples))


def _named(graph: Graph, at: Sequence[str], x: Floats) -> Iterator[Edges]:
    for begin, end in pairwise(at):
        layer = _layer(graph, begin, end, x)
        error = layer.error(_few(x))
        if not error <= ERROR_MAX:
            raise NetworkError(
                f"{graph.path}: tensor {end!r} is no sum of functions of single values of {begin!r}: off by "
                f"{error:.2g} of its deviation; accepted: at most {ERROR_MAX:g}"
            )
        yield layer
        x = layer.outputs(x)


def _found(graph: Graph, x: Floats) -> Iterator[Edges]:
    cuts = graph.cuts()
    at = 0
    while at < len(cuts) - 1:
        tried: dict[str, float] = {}
        for further in range(len(cuts) - 1, at, -1):
            try:
                layer = _layer(graph, cuts[at], cuts[further], x)
            except NetworkError:  # no map of (samples, values) there
                continue
            tried[cuts[further]] = layer.error(_few(x))
            if tried[cuts[further]] <= ERROR_MAX:
                break
        else:
            best = min(tried, key=lambda name: tried[name], default=None)
            said = "none is (samples, values)" if best is None else f"{best!r} is off by {tried[best]:.2g}"
            raise NetworkError(
                f"{graph.path}: behind tensor {cuts[at]!r} none of {listed(cuts[at + 1 :])} is a sum of "
                f"functions of its single values ({said}); accepted: off by at most {ERROR_MAX:g} of its "
                "deviation, or `at`, the tensors where layers begin and end"
            )
        yield layer
        x, at = layer.outputs(x), further


def _layer(graph: Graph, begin: str, end: str, x: Floats) -> Edges:
    layer = Edges(graph, begin, end, x.mean(axis=0))
    layer.outputs(x[:2])
    return layer


def _few(x: Floats) -> Floats:
    return x[np.linspace(0, len(x) - 1, min(TRIED, len(x))).astype(np.intp)]
