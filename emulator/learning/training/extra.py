"""The one import of PyTorch, so that its absence is one clear line."""

from ndrite.emulator.errors import MissingExtraError

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError("this needs PyTorch: pip install 'ndrite[train]'") from None

Tensor = torch.Tensor

__all__ = ["Tensor", "torch"]
