"""What an import gives: the network, the range of its inputs, and the error of all that is not exact."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network import InputRange, Network
from emulator.network.importing.graph import Floats, Graph
from emulator.network.importing.values import OwnShape
from emulator.spec.brief import brief_repr

BATCH = 64
"""Samples that a graph is run on together."""


@dataclass(frozen=True, kw_only=True)
class BlockReport:
    """One product, table or gate of the network.

    Attributes
    ----------
    node, function:
        The node its weights are of, and what it computes after them (``product``), of each value
        (``table``), or of several (``gate``).
    kind:
        ``product``, ``table`` or ``gate``.
    inputs, outputs:
        K (of a patch, for a convolution; its group's) and M; channels, for a table or gate.
    low, high:
        Pre-activations that the table spans; outside, the function is held at its ends. For a gate: the
        results that codes span.
    step:
        What one code of its outputs stands for, in the model's unit; 0 for the output layer.
    table_error:
        Largest error of the 32-segment table in its span, in the model's unit, its rounding to codes
        included.
    table_error_lsb:
        The same in codes.
    beyond:
        Fraction of the samples' pre-activations outside the span, where that costs a code or more; None
        without samples.
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


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """A whole model.

    Attributes
    ----------
    float_error:
        Largest difference of the network's float outputs to the model's on the samples.
    error_rms, error_max:
        With inputs and activations in 8-bit codes and functions as tables, weights exact: root mean square
        and largest difference to the model's outputs on the samples, in the model's unit.
    error_bound:
        What ``error_max`` cannot exceed while pre-activations stay in the tables' spans, whatever the inputs;
        None where that is more than the samples' outputs span, which says nothing.
    output_rms:
        Root mean square of the model's outputs about their means on the samples, to compare with.
    output_shape:
        (M,) or (C, H, W) of one result.
    calls:
        Calls of one sample; more than 1 for a sequence.
    notes:
        What was left out of the model, one line each.
    """

    __repr__ = brief_repr

    name: str
    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    calls: int
    samples: int
    blocks: tuple[BlockReport, ...]
    float_error: float | None
    error_rms: float | None
    error_max: float | None
    error_bound: float | None
    output_rms: float | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Read:
    """What a front end makes of a model: its graph, shape of one sample as the model takes it, and notes."""

    graph: Graph
    own_shape: OwnShape
    notes: tuple[str, ...] = ()

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
        """The model's outputs (n, M) of flat samples."""
        return np.concatenate([self.graph.run(x[i : i + BATCH]) for i in range(0, max(len(x), 1), BATCH)])


@dataclass(frozen=True, eq=False)
class Imported:
    """The network, the range of its inputs, the report, and the model's own float64 outputs
    (``reference``)."""

    __repr__ = brief_repr

    network: Network
    inputs: InputRange
    report: ImportReport
    read: Read

    def reference(self, x: npt.ArrayLike) -> Floats:
        """The model's outputs (n, M), float64, of inputs (n, ...) in its own unit."""
        return self.read.run(self.read.ordered(np.asarray(x, np.float64)))
