"""Several neighbouring outputs at once: a kernel programmed more than once, each time shifted.

Outputs of a block of g x h positions share most of their inputs, so one pass over the block's inputs,
C * (kh + (g - 1) * sh) * (kw + (h - 1) * sw) of them, gives g * h * M outputs. It needs as many columns, each
with its own cells: the shift-and-duplicate mapping of crossbar convolutions. Cells where a copy has no weight
are programmed to nothing, and their programming error and read noise count. Groups of channels that share
rows pay the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emulator.network import Dense, Ndr, Product
from emulator.spec.patches import Pair


def blocked(node: Product, block: Pair) -> Product:
    """The product for ``block`` positions at once; outputs row, column, channel.

    ``block`` divides the grid's rows and columns. Kernels with dilation or groups are laid out for (1, 1)
    only.
    """
    if block == (1, 1):
        return node
    dense, patches = node.dense, node.patches
    (rows, columns), (kh, kw), (sh, sw) = block, patches.kernel, patches.stride
    channels, outputs = patches.shape[0], dense.outputs
    reach = (kh + (rows - 1) * sh, kw + (columns - 1) * sw)
    weights = np.zeros((channels, *reach, rows, columns, outputs), np.float32)
    kernel = dense.weights.reshape(channels, kh, kw, outputs)
    for i, j in np.ndindex(rows, columns):
        weights[:, i * sh : i * sh + kh, j * sw : j * sw + kw, i, j] = kernel
    copies, activation = rows * columns, dense.activation
    if isinstance(activation, Ndr):
        activation = activation.of(np.tile(np.arange(outputs), copies))
    wide = Dense(weights.reshape(-1, copies * outputs), np.tile(dense.bias, copies), activation)
    top, left, _, _ = patches.padding
    # The padded map's last rows and columns that no kernel reaches are left out, so that blocks tile it.
    grid = patches.grid
    height, width = patches.shape[1:]
    bottom = (grid[0] - 1) * sh + kh - height - top
    right = (grid[1] - 1) * sw + kw - width - left
    cut = dataclasses.replace(
        patches,
        shape=(channels, height + min(bottom, 0), width + min(right, 0)),
        kernel=reach,
        stride=(sh * rows, sw * columns),
        padding=(top, left, max(bottom, 0), max(right, 0)),
    )
    weight = None if node.skip_weight is None else np.tile(node.skip_weight, copies)
    return Product(wide, node.sources, cut, node.pad, node.skip, weight)


def packed(node: Product, groups: int) -> Product:
    """A grouped product with fewer ``groups``: its own share rows, cells between them hold nothing."""
    patches, dense = node.patches, node.dense
    together = patches.groups // groups
    k, share = dense.inputs, dense.outputs // patches.groups
    weights = np.zeros((together, k, groups, together, share), np.float32)
    each = dense.weights.reshape(k, groups, together, share)
    for i in range(together):
        weights[i, :, :, i] = each[:, :, i]
    wide = dataclasses.replace(dense, weights=weights.reshape(together * k, -1))
    return dataclasses.replace(node, dense=wide, patches=dataclasses.replace(patches, groups=groups))


@dataclass(frozen=True)
class Way:
    """A way to lay out a product: in ``block`` positions at once; cycles a map, weight words a lane."""

    block: Pair
    cycles: int
    words: int


def ways(node: Product, lanes: int, slices: int, inputs_max: int) -> list[Way]:
    """Every block that tiles the grid and fits, (1, 1) first.

    A position takes as many cycles as rows go through the array, or as its neurons, of which one fires in a
    cycle.
    """
    patches, outputs = node.patches, node.dense.outputs
    share = outputs // patches.groups

    def way(block: Pair, inputs: int) -> Way:
        copies = block[0] * block[1]
        words = inputs * patches.groups * -(-share * copies // lanes)
        cycles = max(words * slices, outputs * copies) * patches.positions // copies
        return Way(block, cycles, words)

    found = [way((1, 1), node.dense.inputs)]
    if patches.dilation != (1, 1) or patches.groups > 1:
        return found
    for rows, columns in np.ndindex(patches.grid):
        block = (rows + 1, columns + 1)
        if patches.grid[0] % block[0] or patches.grid[1] % block[1] or block == (1, 1):
            continue
        reach = [k + (g - 1) * s for k, g, s in zip(patches.kernel, block, patches.stride, strict=True)]
        inputs = patches.shape[0] * reach[0] * reach[1]
        if outputs * block[0] * block[1] <= lanes and inputs <= inputs_max:
            found.append(way(block, inputs))
    return found


def laid_out(
    nodes: Sequence[Product],
    lanes: int,
    *,
    rows: int,
    slices: int = 1,
    depth: int | None = None,
    inputs_max: int = 1024,
) -> list[tuple[Product, Pair]]:
    """Each product as it is laid out for so many lanes, and its block.

    Groups are packed into as few as a tile of ``rows`` holds. Blocks take the fewest cycles that weight
    memories of ``depth`` words a lane allow (None: any): the block that saves most for its words goes first.
    """
    ours = [packed(node, _fewest_groups(node, lanes, rows, inputs_max)) for node in nodes]
    known = [ways(node, lanes, slices, inputs_max) for node in ours]
    chosen = [of_node[0] for of_node in known]
    while True:
        left = float("inf") if depth is None else depth - sum(way.words for way in chosen)
        gains = [
            ((now.cycles - way.cycles) / max(1, way.words - now.words), way.cycles, -i, way)
            for i, (now, of_node) in enumerate(zip(chosen, known, strict=True))
            for way in of_node
            if way.cycles < now.cycles and way.words - now.words <= left
        ]
        if not gains:
            break
        _, _, i, way = max(gains, key=lambda gain: gain[:3])
        chosen[-i] = way
    return [(blocked(node, way.block), way.block) for node, way in zip(ours, chosen, strict=True)]


def _fewest_groups(node: Product, lanes: int, rows: int, inputs_max: int) -> int:
    groups, k = node.patches.groups, node.dense.inputs
    share = node.dense.outputs // groups
    for fewer in range(1, groups):
        together = groups // fewer
        whole = -(-together * k // 8) * 8 * fewer
        if groups % fewer == 0 and together * k <= rows and together * share <= lanes and whole <= inputs_max:
            return fewer
    return groups
