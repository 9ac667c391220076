"""The trainable form of a fully connected network, and its export to a float ``Network``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.learning.training.extra import torch
from emulator.learning.training.layers import Crossbar
from emulator.learning.training.neurons import NdrNeuron, Neuron, make_neuron
from emulator.learning.training.view import ChipView, cells_view
from emulator.network import Activation, Dense, Network

if TYPE_CHECKING:
    from torch import Tensor


class NdrNetwork(torch.nn.Module):
    """Crossbars and neurons in turn; the last crossbar's outputs plus a bias are the logits.

    Parameters
    ----------
    widths:
        Inputs, hidden layers, outputs.
    view:
        The chip; None: the cells of preset ``wan2022``.
    neuron:
        One of ``emulator.learning.training.neurons.KINDS``.
    normalise:
        Whether neurons have batch normalisation, which export folds into the weights.
    height:
        Start of every neuron's height, and keeps heights as they are at export: room for the ECRAM to move
        them both ways. None: near 1, and export makes the largest 1. NDR only.

    Raises
    ------
    EmulatorError
        When ``neuron`` is unknown.
    """

    def __init__(
        self,
        widths: Sequence[int] = (784, 128, 10),
        view: ChipView | None = None,
        *,
        neuron: str = "ndr",
        normalise: bool = True,
        height: float | None = None,
    ) -> None:
        super().__init__()
        view = cells_view() if view is None else view
        self.crossbars = torch.nn.ModuleList(Crossbar(k, m, view) for k, m in pairwise(widths))
        self.neurons = torch.nn.ModuleList(
            make_neuron(neuron, m, view, normalise=normalise)
            if height is None
            else NdrNeuron(
                m,
                view,
                normalise=normalise,
                shared=neuron == "ndr-shared",
                trainable=neuron != "ndr-fixed",
                height=height,
            )
            for m in widths[1:-1]
        )
        self.bias = torch.nn.Parameter(torch.zeros(widths[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, outputs) of inputs (n, inputs) in [0, 1]."""
        for crossbar, neuron in zip(self.crossbars, self.neurons, strict=False):
            x = neuron(crossbar(x))
        logits: Tensor = self.crossbars[-1](x) + self.bias
        return logits


def settle_normalisation(model: NdrNetwork, x: Tensor) -> None:
    """Set every normalisation's mean and variance to those of ``x`` (n, inputs) with noise off.

    The running averages of training were taken through noisy, moving weights; averaged weights never had
    any at all.
    """
    with torch.no_grad():
        model.eval()
        for crossbar, neuron in zip(model.crossbars, model.neurons, strict=False):
            v = crossbar(x)
            neuron.settle(v)
            x = neuron(v)


def export(model: NdrNetwork, *, name: str, provenance: dict[str, Any]) -> Network:
    """The float network, with normalisation folded into weights and bias."""
    return export_layers(model.crossbars, model.neurons, model.bias, name=name, provenance=provenance)


def export_layers(
    crossbars: Sequence[Crossbar],
    neurons: Sequence[Neuron],
    bias: Tensor,
    *,
    name: str,
    provenance: dict[str, Any],
) -> Network:
    """The float network of a user's own model made of these modules: one neuron less than crossbars.

    ``bias`` (outputs,) is added to the last crossbar's sums.
    """
    layers: list[Dense] = []
    with torch.no_grad():
        scale = torch.ones(1, dtype=torch.float64)
        for i, crossbar in enumerate(crossbars):
            weight = crossbar.limited()[0].double() * scale
            activation: Activation | None = None
            if i < len(neurons):
                spread, offset = neurons[i].folded()
                activation, divisor, scale = neurons[i].exported()
                weight, shift = weight / (spread * divisor), offset / divisor
            else:
                shift = bias.double()
            layers.append(Dense(_floats(weight), _floats(shift), activation))
    return Network.chain(tuple(layers), name, provenance)


def _floats(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    array: np.ndarray[Any, np.dtype[np.float32]] = tensor.numpy().astype(np.float32)
    return array
