"""Trainable networks: of hidden layers by their description, and of a float network as it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emulator.errors import EmulatorError
from emulator.learning.training.architecture import Bases, Convolution, Hidden, Pooling, Residual
from emulator.learning.training.extra import torch
from emulator.learning.training.layers import Crossbar
from emulator.learning.training.model import TrainedNetwork
from emulator.learning.training.neurons import NdrNeuron, make_neuron, neuron_of
from emulator.learning.training.nodes import (
    SKIP_MIN,
    TrainedGate,
    TrainedNode,
    TrainedPool,
    TrainedProduct,
    TrainedTable,
)
from emulator.learning.training.view import FLOAT, ChipView
from emulator.network import Network, Patches, Pool, Product
from emulator.spec import ProgramError
from emulator.spec.patches import Shape

FIXED = ("ndr-fixed",)
"""Kinds of neurons whose devices, those of bases too, stay as they are."""
SPREAD = 2.0
"""Peak voltages that the inputs of bases span when training starts, times their number."""


class Builder:
    """Appends layers to a network, each on the map before it; arguments as ``of_layers``."""

    def __init__(
        self, shape: Shape, view: ChipView, *, neuron: str, normalise: bool, height: float | None
    ) -> None:
        self.nodes: list[TrainedNode] = []
        self.shapes = [shape]
        self._view, self._neuron, self._normalise, self._height = view, neuron, normalise, height

    def add(self, layer: Hidden, *, to_bases: bool = False) -> None:
        """A layer; ``to_bases``: its sums go to bases, so that it has no function of its own. Raises
        EmulatorError when it does not fit the map."""
        shape = self.shapes[-1]
        last = "linear" if to_bases else self._neuron
        try:
            if isinstance(layer, Convolution):
                self._product(self._kernels(layer), layer.channels or shape[0], last)
            elif isinstance(layer, Residual):
                kernels = self._kernels(Convolution(channels=shape[0], kernel=layer.kernel))
                at = len(self.nodes)
                self._product(kernels, shape[0], self._neuron)
                self._product(kernels, shape[0], last, skip=at)
            elif isinstance(layer, Pooling):
                self._pool(layer)
            elif isinstance(layer, Bases):
                self._bases(layer)
            else:
                self._product(Patches.whole(shape), layer, last)
        except (ProgramError, EmulatorError) as error:
            raise EmulatorError(f"layer {layer} on a map of {shape}: {error}") from None

    def finished(self, outputs: int) -> TrainedNetwork:
        """The network, with a last full layer of so many sums."""
        shape = self.shapes[-1]
        patches = Patches.whole(shape)
        crossbar = Crossbar(patches.inputs, outputs, self._view)
        self.nodes.append(TrainedProduct((len(self.nodes),), patches, crossbar, None))
        return TrainedNetwork(self.nodes, [*self.shapes, (outputs, 1, 1)])

    def _kernels(self, layer: Convolution) -> Patches:
        shape = self.shapes[-1]
        side = layer.kernel // 2
        outputs = layer.channels or shape[0]
        if outputs % layer.groups:
            raise EmulatorError(f"{outputs} channels; accepted: a multiple of {layer.groups} groups")
        return Patches(
            shape=shape,
            kernel=(layer.kernel, layer.kernel),
            stride=(layer.stride, layer.stride),
            padding=(side, side, side, side),
            groups=shape[0] if layer.channels is None else layer.groups,
        )

    def _product(self, patches: Patches, outputs: int, kind: str, skip: int | None = None) -> None:
        crossbar = Crossbar(patches.inputs, outputs, self._view, patches)
        height = None if kind == "linear" else self._height
        neuron = make_neuron(kind, outputs, self._view, normalise=self._normalise, height=height)
        self.nodes.append(TrainedProduct((len(self.nodes),), patches, crossbar, neuron, skip=skip))
        self.shapes.append((outputs, *patches.grid))

    def _bases(self, layer: Bases) -> None:
        """``f((gain_k * x_c + shift_k) / peak)`` of basis k and channel c, basis by basis.

        Gain and shift are those of row drivers, one pair a basis. Peak, height and, where the ECRAM sets it,
        shape are the devices': of every channel and basis with ``each``, else of every basis. Peaks start
        evenly spread over the inputs.
        """
        (channels, height, width), count = self.shapes[-1], layer.count
        neuron = NdrNeuron(
            count * channels if layer.each else count,
            self._view,
            normalise=False,
            height=self._height,
            trainable=self._neuron not in FIXED,
        )
        gain, centres = SPREAD * count, (np.arange(count) + 0.5) / count
        channel = np.tile(np.arange(channels), count)
        table = TrainedTable((len(self.nodes),), channel, np.full(count, gain), 1.0 - gain * centres, neuron)
        self.nodes.append(table)
        self.shapes.append((count * channels, height, width))

    def _pool(self, layer: Pooling) -> None:
        shape = self.shapes[-1]
        patches = Patches.whole(shape)
        if layer.size is not None:
            size = (layer.size, layer.size)
            patches = Patches(shape=shape, kernel=size, stride=size)
        self.nodes.append(TrainedPool(Pool(layer.of, (len(self.nodes),), patches)))
        self.shapes.append((shape[0], *patches.grid))


def of_layers(
    shape: Shape,
    hidden: Sequence[Hidden],
    outputs: int,
    view: ChipView = FLOAT,
    *,
    neuron: str = "ndr",
    normalise: bool = True,
    height: float | None = None,
) -> TrainedNetwork:
    """A network of random weights.

    Raises EmulatorError when ``neuron`` is unknown, or a layer does not fit the map before it.

    Parameters
    ----------
    shape:
        Of the input map; (K, 1, 1) where samples are vectors.
    hidden:
        Layers, each on the one before it; a number is the width of a full layer.
    outputs:
        Sums of the last layer, which is added behind them.
    view:
        The chip.
    neuron:
        One of ``emulator.learning.training.neurons.KINDS``, in all hidden layers.
    normalise:
        Whether neurons have batch normalisation, which export folds into the weights.
    height:
        Start of every neuron's height, and keeps heights as they are at export: room for the ECRAM to move
        them both ways. None: near 1, and export makes the largest 1. NDR only.
    """
    builder = Builder(shape, view, neuron=neuron, normalise=normalise, height=height)
    for i, layer in enumerate(hidden):
        after = next((h for h in hidden[i + 1 :] if not isinstance(h, Pooling)), None)
        builder.add(layer, to_bases=isinstance(after, Bases))
    return builder.finished(outputs)


def of_network(network: Network, view: ChipView = FLOAT) -> TrainedNetwork:
    """A float network of any shape, to go on with: every array of it is trained.

    Normalisation was folded when the network was made and does not come back.
    """
    nodes = [TRAINED[node.kind](node, view) for node in network.nodes]
    return TrainedNetwork(nodes, network.map_shapes, network.states, network.calls)


def _trained_product(node: Product, view: ChipView) -> TrainedProduct:
    dense = node.dense
    crossbar = Crossbar(dense.inputs, dense.outputs, view, node.patches, node.pad)
    neuron = None if dense.activation is None else neuron_of(dense.activation, dense.outputs, view)
    product = TrainedProduct(node.sources, node.patches, crossbar, neuron, skip=node.skip)
    with torch.no_grad():
        crossbar.weight.copy_(torch.tensor(dense.weights))
        offset = product.bias if neuron is None else neuron.shift
        offset.copy_(torch.tensor(dense.bias))
        if node.skip_weight is not None:
            product.log_skip.copy_(torch.tensor(node.skip_weight).clamp(min=SKIP_MIN).log())
    return product


TRAINED: dict[str, Callable[[Any, ChipView], TrainedNode]] = {
    "product": _trained_product,
    "pool": lambda node, view: TrainedPool(node),
    "table": lambda node, view: TrainedTable(
        node.sources,
        node.channel,
        node.gain,
        node.shift_by,
        neuron_of(node.activation, len(node.channel), view),
    ),
    "gate": lambda node, view: TrainedGate(node),
}
"""By the kind of the network's node."""
