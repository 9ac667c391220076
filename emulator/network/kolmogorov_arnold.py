"""Functions that a Kolmogorov-Arnold network has learned: each is a function of one
input that a sum adds up."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import NetworkError, require
from ndrite.emulator.network.floats import result
from ndrite.emulator.network.network import Network
from ndrite.emulator.network.nodes import Product, Table
from ndrite.emulator.spec.arithmetic import Floats


def layers_of_functions(network: Network) -> list[int]:
    """Return the numbers of the nodes that form Kolmogorov-Arnold layers: tables whose
    results are summed by the fully connected layer directly after them."""
    first = network.first
    layers = []
    for product in network.products:
        i = network.nodes.index(product) - 1
        reads_table = i >= 0 and network.nodes[i].kind == "table" and product.sources == (first + i,)
        if reads_table and product.patches.is_whole and network.map_shapes[first + i][1:] == (1, 1):
            layers.append(i)
    return layers


def edge_functions(network: Network, node: int, x: npt.ArrayLike) -> Floats:
    """Return the functions that a Kolmogorov-Arnold layer has learned: what input i
    adds to sum j at input values ``x`` (points,) in 0..1, as an array (inputs,
    outputs, points).

    Sum j is that of all of them and its bias, in the layer's unit. ``node``: of
    ``layers_of_functions``. Raises NetworkError when the node is none of those.
    """
    function_layers = layers_of_functions(network)
    require(
        node in function_layers, f"node {node}", "no layer of functions", str(function_layers), NetworkError
    )
    table, product = network.nodes[node : node + 2]
    assert isinstance(table, Table)
    assert isinstance(product, Product)
    values = np.asarray(x, np.float32)
    shapes = [network.map_shapes[s] for s in table.sources]
    inputs = sum(int(np.prod(shape)) for shape in shapes)
    maps: dict[int, npt.NDArray[np.float32]] = {
        s: np.broadcast_to(values[:, None, None, None], (len(values), *shape)).astype(np.float32)
        for s, shape in zip(table.sources, shapes, strict=True)
    }
    terms = result(table, maps).reshape(len(values), -1).astype(np.float64)
    weights = product.dense.weights.astype(np.float64)
    functions = np.zeros((inputs, weights.shape[1], len(values)))
    for e, channel in enumerate(table.channel):
        functions[channel] += weights[e][:, None] * terms[:, e]
    return functions
