"""lower: a model's graph becomes a network for a die, with the error of every part that is not exact.

Every map holds codes 0..255: a function's range is moved and stretched to 0..1, and what reads the map undoes
it exactly, so tanh and GELU need no second pass for their negative values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from emulator.network import Gate, InputRange, Meaning, Network, Product, State, Table
from emulator.network.importing.bound import error_bound
from emulator.network.importing.emitted import Emitted
from emulator.network.importing.finish import BATCH, Read
from emulator.network.importing.function import identity
from emulator.network.importing.graph import Floats, Graph, Linear, Seen, Unary
from emulator.network.importing.graph import Gate as GateOp
from emulator.network.importing.lowering import Lowering
from emulator.network.importing.quantised import quantised
from emulator.network.importing.ranges import Ranges
from emulator.network.importing.report import BlockReport, ImportReport
from emulator.network.importing.rounding import without_roundings
from emulator.network.importing.simplify import simplified
from emulator.spec.arithmetic import INPUT_MAX

Progress = Callable[[int, int], None]


class Lowered(NamedTuple):
    """The network, the range of its inputs, and the report."""

    network: Network
    inputs: InputRange
    report: ImportReport


def lower(
    read: Read,
    *,
    name: str,
    samples: Floats | None = None,
    wanted: Floats | None = None,
    input_range: InputRange | None = None,
    classes: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Lowered:
    """Lower a graph.

    Parameters
    ----------
    read:
        The model.
    samples:
        Inputs (n, values) in the model's unit, as the graph takes them, n >= 1; needed where a function is
        unbounded.
    wanted:
        The model's own outputs (n, M) for them, which errors are measured against.
    input_range:
        What input codes stand for; by default what the samples span, or 0..1.
    progress:
        Called as ``progress(done, total)`` after every operator and after the measurement.

    Raises
    ------
    UnsupportedNodeError
        When a function is unbounded and there are no samples.
    NetworkError
        When a weight is not finite.
    """
    graph, notes = simplified(read.graph), list(read.notes)
    if samples is not None:
        graph, left_out = without_roundings(graph, _watched(graph, samples))
        graph, notes = simplified(graph), notes + left_out
    graph = _settled(graph)
    seen = None if samples is None else _watched(graph, samples)
    ranges = Ranges(graph, seen)
    by_call = input_range or _range_of(graph, samples, ranges)
    still = np.zeros(1, np.bool_)
    if samples is not None and input_range is None and by_call.low.size > 1:
        still = np.ptp(samples.reshape(-1, by_call.low.size), axis=0) == 0
    emitted = Lowering(graph, ranges).run(by_call, still, progress)
    repeated = graph.calls if by_call.low.size > 1 else 1
    low, high = (np.tile(v, repeated) for v in (by_call.low, by_call.high))
    input_range = InputRange(low, high, read.axes, () if read.axes is None else read.own_shape)
    network = Network(
        tuple(emitted.nodes),
        graph.input.shape,
        name,
        {"imported": {"nodes": [e.node for e in emitted.entries]}},
        tuple(State(shape=m.shape, source=n, start=s) for m, n, s in emitted.states),
        graph.calls,
        Meaning(inputs=input_range, classes=classes),
    )
    lost: dict[int, tuple[int, int]] = {}
    measured: dict[str, float | None] = dict.fromkeys(("float_error", "error_rms", "error_max", "output_rms"))
    bound: float | None = error_bound(network, [e.error for e in emitted.entries])
    if samples is not None and wanted is not None:
        inputs = dataclasses.replace(input_range, axes=None)
        measured = _measured(network, inputs, samples, wanted, _watch(emitted, lost))
        bound = None if bound is None or bound > float(np.ptp(wanted)) else bound
    if progress is not None:
        progress(len(graph.order()), len(graph.order()))
    shape = graph.output.shape
    report = ImportReport(
        name=name,
        shape=tuple(read.shape),
        output_shape=shape[:1] if shape[1:] == (1, 1) else shape,
        calls=graph.calls,
        samples=0 if samples is None else len(samples),
        blocks=tuple(_blocks(emitted, lost if samples is not None else None)),
        error_bound=bound,
        notes=tuple(notes),
        **measured,
    )
    return Lowered(network, input_range, report)


def _settled(graph: Graph) -> Graph:
    """Every memory takes the result of something that makes codes of its own."""
    memories = []
    for memory, op in graph.memories:
        if not isinstance(op, Unary | GateOp | Linear):
            op = dataclasses.replace(identity(op.node), inputs=(op,), shape=op.shape)
        memories.append((memory, op))
    return dataclasses.replace(graph, memories=tuple(memories))


def _watched(graph: Graph, samples: Floats) -> Seen:
    """The ranges of every operator on the samples."""
    seen = Seen()
    for i in range(0, len(samples), BATCH):
        graph.run(samples[i : i + BATCH], seen)
    return seen


def _range_of(graph: Graph, samples: Floats | None, ranges: Ranges) -> InputRange:
    """What the samples span in any call: of every feature by itself for vectors, of all alike for maps."""
    each = graph.input.shape[1:] == (1, 1)
    given = InputRange(np.zeros(1), np.ones(1))
    if samples is not None:
        given = InputRange.of_samples(samples.reshape(-1, int(np.prod(graph.input.shape))), each=each)
    return given if each else ranges.input_range(given)


def _watch(emitted: Emitted, lost: dict[int, tuple[int, int]]) -> Callable[[int, Floats], None]:
    """Counts pre-activations beyond the tables, by node: (lost, all)."""

    def watch(number: int, z: Floats) -> None:
        stretch = emitted.entries[number].stretch
        if stretch is not None:
            before, of = lost.get(number, (0, 0))
            lost[number] = (before + stretch.lost(z), of + z.size)

    return watch


def _blocks(emitted: Emitted, lost: dict[int, tuple[int, int]] | None) -> list[BlockReport]:
    blocks = []
    for number, (node, entry) in enumerate(zip(emitted.nodes, emitted.entries, strict=True)):
        if not isinstance(node, Product | Table | Gate):
            continue
        sizes = (
            (node.dense.inputs, node.dense.outputs)
            if isinstance(node, Product)
            else (len(node.reads), entry.channels)
        )
        ends = (0.0, 0.0) if entry.span is None else (entry.span.low, entry.span.low + entry.span.width)
        ends = ends if entry.stretch is None else entry.stretch.ends
        step = 0.0 if entry.span is None else entry.span.width / INPUT_MAX
        beyond = None
        if lost is not None and number in lost:
            beyond = lost[number][0] / max(1, lost[number][1])
        blocks.append(
            BlockReport(
                node=entry.node,
                kind=node.kind,
                function=entry.label,
                inputs=sizes[0],
                outputs=sizes[1],
                low=ends[0],
                high=ends[1],
                step=step,
                table_error=entry.error * INPUT_MAX * step,
                table_error_lsb=entry.error * INPUT_MAX,
                beyond=beyond,
            )
        )
    return blocks


def _measured(
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
        errors.append(quantised(network, inputs.encode(part), watch) - right)
    difference = np.concatenate(errors)
    return {
        "float_error": floats,
        "error_rms": float(np.sqrt(np.square(difference).mean())),
        "error_max": float(np.abs(difference).max()),
        "output_rms": float(np.sqrt(wanted.var(axis=0).mean())),
    }
