"""The trainable 784-128-10 form (any widths) and its export to a float ``Network``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.network import Activation, Dense, Ndr, Network
from emulator.physics.rram import WAN_2022, ProgrammingError
from emulator.training.extra import torch
from emulator.training.layers import Crossbar, NdrNeuron

if TYPE_CHECKING:
    from torch import Tensor


class NdrNetwork(torch.nn.Module):
    """Crossbars and NDR neurons in turn; the last crossbar's outputs plus a bias are the logits.

    Defaults are the chip preset ``wan2022``: 16 levels up to 40 uS, 1 % read noise.
    """

    def __init__(
        self,
        widths: Sequence[int] = (784, 128, 10),
        *,
        error: ProgrammingError = WAN_2022,
        g_max_uS: float = 40.0,
        levels: int = 16,
        read_noise: float = 0.01,
        clip_rms: float = 2.5,
        noise_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.crossbars = torch.nn.ModuleList(
            Crossbar(
                k,
                m,
                error=error,
                g_max_uS=g_max_uS,
                levels=levels,
                read_noise=read_noise,
                clip_rms=clip_rms,
                noise_scale=noise_scale,
            )
            for k, m in pairwise(widths)
        )
        self.neurons = torch.nn.ModuleList(NdrNeuron(m) for m in widths[1:-1])
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
            neuron.norm.running_mean.copy_(v.mean(dim=0))
            neuron.norm.running_var.copy_(v.var(dim=0))
            x = neuron(v)


def export(model: NdrNetwork, *, name: str, provenance: dict[str, Any]) -> Network:
    """The float network: normalisation folded into weights and bias, largest height made 1."""
    layers: list[Dense] = []
    with torch.no_grad():
        scale = torch.ones(1)
        for i, crossbar in enumerate(model.crossbars):
            weight = crossbar.limited()[0].double() * scale
            activation: Activation | None = None
            if i < len(model.neurons):
                neuron = model.neurons[i]
                spread = torch.sqrt(neuron.norm.running_var.double() + neuron.norm.eps)
                bias = neuron.shift.double() - neuron.norm.running_mean.double() / spread
                weight = weight / spread
                height = torch.exp(neuron.log_height.double().clamp(max=0.0))
                # The next layer takes the scale: activations then use the whole code range.
                scale = height.max()
                activation = Ndr(_floats(torch.exp(neuron.log_peak.double())), _floats(height / scale))
            else:
                bias = model.bias.double()
            layers.append(Dense(_floats(weight), _floats(bias), activation))
    return Network(tuple(layers), name, provenance)


def _floats(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    array: np.ndarray[Any, np.dtype[np.float32]] = tensor.numpy().astype(np.float32)
    return array
