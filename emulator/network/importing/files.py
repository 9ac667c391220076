"""Model files: ONNX, loaded and checked; PyTorch's own layers, read without running any code in them."""

import importlib
import warnings
from pathlib import Path
from typing import Any

from ndrite.emulator.errors import MissingExtraError, NetworkError

FILE_MAX = 2 << 30
"""Bytes of a model file: what its format can hold."""


def extra(package: str, needs: str, of: str) -> Any:
    """A package of the extra ``of``, or MissingExtraError that says what needs it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise MissingExtraError(f"{needs}: pip install 'ndrite[{of}]'") from None


def _check(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    if path.stat().st_size > FILE_MAX:
        raise NetworkError(f"{path}: size is {path.stat().st_size} bytes; accepted: at most {FILE_MAX}")


def load_onnx(path: Path) -> Any:
    """The ``onnx.ModelProto`` of a file. Raises MissingExtraError: without the package ``onnx``. Raises
    NetworkError when the file is not a valid model."""
    onnx = extra("onnx", "reading .onnx files needs onnx", "onnx")
    _check(path)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, checker and file errors share no base
        first = " ".join(str(error).split())[:300] or "damaged"
        raise NetworkError(f"{path}: not a valid ONNX model ({first})") from None
    return model


def only_input(model: Any) -> Any:
    """The one ``ValueInfoProto`` of what a model is given. Raises NetworkError when there is none, or more
    than one."""
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise NetworkError(
            f"the model has {len(inputs)} inputs ({names}); accepted: one (join them, and Slice them in "
            "the model)"
        )
    return inputs[0]


def load_torch(path: Path) -> Any:
    """A module written by ``torch.save(module, path)``, of PyTorch's own layers only: no code in it is run.
    Raises MissingExtraError: without PyTorch. Raises NetworkError when the file holds anything else."""
    torch = extra("torch", "reading .pt files needs PyTorch", "train")
    _check(path)
    nn = torch.nn
    layers = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    try:
        # Warnings are of the pickle's protocol: nothing that a user could change.
        with torch.serialization.safe_globals(layers), warnings.catch_warnings(action="ignore"):
            module = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch errors share no base
        first = next(iter(str(error).splitlines()), "damaged")
        raise NetworkError(
            f"{path}: not a module of PyTorch's own layers ({first}); write it with torch.onnx.export, or "
            f"pass the module to ndrite.networks.import_model"
        ) from None
    if not isinstance(module, nn.Module):
        raise NetworkError(
            f"{path}: holds {type(module).__name__}; accepted: a module, torch.save(model, path), not a "
            f"state_dict"
        )
    return module
