"""The trainable form of a float network of any shape, and its export."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ndrite.emulator.learning.training.neurons import Neuron
from ndrite.emulator.learning.training.nodes import PerTrainedKind, TrainedNode, TrainedProduct, cut
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.network import Network, Node, Pool, Product, State
from ndrite.emulator.network.floats import FloatArithmetic
from ndrite.emulator.spec.evaluate import At, last, run
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.patches import Shape

SETTLED_VALUES = 1 << 26
"""Limit on the number of values in the largest map of the samples from which batch
normalisation is computed; it determines how many samples are used."""
AT_ONCE = 1 << 24
"""Number of values in the largest map of the samples that an evaluation computes together."""


class _Tensors(FloatArithmetic, PerTrainedKind):
    """Arithmetic on PyTorch tensors: trained nodes are modules that compute their own
    result; pools and gates are computed here."""

    def trained(self, at: At, node: TrainedNode, maps: list[Tensor]) -> Tensor:
        """Return the result of a node with trained parameters, computed by the node."""
        result: Tensor = node(maps)
        return result

    def pool(self, at: At, node: Pool, maps: Any) -> Tensor:
        """Return the pooled map, (n, C, rows, columns), of a pooling node."""
        y, (g, h) = _pooled(node, cut(node, maps)), node.block
        y = y if node.gain == 1 else self.held(y * node.gain)
        return y if g == h == 1 else y.repeat_interleave(g, dim=2).repeat_interleave(h, dim=3)

    def held(self, y: Tensor) -> Tensor:
        """Return the results ``y`` of an average or a gate clipped to 0..1,
        as maps store them."""
        return y.clamp(0.0, 1.0)


def _pooled(pool: Pool, x: Tensor) -> Tensor:
    p = pool.patches
    if p.is_whole:
        return x.amax(dim=(2, 3), keepdim=True) if pool.of == "max" else x.mean((2, 3), keepdim=True)
    top, left, bottom, right = p.padding
    if any(p.padding):
        border = 0.0 if pool.of == "max" or pool.inside else pool.pad
        x = torch.nn.functional.pad(x, (left, right, top, bottom), value=border)
    if pool.of == "max":
        return torch.nn.functional.max_pool2d(x, p.kernel, p.stride, dilation=p.dilation)
    window = x.new_ones(x.shape[1], 1, *p.kernel)
    sums = torch.nn.functional.conv2d(x, window, None, p.stride, 0, p.dilation, x.shape[1])
    return sums / torch.from_numpy(pool.counts.reshape(p.grid)).to(sums)


class TrainedNetwork(torch.nn.Module):
    """A network in training: nodes that compute maps, as in
    ``ndrite.emulator.network.Network``. Nodes with parameters are PyTorch modules.

    ``ndrite.emulator.learning.training.job`` makes one of widths, or of a float
    network. ``shapes``: of every map.
    """

    def __init__(
        self,
        nodes: Sequence[TrainedNode | Node],
        shapes: Sequence[Shape],
        states: tuple[State, ...] = (),
        calls: int = 1,
    ) -> None:
        super().__init__()
        self.nodes = list(nodes)
        self.trained = torch.nn.ModuleList(node for node in nodes if isinstance(node, TrainedNode))
        self.shapes, self.states, self.calls = list(shapes), states, calls

    @property
    def products(self) -> list[TrainedProduct]:
        """Matrix products of the network, in order."""
        return [node for node in self.nodes if isinstance(node, TrainedProduct)]

    @property
    def neurons(self) -> list[Neuron]:
        """The neuron modules of all matrix products that have neurons, in order."""
        return [product.neuron for product in self.products if product.neuron is not None]

    @property
    def largest(self) -> int:
        """Number of values in the largest map of one sample."""
        return max(c * h * w for c, h, w in self.shapes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's outputs (n, outputs) for inputs x (n, inputs) in [0, 1]."""
        n = len(x)
        parts = x.reshape(n, self.calls, *self.shapes[0])
        states = [x.new_full((n, *s.shape), s.start) for s in self.states]
        firsts = (parts[:, call].contiguous(memory_format=torch.channels_last) for call in range(self.calls))
        calls = run(_Tensors(), self.nodes, self.states, firsts, states)
        return last(calls)[-1].reshape(n, -1)

    def outputs_of(self, x: Tensor) -> Tensor:
        """Return the network's outputs for inputs x with noise off and without
        gradients, computed for some of the samples at a time."""
        self.eval()
        with torch.no_grad():
            return torch.cat([self(part) for part in x.split(max(1, AT_ONCE // self.largest))])


def settle_normalisation(model: TrainedNetwork, x: Tensor) -> None:
    """Set the mean and variance of every batch normalisation to those that ``x`` (n,
    inputs) causes with noise off.

    The running averages of training were taken through noisy, moving weights; averaged
    weights never had any at all. Large maps use the first samples only
    (``SETTLED_VALUES``).
    """
    model.eval()
    for neuron in model.neurons:
        neuron.settling = True
    with torch.no_grad():
        model(x[: max(1, SETTLED_VALUES // model.largest)])


def export(
    model: TrainedNetwork, *, name: str, provenance: dict[str, Any], meaning: Meaning | None = None
) -> Network:
    """Return the trained model as a float network, with normalisation folded into
    weights and bias."""
    with torch.no_grad():
        factors = [torch.ones(1, dtype=torch.float64)] * (1 + len(model.states))
        nodes = []
        for node in model.nodes:
            if isinstance(node, TrainedNode):
                node, factor = node.export(factors[node.sources[0]])
            else:
                factor = factors[node.reads[0]]
            nodes.append(node)
            factors.append(factor)
    told_meaning = meaning or Meaning()
    return Network(tuple(nodes), model.shapes[0], name, provenance, model.states, model.calls, told_meaning)


def halved(network: Network) -> Network:
    """Return the network with weights rounded to half precision (11 bits). This halves
    the size of its file."""

    def rounded(product: Product) -> Product:
        weights = product.dense.weights.astype(np.float16).astype(np.float32)
        return dataclasses.replace(product, dense=dataclasses.replace(product.dense, weights=weights))

    products: dict[Node, Node] = {product: rounded(product) for product in network.products}
    nodes = tuple(products.get(node, node) for node in network.nodes)
    return dataclasses.replace(network, nodes=nodes)
