"""lower: a model's graph becomes a network for a die, with the error of every part that is not exact."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.network import InputRange, Meaning, Network
from ndrite.emulator.network.importing.arithmetic import in_codes
from ndrite.emulator.network.importing.fuse import fused, holds_of, settled
from ndrite.emulator.network.importing.graph import BATCH, Graph, measured
from ndrite.emulator.network.importing.reading import Reading
from ndrite.emulator.network.importing.report import ImportReport
from ndrite.emulator.network.importing.rolled import rolled
from ndrite.emulator.network.importing.scaling import Scaling
from ndrite.emulator.network.importing.simplify import simplified, without_roundings
from ndrite.emulator.network.importing.view import code_span
from ndrite.emulator.spec.arrays import Floats

LOST_MAX = 0.2
"""Part of its outputs' variation that a model may lose to codes and tables without a warning."""


def lower(
    read: Reading,
    name: str,
    samples: Floats | None,
    wanted: Floats | None,
    input_range: InputRange | None,
    meaning: Meaning,
    progress: Callable[[int, int], None] | None,
) -> tuple[Network, InputRange, ImportReport]:
    """The network of a reading, the range of its inputs, and the report; the rest as ``import_model``'s.

    ``samples`` (n, values), as the graph takes them; ``wanted`` (n, M), the model's own outputs for them,
    which errors are measured against; ``meaning``: all but the range of inputs.
    Raises UnsupportedNodeError when a function is unbounded and there are
    no samples. Raises NetworkError when a weight is not finite. Warns CompileWarning when codes and tables
    lose more than a fifth of the outputs' variation.
    """
    graph, notes = simplified(read.graph), list(read.notes)
    if len(read.own_shape) == 2 and graph.calls == 1:
        graph = rolled(graph)
    if samples is not None:
        graph, left_out = without_roundings(measured(graph, samples))
        graph, notes = simplified(graph), notes + left_out
    graph = settled(graph) if samples is None else measured(settled(graph), samples)
    graph = fused(graph)
    holds = holds_of(graph)
    by_call = input_range or _range_of(graph, samples, holds[graph.input])
    still = np.zeros(1, np.bool_)
    if samples is not None and input_range is None and by_call.low.size > 1:
        still = np.ptp(samples.reshape(-1, by_call.low.size), axis=0) == 0
    scaling = Scaling(graph, holds)
    scaling.run(by_call, still, progress)
    scaled_nodes = scaling.made
    repeated = graph.calls if by_call.low.size > 1 else 1
    low, high = (np.tile(v, repeated) for v in (by_call.low, by_call.high))
    input_range = InputRange(low, high, read.axes, () if read.axes is None else read.unfolded)
    network = Network(
        tuple(m.node for m in scaled_nodes),
        graph.input.shape,
        name,
        {"imported": {"nodes": [m.name for m in scaled_nodes]}},
        scaling.states,
        graph.calls,
        dataclasses.replace(meaning, inputs=input_range),
    )
    counts = np.zeros((len(scaled_nodes), 2))  # pre-activations beyond the tables, and all, by node

    def watch(number: int, z: Floats) -> None:
        stretch = scaled_nodes[number].stretch
        if stretch is not None:
            counts[number] += stretch.lost(z), z.size

    errors: dict[str, float | None] = dict.fromkeys(("float_error", "error_rms", "error_max", "output_rms"))
    if samples is not None and wanted is not None:
        inputs = dataclasses.replace(input_range, axes=None)
        errors = _errors(network, inputs, samples, wanted, watch)
    if progress is not None:
        progress(len(graph.uses), len(graph.uses))
    shape, (c, h, w) = graph.output.shape, graph.input.shape
    shapes = network.map_shapes[network.first :]
    own_shape = (c,) if h == w == 1 else (c, w) if len(read.own_shape) == 2 and h == 1 else (c, h, w)
    report = ImportReport(
        name=name,
        shape=(graph.calls, c) if graph.calls > 1 else own_shape,
        output_shape=shape[:1] if shape[1:] == (1, 1) else shape,
        calls=graph.calls,
        samples=0 if samples is None else len(samples),
        blocks=tuple(
            m.block(outputs, beyond / seen_of if seen_of else None)
            for m, (outputs, *_), (beyond, seen_of) in zip(scaled_nodes, shapes, counts.tolist(), strict=True)
            if m.stretch is not None or not m.node.fires
        ),
        notes=tuple(notes),
        **errors,
    )
    return network, input_range, report


def _range_of(graph: Graph, samples: Floats | None, holds: tuple[float, ...]) -> InputRange:
    """Range of the samples in any call: of every feature by itself for vectors, of all alike for maps.

    Of maps it is widened to what their codes must stand for.
    """
    is_vector = graph.input.shape[1:] == (1, 1)
    value_range = InputRange(np.zeros(1), np.ones(1))
    if samples is not None:
        value_range = InputRange.of_samples(
            samples.reshape(-1, int(np.prod(graph.input.shape))), each=is_vector
        )
    if is_vector:
        return value_range
    span = code_span(float(value_range.low.min()), float(value_range.high.max()), holds)
    return InputRange(np.array([span.low]), np.array([span.low + span.width]))


def _errors(
    network: Network,
    inputs: InputRange,
    samples: Floats,
    wanted: Floats,
    watch: Callable[[int, Floats], None],
) -> dict[str, Any]:
    floats, errors = 0.0, []
    for i in range(0, len(samples), BATCH):
        part, right = samples[i : i + BATCH], wanted[i : i + BATCH]
        floats = max(floats, float(np.abs(network.forward(inputs.unit(part)) - right).max()))
        errors.append(in_codes(network, inputs.encode(part), watch) - right)
    difference = np.concatenate(errors)
    rms = float(np.sqrt(np.square(difference).mean()))
    _warn_of(rms, wanted, network.name)
    return {
        "float_error": floats,
        "error_rms": rms,
        "error_max": float(np.abs(difference).max()),
        "output_rms": float(np.sqrt(np.square(wanted).mean())),
    }


def _warn_of(error: float, wanted: Floats, name: str) -> None:
    """Warn where codes and tables lose so much that the outputs (n, M) say little."""
    signal = float(np.sqrt(wanted.var(axis=0).mean()))
    if signal > 0 and error > LOST_MAX * signal:  # one sample, or the same again: nothing to compare with
        warnings.warn(
            f"{name}: 8-bit codes and tables have an rms error of {error:.3g}, and its outputs an rms of "
            f"{signal:.3g} about their means. What helps: factors in the weights that bring the ranges of a "
            "layer's channels together, as these share one scale of codes",
            CompileWarning,
            stacklevel=5,
        )
