"""import_model: imports any supported model as a float network that can be
mapped, with a report."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import CompileWarning, NetworkError, UnsupportedNodeError
from ndrite.emulator.network.importing import original as originals
from ndrite.emulator.network.importing.composite import prepared
from ndrite.emulator.network.importing.fuse import fused, holds_of, settled
from ndrite.emulator.network.importing.graph import BATCH, Graph, measured
from ndrite.emulator.network.importing.original import Original, load_onnx, load_torch
from ndrite.emulator.network.importing.proof import ImportReport, Proof
from ndrite.emulator.network.importing.reading import Reading
from ndrite.emulator.network.importing.scaling import Scaling
from ndrite.emulator.network.importing.simplify import rolled, simplified, without_roundings
from ndrite.emulator.network.importing.steps import Inputs, with_one_input
from ndrite.emulator.network.importing.values import OwnShape
from ndrite.emulator.network.importing.view import code_span, in_codes
from ndrite.emulator.network.network import Network
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.meaning import InputRange, Meaning
from ndrite.emulator.spec.task import CLASSES, IDENTITY, SOFTMAX, TWO_CLASSES

if TYPE_CHECKING:
    import torch

LOST_MAX = 0.2
"""Error of codes and tables, as a fraction of the outputs' variation, above which a
warning is given."""


def lower(
    proof: Proof,
    name: str,
    own_samples: Floats | None,
    input_range: InputRange | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Network, InputRange, ImportReport]:
    """Turn the graph that ``proof`` compares with its model into a network; return the
    network, the range of its inputs and the import report. Parameters as for
    ``import_model``.

    ``own_samples`` (n, ...), as the model takes them; errors are measured against the
    model's own outputs for them. Raises UnsupportedNodeError when a function is
    unbounded and there are no samples. Raises NetworkError when a weight is not finite.
    Warns CompileWarning when codes and tables lose more than a fifth of the outputs'
    variation.
    """
    read = proof.read
    samples = None if own_samples is None else read.ordered(own_samples)
    wanted = None if own_samples is None else proof.theirs(own_samples)
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
        dataclasses.replace(_meaning(proof.original, read), inputs=input_range),
    )
    # For each node two counts: its pre-activations that lie outside its table, where
    # that changes the result by a code or more, and all its pre-activations.
    counts = np.zeros((len(scaled_nodes), 2))

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
        shape=(graph.calls, c * h * w) if graph.calls > 1 else own_shape,
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
    """Return the range of the model's inputs over all samples and time steps: one range
    per feature for vectors, a single range for maps.

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
    """Warn if the rms error ``error`` that rounding to codes and tables causes is so
    large that the outputs ``wanted`` (n, M) are of little use."""
    signal = float(np.sqrt(wanted.var(axis=0).mean()))
    # If all samples have the same outputs, the signal is 0, and the error cannot be
    # compared with it.
    if signal > 0 and error > LOST_MAX * signal:
        warnings.warn(
            f"{name}: 8-bit codes and tables have an rms error of {error:.3g}, and its outputs an rms of "
            f"{signal:.3g} about their means. What helps: factors in the weights that bring the ranges of a "
            "layer's channels together, as these share one scale of codes",
            CompileWarning,
            stacklevel=5,
        )


SUFFIXES = (".onnx", ".pt", ".pth")
ON_TILES = "ndrite.analog takes the module as it is, its products on a die"
NOT_ON_TILES = "ndrite.analog takes the PyTorch module that it was made of, not the file"
ESTIMATOR = "ndrite.analog takes PyTorch modules, so not this estimator"


@record()
class Imported:
    """An imported network with the range of its inputs, the import report, and a method
    that computes the original model's outputs (``reference``).

    ``compared``: inputs on which the reading was compared with the model itself.
    """

    network: Network
    inputs: InputRange
    report: ImportReport
    proof: Proof
    compared: int

    def reference(self, x: npt.ArrayLike) -> Floats:
        """Return the original model's outputs (n, M), float64, for inputs (n, ...) in
        the model's unit, computed by the model's own runtime."""
        return self.proof.theirs(np.asarray(x, np.float64))


