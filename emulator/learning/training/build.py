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
    nodes: list[TrainedNode] = []
    shapes = [shape]

    def product(patches: Patches, outputs: int, kind: str | None, skip: int | None = None) -> None:
        own = None if kind == "linear" else height
        fires = None if kind is None else make_neuron(kind, outputs, view, normalise=normalise, height=own)
        crossbar = Crossbar(patches.inputs, outputs, view, patches)
        nodes.append(TrainedProduct((len(nodes),), patches, crossbar, fires, skip=skip))
        shapes.append((outputs, *patches.grid))

    def add(layer: Hidden, last: str) -> None:
        before, at = shapes[-1], len(nodes)
        if isinstance(layer, Convolution):
            product(kernels(before, layer), layer.channels or before[0], last)
        elif isinstance(layer, Residual):
            same = kernels(before, Convolution(channels=before[0], kernel=layer.kernel))
            product(same, before[0], neuron)
            product(same, before[0], last, skip=at)
        elif isinstance(layer, Pooling):
            size = None if layer.size is None else (layer.size, layer.size)
            windows = (
                Patches.whole(before) if size is None else Patches(shape=before, kernel=size, stride=size)
            )
            nodes.append(TrainedPool(Pool(layer.of, (at,), windows)))
            shapes.append((before[0], *windows.grid))
        elif isinstance(layer, Bases):
            nodes.append(bases(at, before[0], layer, view, height, trainable=neuron not in FIXED))
            shapes.append((layer.count * before[0], *before[1:]))
        else:
            product(Patches.whole(before), layer, last)

    for i, layer in enumerate(hidden):
        after = next((h for h in hidden[i + 1 :] if not isinstance(h, Pooling)), None)
        before = shapes[-1]
        try:  # sums that go to bases have no function of their own
            add(layer, "linear" if isinstance(after, Bases) else neuron)
        except (ProgramError, EmulatorError) as error:
            raise EmulatorError(f"layer {layer} on a map of {before}: {error}") from None
    product(Patches.whole(shapes[-1]), outputs, None)
    return TrainedNetwork(nodes, shapes)


def kernels(shape: Shape, layer: Convolution) -> Patches:
    """Where a convolution's kernels lie on a map. Raises EmulatorError when groups do not divide channels."""
    outputs, side = layer.channels or shape[0], layer.kernel // 2
    if outputs % layer.groups:
        raise EmulatorError(f"{outputs} channels; accepted: a multiple of {layer.groups} groups")
    return Patches(
        shape=shape,
        kernel=(layer.kernel, layer.kernel),
        stride=(layer.stride, layer.stride),
        padding=(side, side, side, side),
        groups=shape[0] if layer.channels is None else layer.groups,
    )


def bases(
    source: int, channels: int, layer: Bases, view: ChipView, height: float | None, *, trainable: bool
) -> TrainedTable:
    """``f((gain_k * x_c + shift_k) / peak)`` of basis k and channel c, basis by basis.

    Gain and shift are those of row drivers, one pair a basis. Peak, height and, where the ECRAM sets it,
    shape are the devices': of every channel and basis with ``each``, else of every basis. Peaks start evenly
    spread over the inputs.
    """
    count = layer.count
    devices = count * channels if layer.each else count
    neuron = NdrNeuron(devices, view, normalise=False, height=height, trainable=trainable)
    gain, centres = SPREAD * count, (np.arange(count) + 0.5) / count
    channel = np.tile(np.arange(channels), count)
    return TrainedTable((source,), channel, np.full(count, gain), 1.0 - gain * centres, neuron)


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
