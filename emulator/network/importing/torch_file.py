"""PyTorch files: modules of PyTorch's own layers, read without running any code in them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from emulator.errors import MissingExtraError, NetworkError

LAYERS = (
    "Sequential Linear Flatten Unflatten Softmax LogSoftmax LSTM GRU RNN LSTMCell GRUCell RNNCell Upsample "
    "ReLU Sigmoid Tanh ReLU6 LeakyReLU ELU SELU CELU GELU SiLU Mish Softplus Softsign Hardtanh Hardswish "
    "Hardsigmoid LogSigmoid Tanhshrink Softshrink Hardshrink Threshold PReLU RReLU GLU "
    "Identity Dropout Dropout1d Dropout2d AlphaDropout".split()
)
"""Layers whose class has one name, of those that have one for each number of axes."""


def load_torch(path: Path) -> Any:
    """A module written by ``torch.save(module, path)``, of PyTorch's own layers only: no code in it is run.

    Raises
    ------
    MissingExtraError
        Without PyTorch.
    NetworkError
        When the file holds anything else.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtraError("reading .pt files needs PyTorch: pip install 'ndrite[train]'") from None
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    nn = torch.nn
    names = list(LAYERS)
    kinds = (
        "Conv",
        "MaxPool",
        "AvgPool",
        "BatchNorm",
        "AdaptiveAvgPool",
        "AdaptiveMaxPool",
        "ZeroPad",
        "ConstantPad",
    )
    names += [f"{kind}{d}d" for kind in kinds for d in (1, 2)]
    try:
        with (
            torch.serialization.safe_globals([getattr(nn, name) for name in names]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # of the pickle's protocol: nothing that a user could change
            module = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch errors share no base
        first = next(iter(str(error).splitlines()), "damaged")
        raise NetworkError(
            f"{path}: not a module of PyTorch's own layers ({first}); write it with torch.onnx.export, or "
            f"pass the module to ndrite.import_model"
        ) from None
    if not isinstance(module, nn.Module):
        raise NetworkError(
            f"{path}: holds {type(module).__name__}; accepted: a module, torch.save(model, path), not a "
            f"state_dict"
        )
    return module
