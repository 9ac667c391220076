"""Bases in training: several NDR curves of every value, which the crossbar behind them sums.

A Kolmogorov-Arnold layer is ``y_j = sum_i sum_k w_jik f_k(x_i)``: a table node of curves ``f_k``, then a full
layer with the weights w. Nothing in the arithmetic is new.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from emulator.learning.training.architecture import Bases
from emulator.learning.training.extra import torch
from emulator.learning.training.neurons import NdrNeuron
from emulator.learning.training.nodes import TrainedNode, one_factor
from emulator.learning.training.view import FLOAT, ChipView
from emulator.network import Ndr, Node, Table
from emulator.spec.patches import Shape

if TYPE_CHECKING:
    from torch import Tensor

SPREAD = 2.0
"""Peak voltages that the input spans when training starts, times the number of bases."""


class TrainedBases(TrainedNode):
    """``count`` curves of every channel: basis k of channel c is ``f((gain_k * x_c + shift_k) / peak)``.

    Gain (kept above 0) and shift are those of row drivers, one pair a basis for the whole layer. Peak, height
    and, where the ECRAM sets it, shape are the devices': of every channel and basis with ``each``, else of
    every basis. Peaks start evenly spread over the inputs. The result's channels go basis by basis.

    Parameters
    ----------
    channels:
        Of the source.
    height:
        As ``NdrNeuron``.
    trainable:
        Whether the devices are trained; gain and shift always are.
    """

    def __init__(
        self,
        sources: tuple[int, ...],
        channels: int,
        bases: Bases,
        view: ChipView = FLOAT,
        *,
        height: float | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(sources)
        self.channels, self.bases = channels, bases
        count = bases.count
        outputs = count * channels if bases.each else count
        self.neuron = NdrNeuron(outputs, view, normalise=False, height=height, trainable=trainable)
        self.neuron.shift.requires_grad_(False).zero_()
        gain = SPREAD * count
        centres = (torch.arange(count) + 0.5) / count
        self.log_slope = torch.nn.Parameter(torch.full((count,), float(np.log(gain))))
        self.shift = torch.nn.Parameter(1.0 - gain * centres)

    def forward(self, maps: list[Tensor], settle: bool = False) -> Tensor:
        """(n, count * C, H, W)."""
        x = self.source(maps)
        n, _, height, width = x.shape
        gain, shift = torch.exp(self.log_slope), self.shift
        z = x.reshape(n, 1, -1, width) * gain.view(-1, 1, 1) + shift.view(-1, 1, 1)
        if self.bases.each:
            z = z.reshape(n, -1, height, width)
        y: Tensor = self.neuron(z)
        return y.reshape(n, -1, height, width)

    def export(self, factors: list[Tensor], shapes: list[Shape]) -> tuple[Node, Tensor]:
        """A table of every channel and basis."""
        factor = one_factor("a table of bases", self.sources, factors)
        activation, _, after = self.neuron.exported()
        assert isinstance(activation, Ndr)
        if not self.bases.each:
            activation = _repeated(activation, self.channels)
        gain = torch.exp(self.log_slope.double()) * factor
        channel = np.tile(np.arange(self.channels, dtype=np.int32), self.bases.count)
        gains, shifts = (
            values.double().numpy().astype(np.float32).repeat(self.channels) for values in (gain, self.shift)
        )
        return Table(self.sources, channel, gains, shifts, activation), after


def _repeated(activation: Ndr, times: int) -> Ndr:
    """Every neuron so many times, side by side."""
    curve = activation.curve
    if activation.individual and curve is not None:
        curve = np.concatenate([curve[:1], curve[1:].repeat(times, axis=0)])
    peak, height = activation.peak.repeat(times), activation.height.repeat(times)
    return dataclasses.replace(activation, peak=peak, height=height, curve=curve)
