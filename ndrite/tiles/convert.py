"""analog: a PyTorch module as it is, its static products on the tiles of a die."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from emulator.device.description import Chip, load_chip
from emulator.errors import EmulatorError
from emulator.learning.training.extra import torch
from emulator.spec.program import PRODUCTS_MAX
from ndrite.tiles import layers, recurrent
from ndrite.tiles.attention import TiledAttention
from ndrite.tiles.calibrate import calibrate, map_products, state_of
from ndrite.tiles.layer import TiledLayer
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product

if TYPE_CHECKING:
    from torch.nn import Module

    M = TypeVar("M", bound=Module)
else:
    M = TypeVar("M")

nn = torch.nn
TILED: dict[type, type[TiledLayer]] = {
    nn.Linear: layers.TiledLinear,
    nn.modules.linear.NonDynamicallyQuantizableLinear: layers.TiledLinear,
    nn.Conv1d: layers.TiledConv1d,
    nn.Conv2d: layers.TiledConv2d,
    nn.Conv3d: layers.TiledConv3d,
    nn.ConvTranspose1d: layers.TiledConvTranspose1d,
    nn.ConvTranspose2d: layers.TiledConvTranspose2d,
    nn.LSTM: recurrent.TiledLSTM,
    nn.GRU: recurrent.TiledGRU,
    nn.RNN: recurrent.TiledRNN,
    nn.LSTMCell: recurrent.TiledLSTMCell,
    nn.GRUCell: recurrent.TiledGRUCell,
    nn.RNNCell: recurrent.TiledRNNCell,
    nn.MultiheadAttention: TiledAttention,
}
"""PyTorch's layers, and what they become. Subclasses of them may compute anything, and stay."""


class _Passes:
    """Around every forward pass of the whole module."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    def before(self, root: Any, arguments: Any) -> None:
        """Calibrate again where parameters have changed and the die is asked."""
        placement = self._placement
        placement.lock.acquire()
        if placement.watching:
            placement.begin()
            return
        reads = any(isinstance(m, Product) and not m.training for m in root.modules())
        if reads and placement.state != state_of(root):
            calibrate(root, placement)
        if reads and placement.placed != placement.state:
            map_products(root, placement)
        placement.begin()

    def after(self, root: Any, arguments: Any, result: Any) -> None:
        """The pass is over, or has failed."""
        self._placement.end()
        self._placement.lock.release()


def analog(
    model: M,
    chip: Chip | str | os.PathLike[str],
    *,
    samples: Any,
    seed: int = 0,
    board: str = "golden:",
    clip_rms: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> M:
    """A copy of ``model`` with every static product on the tiles of one die.

    Full layers, convolutions, recurrent layers and attention projections run on the board, bit for bit as
    the golden model computes them; everything else runs in PyTorch. ``eval()`` reads the die, mapped when it
    is first read and again where parameters have changed; gradients then go through the float weights.
    ``train()`` goes through the differentiable view of the chip, as ``ndrite train`` does: a fresh draw of
    programming error and read noise in every pass, converters, input codes.

    The result has ``model``'s class, parameters by name, and ``result.ndrite``, a ``Placement``: ``table()``
    says what runs where, ``first_index`` and ``noise`` choose the read noise, ``close()`` releases the board.
    The first dimension of tensors is taken for samples.

    Parameters
    ----------
    model:
        Any module.
    chip:
        A chip, a preset's name, the path of a YAML file, or several of these joined with ``+``.
    samples:
        Typical inputs: a tensor (n, ...), a tuple of arguments, a dictionary of named ones, or a list of
        these, for the ranges of inputs and converters. Not the test set.
    seed:
        Number of the die, and seed of its read noise, 0..2^48-1.
    board:
        URL, as for ``ndrite.connect``.
    clip_rms:
        Weights beyond so many root mean squares of their column are held there, in training and on the die;
        None: none are. Training through large programming errors wants 2 to 3.
    progress:
        When given, everything is mapped now, and ``progress(done, total)`` is called after every product.

    Raises
    ------
    EmulatorError
        Naming the layer, when the module has no product or too many, or one cannot be put on tiles.
    ChipError, InputError
        When the chip, the seed or the board is not one.
    """
    if not isinstance(model, nn.Module):
        raise EmulatorError(f"model is a {type(model).__name__}; accepted: a torch.nn.Module")
    found: Any = copy.deepcopy(model)
    if any(isinstance(m, TiledLayer) for m in found.modules()):
        raise EmulatorError(
            "model has products on tiles already; accepted: the model they were put there from"
        )
    chip = chip if isinstance(chip, Chip) else load_chip(chip)
    placement = Placement(chip, seed, board, _calls(samples), clip_rms)
    count = 0
    for name, module in list(found.named_modules()):
        kind = TILED.get(type(module))
        if kind is None:
            if isinstance(module, nn.modules.lazy.LazyModuleMixin):
                raise EmulatorError(f"{name}: its sizes are not known yet; run the model once before")
            if isinstance(module, nn.TransformerEncoder):
                module.use_nested_tensor = False  # its fused form reads parameters itself, past the die
            continue
        module.__class__ = kind
        why = module.refused()
        if why is not None:
            raise EmulatorError(f"{name}: {why}")
        count += module.put(name, count, placement)
    if not 1 <= count <= PRODUCTS_MAX:
        raise EmulatorError(
            f"{type(model).__name__} has {count} products; accepted: 1..{PRODUCTS_MAX}, of "
            + ", ".join(sorted({kind.__name__ for kind in TILED if "Dyn" not in kind.__name__}))
        )
    passes = _Passes(placement)
    found.ndrite = placement
    found.register_forward_pre_hook(passes.before)
    found.register_forward_hook(passes.after, always_call=True)
    calibrate(found, placement)
    if progress is not None:
        map_products(found, placement, progress)
    result: M = found
    return result


def _calls(samples: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Each call's positional and named arguments."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    for given in samples if isinstance(samples, list) else [samples]:
        if isinstance(given, dict):
            calls.append(((), given))
        elif isinstance(given, tuple):
            calls.append((given, {}))
        elif isinstance(given, torch.Tensor):
            calls.append(((given,), {}))
        else:
            raise EmulatorError(
                f"samples hold a {type(given).__name__}; accepted: tensors, tuples or dictionaries of "
                "arguments, or a list of these"
            )
    if not calls:
        raise EmulatorError("samples are empty; accepted: at least one call's")
    return calls