def import_model(
    model: Any,
    *,
    samples: npt.ArrayLike | None = None,
    input_range: tuple[float, float] | None = None,
    input_shape: tuple[int, ...] | None = None,
    output: str | None = None,
    model_inputs: Inputs | None = None,
    name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import a PyTorch module, a scikit-learn estimator, or an ``.onnx``, ``.pt``
    or ``.pth`` file.

    The model itself is run beside what was read of it, on the samples and on others
    like them; what gives other values is refused. Raises UnsupportedNodeError, naming
    the node, its kind and what would work instead. Raises NetworkError when the file is
    none of these, or the samples do not fit. Raises MissingExtraError when the package
    for the file's kind is not installed. Warns CompileWarning when 8-bit codes and
    tables lose more than a fifth of the outputs' variation on the samples.

    Parameters
    ----------
    model:
        Path, a ``torch.nn.Module``, or a fitted estimator.
    samples:
        Typical inputs in the model's own unit, float (n, ...): they set the range of
        every input and every activation, and the errors are measured on them. For a
        recurrent model: (n, calls, features), whether it takes the batch first or not.
    input_range:
        (low, high) that input codes 0 and 255 stand for, the same for all inputs;
        default: what the samples span, each input by itself (all alike for
        convolutional models), or 0..1 without samples.
    input_shape:
        Shape of one sample, where the model leaves it open; by default that of the samples.
    output:
        Output of an ONNX model to take; needed where it has several.
    model_inputs:
        For an ``.onnx`` file with several inputs, all but the one that takes the
        samples: by name a constant, or for a state the name of the output that is its
        value in the next call. With states samples are (n, calls, values of one call),
        states begin at 0, and the outputs are those of the last call.
    name:
        The network's name; by default the file's or the class's.
    progress:
        Called as ``progress(done, total)`` after every layer.
    """
    limits = None
    if input_range is not None:
        low, high = (np.array([v], np.float64) for v in input_range)
        limits = InputRange(low, high)
    path = Path(model) if isinstance(model, str | os.PathLike) else None
    finite_samples = None if samples is None else _finite(samples)
    try:
        original = _original(model, path, input_shape, finite_samples, model_inputs)
        if model_inputs and input_shape is None and finite_samples is not None:
            input_shape = finite_samples.shape[1:]
        read = Reading(original.proto, input_shape, output)
        read.notes.extend(original.notes)
        own_samples = None if finite_samples is None else _samples(finite_samples, read)
        proof = Proof(read, original)
        compared = proof.check(own_samples, *(input_range or (0.0, 1.0)))
        lowered = lower(
            proof,
            name or (type(model).__name__ if path is None else path.stem),
            own_samples,
            limits,
            progress,
        )
        return Imported(*lowered, proof, compared)
    except UnsupportedNodeError as error:
        on_tiles = NOT_ON_TILES if path is not None and path.suffix == ".onnx" else ON_TILES
        on_tiles = ESTIMATOR if hasattr(model, "get_params") else on_tiles
        where = error.node if path is None else f"{path}: {error.node}"
        raise UnsupportedNodeError(where, error.kind, f"{error.instead}; {on_tiles}") from None


def _original(
    model: Any,
    path: Path | None,
    shape: OwnShape | None,
    samples: Floats | None,
    inputs: Inputs | None,
) -> Original:
    if path is not None and path.suffix not in SUFFIXES:
        raise NetworkError(f"{path}: suffix is {path.suffix!r}; accepted: {', '.join(SUFFIXES)}")
    if path is not None and path.suffix == ".onnx":
        proto = prepared(load_onnx(path))
        return Original(with_one_input(proto, inputs) if inputs else proto)
    if inputs:
        raise NetworkError("model_inputs are given; accepted: only for .onnx files, whose inputs have names")
    if path is not None:
        model = load_torch(path)
    if hasattr(model, "named_modules"):
        shape = shape or _sample_shape(model, samples)
        if shape is None:
            raise NetworkError("the model does not determine its input's shape; state it as input_shape")
        if samples is not None and samples[0].size == int(np.prod(shape)):
            return originals.of_module(model, shape, samples.reshape(-1, *shape))
        return originals.of_module(model, shape, None)
    if hasattr(model, "get_params") and hasattr(model, "predict"):
        return originals.of_estimator(model)
    raise NetworkError(
        f"model is {type(model).__name__}; accepted: a path, a torch.nn.Module or a scikit-learn estimator"
    )


def _sample_shape(module: torch.nn.Module, samples: Floats | None) -> OwnShape | None:
    """Return the shape of one sample of the module; flat if the first Linear layer or
    layer of bases reads the whole sample; None if it cannot be told."""
    kinds = {"Linear", "Bases", "Conv1d", "Conv2d", "RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"}
    first = next((m for m in module.modules() if kinds & {c.__name__ for c in type(m).__mro__}), None)
    features = getattr(first, "in_features", getattr(first, "channels", None))
    if samples is None or features == math.prod(samples.shape[1:]) != samples.shape[-1]:
        return None if features is None else (features,)
    return samples.shape[1:]


def _meaning(original: Original, read: Reading) -> Meaning:
    """Return the meaning of the outputs as far as the model states it, by its classes
    or by the function at its end."""
    channels, probability = read.graph.output.shape[0], read.probability
    classes = original.classes if len(original.classes) == channels else ()
    task = original.task
    if not task and probability == SOFTMAX and channels > 1:
        task = CLASSES
    if not task and probability == IDENTITY and channels == 1:
        task = TWO_CLASSES
    threshold = 0.5 if probability == IDENTITY else 0.0
    return Meaning(
        task=task,
        classes=classes,
        named_labels=bool(classes),
        threshold=threshold,
        probability=probability,
    )


def _finite(samples: npt.ArrayLike) -> Floats:
    array = np.asarray(samples)
    x = None
    if array.dtype.kind in "biufO":
        with contextlib.suppress(TypeError, ValueError):  # object arrays may hold anything
            x = array.astype(np.float64)
    if x is None:
        raise NetworkError(f"samples have dtype {array.dtype}; accepted: numbers")
    if not np.isfinite(x).all():
        raise NetworkError("samples hold a value that is not finite; accepted: finite numbers")
    return x


def _samples(x: Floats, read: Reading) -> Floats:
    """Return the samples x in the shape that the model takes, float64 (n, ...)."""
    shape = read.own_shape
    if x.ndim < 2 or not len(x) or x.size != len(x) * int(np.prod(shape)):
        raise NetworkError(f"samples have shape {x.shape}; accepted: (n, {', '.join(map(str, shape))})")
    return x.reshape(len(x), *shape)
