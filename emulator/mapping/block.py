"""Several neighbouring outputs at once: a kernel programmed more than once, each time shifted.

Outputs of a block of g x h positions share most of their inputs, so one pass over the block's inputs,
C * (kh + (g - 1) * sh) * (kw + (h - 1) * sw) of them, gives g * h * M outputs. It needs as many columns, each
with its own cells: the shift-and-duplicate mapping of crossbar convolutions. Cells where a copy has no weight
are programmed to nothing, and their programming error and read noise count.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.network import Activation, Dense, Ndr, Product
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
    copies = rows * columns
    wide = Dense(
        weights.reshape(-1, copies * outputs),
        np.tile(dense.bias, copies),
        _copied(dense.activation, copies),
    )
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


def best_block(node: Product, lanes: int, inputs_max: int = 1024) -> Pair:
    """The block with the fewest cycles a map on ``lanes`` lanes; (1, 1) where only that is laid out."""
    patches, outputs = node.patches, node.dense.outputs
    if patches.dilation != (1, 1) or patches.groups > 1:
        return (1, 1)
    best, least = (1, 1), float("inf")
    for rows, columns in np.ndindex(patches.grid):
        block = (rows + 1, columns + 1)
        if patches.grid[0] % block[0] or patches.grid[1] % block[1]:
            continue
        copies = block[0] * block[1]
        wide = outputs * copies
        if wide > max(lanes, outputs):
            continue
        reach = [k + (g - 1) * s for k, g, s in zip(patches.kernel, block, patches.stride, strict=True)]
        inputs = patches.shape[0] * reach[0] * reach[1]
        cycles = inputs * -(-wide // lanes) / copies
        if inputs <= inputs_max and cycles < least:
            best, least = block, cycles
    return best


def _copied(activation: Activation | None, copies: int) -> Activation | None:
    if isinstance(activation, Ndr):
        curve = activation.curve
        if curve is not None and activation.individual:
            curve = np.concatenate([curve[:1], np.tile(curve[1:], (copies, 1))])
        return Ndr(np.tile(activation.peak, copies), np.tile(activation.height, copies), curve)
    return activation
