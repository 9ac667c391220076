"""Trainable networks: full layers of random weights, and a float network of any shape as it stands."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndrite.emulator.learning.training.layers import Crossbar
from ndrite.emulator.learning.training.model import TrainedNetwork
from ndrite.emulator.learning.training.neurons import make_neuron, neuron_of
from ndrite.emulator.learning.training.nodes import (
    SKIP_MIN,
    TrainedNode,
    TrainedProduct,
    TrainedTable,
)
from ndrite.emulator.learning.training.view import FLOAT, ChipView, torch
from ndrite.emulator.network import Ndr, Network, Patches, Product, Table
from ndrite.emulator.spec.arithmetic import Array
from ndrite.emulator.spec.patches import Shape


def of_widths(
    widths: Sequence[int],
    view: ChipView = FLOAT,
    *,
    neuron: str = "ndr",
    normalise: bool = True,
    height: float | None = None,
) -> TrainedNetwork:
    """Full layers of random weights: ``widths`` inputs, hidden neurons, outputs.

    Raises EmulatorError when ``neuron`` has no height.

    Parameters
    ----------
    view:
        The chip.
    neuron:
        One of ``ndrite.emulator.learning.training.neurons.KINDS``, in all hidden layers.
    normalise:
        Whether neurons have batch normalisation, which export folds into the weights.
    height:
        Start of every neuron's height, and keeps heights as they are at export: room for the ECRAM to move
        them both ways. None: near 1, and export makes the largest 1. NDR only.
    """
    nodes: list[TrainedNode] = []
    shapes: list[Shape] = [(width, 1, 1) for width in widths]
    for i, outputs in enumerate(widths[1:]):
        hidden = i + 2 < len(widths)
        fires = make_neuron(neuron, outputs, view, normalise=normalise, height=height) if hidden else None
        crossbar = Crossbar(widths[i], outputs, view)
        nodes.append(TrainedProduct((i,), Patches.whole(shapes[i]), crossbar, fires))
    return TrainedNetwork(nodes, shapes)


def of_network(network: Network, view: ChipView = FLOAT) -> TrainedNetwork:
    """A float network of any shape, to go on with: every array of it is trained.

    Normalisation was folded when the network was made and does not come back. Functions of a table that share
    a gain, a shift or a device go on sharing it.
    """
    nodes = [TRAINED[node.kind](node, view) if node.kind in TRAINED else node for node in network.nodes]
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


def _trained_table(node: Table, view: ChipView) -> TrainedTable:
    drivers = shared(node.gain, node.shift_by)
    gain, shift = (np.asarray(values)[:: len(values) // drivers] for values in (node.gain, node.shift_by))
    activation, devices = node.activation, len(node.channel)
    if isinstance(activation, Ndr):
        own_curves = activation.curve[1:].T if activation.curve is not None and activation.individual else ()
        devices = shared(node.gain, node.shift_by, activation.peak, activation.height, *own_curves)
        activation = activation.of(np.arange(0, len(node.channel), len(node.channel) // devices))
    return TrainedTable(node.sources, node.channel, gain, shift, neuron_of(activation, devices, view))


def shared(*values: Array) -> int:
    """The fewest runs of equal length, side by side, within which each of ``values`` (E,) is the same."""
    count = len(values[0])
    for runs in range(1, count):
        parts = [v.reshape(runs, -1) for v in values] if count % runs == 0 else []
        if parts and all((part == part[:, :1]).all() for part in parts):
            return runs
    return count


TRAINED: dict[str, Callable[[Any, ChipView], TrainedNode]] = {
    "product": _trained_product,
    "table": _trained_table,
}
"""By the kind of the network's node; the others have nothing to train."""
