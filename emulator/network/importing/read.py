"""import_model: any model this package can read, as a network with its report."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.network.importing.lower import lower
from emulator.network.importing.report import Imported, Read
from emulator.network.importing.values import OwnShape
from emulator.spec.inputs import InputRange

SUFFIXES = (".onnx", ".pt", ".pth")


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
    """Import a PyTorch module, or an ``.onnx``, ``.pt`` or ``.pth`` file.

    Parameters
    ----------
    model:
        Path, or a ``torch.nn.Module``.
    samples:
        Typical inputs in the model's own unit, float (n, ...): they set the range of every input and every
        activation, and the errors are measured on them. Of a recurrent model: (n, calls, features), whether
        it takes the batch first or not.
    input_range:
        (low, high) that input codes 0 and 255 stand for, the same for all inputs; default: what the samples
        span, each input by itself (all alike for convolutional models), or 0..1 without samples.
    input_shape:
        Shape of one sample, where the model leaves it open; by default that of the samples.
    output:
        Output of an ONNX model to take.
    name:
        The network's name; by default the file's or the module's.
    progress:
        Called as ``progress(done, total)`` after every layer.

    Raises
    ------
    UnsupportedNodeError
        Naming the node, its kind and what would work instead.
    NetworkError
        When the file is none of these, or the samples do not fit.
    MissingExtraError
        When the package for the file's kind is not installed.
    """
    limits = None
    if input_range is not None:
        low, high = (np.array([v], np.float64) for v in input_range)
        limits = InputRange(low, high)
    path = Path(model) if isinstance(model, str | os.PathLike) else None
    try:
        read = _read(model, path, input_shape, output, None if samples is None else np.shape(samples)[1:])
        x = None if samples is None else _samples(samples, read)
        name = name or (type(model).__name__ if path is None else path.stem)
        return lower(read, name=name, samples=x, input_range=limits, progress=progress)
    except UnsupportedNodeError as error:
        if path is None:
            raise
        raise UnsupportedNodeError(f"{path}: {error.node}", error.kind, error.instead) from None


def _read(
    model: Any, path: Path | None, shape: OwnShape | None, output: str | None, sampled: OwnShape | None
) -> Read:
    if path is not None and path.suffix not in SUFFIXES:
        raise NetworkError(f"{path}: suffix is {path.suffix!r}; accepted: {', '.join(SUFFIXES)}")
    if path is not None and path.suffix == ".onnx":
        from emulator.network.importing.onnx_model import read_onnx

        return read_onnx(path, shape=shape, output=output)
    from emulator.network.importing.torch_file import load_torch
    from emulator.network.importing.torch_model import first_features, read_torch

    if path is not None:
        model = load_torch(path)
    elif not hasattr(model, "named_modules"):
        raise NetworkError(f"model is {type(model).__name__}; accepted: a path or a torch.nn.Module")
    return read_torch(model, shape=shape or first_features(model) or sampled)


def _samples(samples: npt.ArrayLike, read: Read) -> npt.NDArray[np.float64]:
    """As the graph takes them, float64 (n, values)."""
    shape = read.own_shape
    x = np.asarray(samples, np.float64)
    size = int(np.prod(shape))
    if x.ndim < 2 or not len(x) or x.size != len(x) * size:
        raise NetworkError(f"samples have shape {x.shape}; accepted: (n, {', '.join(map(str, shape))})")
    if not np.isfinite(x).all():
        raise NetworkError("samples hold a value that is not finite; accepted: finite numbers")
    return read.ordered(x)
