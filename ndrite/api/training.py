"""trainable and trained: a network that any PyTorch loop trains, with a chip's errors in its forward pass."""

from __future__ import annotations

import os
from typing import Any

from emulator.device.description import Chip, load_chip
from emulator.network import Network
from host import InputError


def trainable(
    hidden: str,
    *,
    shape: tuple[int, ...],
    classes: int,
    chip: Chip | str | os.PathLike[str] | None = None,
    neuron: str = "ndr",
    normalise: bool = True,
    height: float | None = None,
) -> Any:
    """A ``torch.nn.Module`` of random weights; ``trained`` makes a network of it. Needs ``ndrite[train]``.

    In ``train()`` its forward pass draws the chip's errors anew. It takes samples (n, inputs) in 0..1, flat,
    and gives sums (n, classes).

    Parameters
    ----------
    hidden:
        Hidden layers, separated by commas, as for ``ndrite train --hidden``.
    shape:
        Of one sample: (inputs,), or (channels, rows, columns) of a map.
    classes:
        Sums of the last layer.
    chip:
        Chip whose errors are seen; None: plain floats.
    neuron:
        ndr, ndr-shared, ndr-fixed, relu, clipped-relu or sigmoid.
    normalise:
        Normalise by batch; folded into the weights at the end.
    height:
        Where heights of NDR neurons start, of the nominal peak current, 0.01..1.

    Raises
    ------
    EmulatorError
        When layers or the chip cannot be used, or PyTorch is missing.

    Examples
    --------
    >>> import ndrite, torch
    >>> model = ndrite.trainable("16", shape=(64,), classes=10, chip="wan2022")
    >>> x = torch.rand(32, 64)
    >>> tuple(model.train()(x).shape)
    (32, 10)
    >>> ndrite.trained(model, x).widths
    (64, 16, 10)
    """
    from emulator.learning.training.architecture import read_hidden
    from emulator.learning.training.build import of_layers
    from emulator.learning.training.view import FLOAT, view_of

    view = FLOAT
    if chip is not None:
        view = view_of(chip if isinstance(chip, Chip) else load_chip(chip))
    if len(shape) not in (1, 3):
        raise InputError(f"shape is {shape}; accepted: (inputs,) or (channels, rows, columns)")
    full = (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])
    layers = read_hidden(hidden)
    return of_layers(full, layers, classes, view, neuron=neuron, normalise=normalise, height=height)


def trained(model: Any, x: Any, *, name: str = "trained") -> Network:
    """The float network that a ``trainable`` has become; ``x`` tensor (n, inputs) settles normalisation."""
    from emulator.learning.training.model import export, settle_normalisation

    settle_normalisation(model, x)
    return export(model, name=name, provenance={})
