"""Order of an analog layer's units over its columns, where the next array's rows are wired to them.

Units may be computed in any order. A row of the next array takes whatever unit its column has, so the order
that hurts least there (``ndrite.emulator.mapping.cells``) is the order of the units.
"""

import dataclasses

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.mapping.cells import pair_targets, places, stuck_cells
from ndrite.emulator.mapping.nodes import layer_generators
from ndrite.emulator.mapping.weights import column_limits
from ndrite.emulator.mapping.wires import nearest
from ndrite.emulator.network import Dense, Ndr, Network
from ndrite.emulator.spec.arrays import Codes


def in_order(network: Network, chip: Chip, samples: Codes, seed: int) -> Network:
    """``network`` with the units of its wired layers in the order for chip ``seed``; it computes the same.

    Wired are full analog layers that only the next full layer reads. ``samples`` uint8 (n, inputs).
    """
    nodes, first = list(network.nodes), network.first
    products = list(network.products)
    positions = [nodes.index(product) for product in products]
    maps = network.maps(samples / np.float32(255))
    for number in range(len(products) - 1, 0, -1):
        i, j = positions[number - 1], positions[number]
        before, after = products[number - 1], products[number]
        read = [k for k, node in enumerate(nodes) if first + i in node.reads]
        is_chain = before.patches.is_whole and after.patches.is_whole and after.sources == (first + i,)
        devices = before.dense.activation
        if chip.readout.kind != "analog" or not is_chain or read != [j] or not isinstance(devices, Ndr):
            continue
        weights = after.dense.weights.astype(np.float64)
        top = chip.cell.levels - 1
        levels = nearest(weights / column_limits(weights, top + 1, uniform=True) * top, top)
        target = pair_targets(levels, chip.cell)
        stuck = stuck_cells(target.shape, chip, layer_generators(seed, number)[0])
        outputs = maps[first + i].reshape(len(samples), -1).astype(np.float64)
        order = np.argsort(places(target, stuck, chip, np.sqrt(np.square(outputs).mean(axis=0))))
        columns = Dense(before.dense.weights[:, order], before.dense.bias[order], devices.of(order))
        nodes[i] = products[number - 1] = dataclasses.replace(before, dense=columns)
        rows = dataclasses.replace(after.dense, weights=after.dense.weights[order])
        nodes[j] = dataclasses.replace(after, dense=rows)
    return dataclasses.replace(network, nodes=tuple(nodes))
