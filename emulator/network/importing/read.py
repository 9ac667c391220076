"""import_model: any model this package can read, as a network with its report."""

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.network.importing import original as originals
from ndrite.emulator.network.importing.domains import prepared
from ndrite.emulator.network.importing.files import load_onnx, load_torch
from ndrite.emulator.network.importing.lower import lower
from ndrite.emulator.network.importing.original import Original
from ndrite.emulator.network.importing.proof import Proof
from ndrite.emulator.network.importing.reading import Reading
from ndrite.emulator.network.importing.report import ImportReport
from ndrite.emulator.network.importing.values import OwnShape
from ndrite.emulator.network.network import Network
from ndrite.emulator.spec.arrays import Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.meaning import InputRange, Meaning
from ndrite.emulator.spec.task import CLASSES, IDENTITY, SOFTMAX, TWO_CLASSES

SUFFIXES = (".onnx", ".pt", ".pth")
ON_TILES = "ndrite.analog takes the module as it is, its products on a die"
NOT_ON_TILES = "ndrite.analog takes the PyTorch module that it was made of, not the file"
ESTIMATOR = "ndrite.analog takes PyTorch modules, so not this estimator"


@record()
class Imported:
    """The network, the range of its inputs, the report, and the model's own outputs (``reference``).

    ``compared``: inputs on which the reading was compared with the model itself.
    """

    network: Network
    inputs: InputRange
    report: ImportReport
    proof: Proof
    compared: int

    def reference(self, x: npt.ArrayLike) -> Floats:
        """The model's own outputs (n, M), float64, of inputs (n, ...) in its own unit, by its own runtime."""
        return self.proof.theirs(np.asarray(x, np.float64))


def import_model(
    model: str | os.PathLike[str] | Any,
    *,
    samples: npt.ArrayLike | None = None,
    input_range: tuple[float, float] | None = None,
    input_shape: tuple[int, ...] | None = None,
    output: str | None = None,
    name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import a PyTorch module, a scikit-learn estimator, or an ``.onnx``, ``.pt`` or ``.pth`` file.

    The model itself is run beside what was read of it, on the samples and on others like them; what gives
    other values is refused. Raises UnsupportedNodeError, naming the node, its kind and what would work
    instead. Raises NetworkError when the file is none of these, or the samples do not fit. Raises
    MissingExtraError when the package for the file's kind is not installed. Warns CompileWarning when 8-bit
    codes and tables lose more than a fifth of the outputs' variation on the samples.

    Parameters
    ----------
    model:
        Path, a ``torch.nn.Module``, or a fitted estimator.
    samples:
        Typical inputs in the model's own unit, float (n, ...): they set the range of every input and every
        activation, and the errors are measured on them. For a recurrent model: (n, calls, features), whether
        it takes the batch first or not.
    input_range:
        (low, high) that input codes 0 and 255 stand for, the same for all inputs; default: what the samples
        span, each input by itself (all alike for convolutional models), or 0..1 without samples.
    input_shape:
        Shape of one sample, where the model leaves it open; by default that of the samples.
    output:
        Output of an ONNX model to take; needed where it has several.
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
        original = _original(model, path, input_shape, finite_samples)
        read = Reading(original.proto, input_shape, output)
        read.notes.extend(original.notes)
        own_samples = None if finite_samples is None else _samples(finite_samples, read)
        proof = Proof(read, original)
        compared = proof.check(own_samples, *(input_range or (0.0, 1.0)))
        lowered = lower(
            read,
            name or (type(model).__name__ if path is None else path.stem),
            None if own_samples is None else read.ordered(own_samples),
            None if own_samples is None else proof.theirs(own_samples),
            limits,
            _meaning(original, read),
            progress,
        )
        return Imported(*lowered, proof, compared)
    except UnsupportedNodeError as error:
        on_tiles = NOT_ON_TILES if path is not None and path.suffix == ".onnx" else ON_TILES
        on_tiles = ESTIMATOR if hasattr(model, "get_params") else on_tiles
        where = error.node if path is None else f"{path}: {error.node}"
        raise UnsupportedNodeError(where, error.kind, f"{error.instead}; {on_tiles}") from None


def _original(model: Any, path: Path | None, shape: OwnShape | None, samples: Floats | None) -> Original:
    if path is not None and path.suffix not in SUFFIXES:
        raise NetworkError(f"{path}: suffix is {path.suffix!r}; accepted: {', '.join(SUFFIXES)}")
    if path is not None and path.suffix == ".onnx":
        return Original(prepared(load_onnx(path)))
    if path is not None:
        model = load_torch(path)
    if hasattr(model, "named_modules"):
        shape = shape or _sample_shape(model, samples)
        if shape is None:
            raise NetworkError("the input's shape does not follow from the model; give it (input_shape)")
        if samples is not None and samples[0].size == int(np.prod(shape)):
            return originals.of_module(model, shape, samples.reshape(-1, *shape))
        return originals.of_module(model, shape, None)
    if hasattr(model, "get_params") and hasattr(model, "predict"):
        return originals.of_estimator(model)
    raise NetworkError(
        f"model is {type(model).__name__}; accepted: a path, a torch.nn.Module or a scikit-learn estimator"
    )


def _sample_shape(module: Any, samples: Floats | None) -> OwnShape | None:
    """Shape of the samples; flat where a first Linear layer, or bases, take all of one. None: not known."""
    kinds = {"Linear", "Bases", "Conv1d", "Conv2d", "RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"}
    first = next((m for m in module.modules() if kinds & {c.__name__ for c in type(m).__mro__}), None)
    features = getattr(first, "in_features", getattr(first, "channels", None))
    if samples is None or features == math.prod(samples.shape[1:]) != samples.shape[-1]:
        return None if features is None else (features,)
    return samples.shape[1:]


def _meaning(original: Original, read: Reading) -> Meaning:
    """Meaning of the outputs as far as the model says it: its classes, or the function that it ends in."""
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
        with contextlib.suppress(TypeError, ValueError):  # objects that are no numbers
            x = array.astype(np.float64)
    if x is None:
        raise NetworkError(f"samples have dtype {array.dtype}; accepted: numbers")
    if not np.isfinite(x).all():
        raise NetworkError("samples hold a value that is not finite; accepted: finite numbers")
    return x


def _samples(x: Floats, read: Reading) -> Floats:
    """In the model's own shape, float64 (n, ...)."""
    shape = read.own_shape
    if x.ndim < 2 or not len(x) or x.size != len(x) * int(np.prod(shape)):
        raise NetworkError(f"samples have shape {x.shape}; accepted: (n, {', '.join(map(str, shape))})")
    return x.reshape(len(x), *shape)
