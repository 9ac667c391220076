"""ONNX files: loaded and checked (extra ``ndrite[onnx]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.errors import MissingExtraError, NetworkError

FILE_MAX = 2 << 30
"""Bytes of a model file: what its format can hold."""


def load_onnx(path: Path) -> Any:
    """The ``onnx.ModelProto`` of a file.

    Raises
    ------
    MissingExtraError
        Without the package ``onnx``.
    NetworkError
        When the file is not a valid model.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("reading .onnx files needs onnx: pip install 'ndrite[onnx]'") from None
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    if path.stat().st_size > FILE_MAX:
        raise NetworkError(f"{path}: size is {path.stat().st_size} bytes; accepted: at most {FILE_MAX}")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, checker and file errors share no base
        first = " ".join(str(error).split())[:300] or "damaged"
        raise NetworkError(f"{path}: not a valid ONNX model ({first})") from None
    return model


def only_input(model: Any) -> Any:
    """The one ``ValueInfoProto`` of what a model is given.

    Raises
    ------
    NetworkError
        When there is none, or more than one.
    """
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise NetworkError(
            f"the model has {len(inputs)} inputs ({names}); accepted: one (join them, and Slice them in "
            "the model)"
        )
    return inputs[0]
