"""Blocks: several neighbouring outputs computed at once, by kernels that are programmed
several times, each time shifted.

Outputs of a block of g x h positions share most of their inputs, so one pass over the
block's inputs, C * (kh + (g - 1) * sh) * (kw + (h - 1) * sw) of them, gives g * h * M
outputs. It needs as many columns, each with its own cells: the shift-and-duplicate
mapping of crossbar convolutions. Cells where a copy has no weight are programmed to
nothing, and their programming error and read noise count. Groups of channels that share
rows pay the same way.
"""

import dataclasses
import itertools
import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from ndrite.emulator.network import Dense, Ndr, Network, Product
from ndrite.emulator.spec import Program, steps
from ndrite.emulator.spec.geometry import (
    WORD_ROWS,
    Geometry,
    bank_rows,
    lane_groups,
    whole_readouts,
    words_a_lane,
)
from ndrite.emulator.spec.patches import Pair, Patches


def blocked(node: Product, block: Pair) -> Product:
    """Rewrite a convolution so that each of its patches yields a ``block`` of
    neighbouring output positions at once. Outputs are ordered by group of the grouped
    convolution, then row and column in the block, then channel.

    Blocks that reach beyond the grid give more rows and columns than the node does,
    behind its own. Kernels with dilation are laid out for (1, 1) only. A product that
    has a block of its own keeps that one.
    """
    if block == node.block:
        return node
    dense, patches = node.dense, node.patches
    (rows, columns), (kh, kw), (sh, sw) = block, patches.kernel, patches.stride
    (channels, height, width), groups = patches.shape, patches.groups
    reach = (kh + (rows - 1) * sh, kw + (columns - 1) * sw)
    weights = np.zeros(
        (*reach, channels // groups, groups, rows, columns, dense.outputs // groups), np.float32
    )
    kernel = dense.weights.reshape(kh, kw, channels // groups, groups, -1)
    for i, j in np.ndindex(rows, columns):
        weights[i * sh : i * sh + kh, j * sw : j * sw + kw, :, :, i, j] = kernel
    # For each column of the new matrix product, the number of the output of ``node``
    # that the column computes.
    column_of = np.tile(np.arange(dense.outputs).reshape(groups, 1, -1), (1, rows * columns, 1)).reshape(-1)
    activation = dense.activation
    if isinstance(activation, Ndr):
        activation = activation.of(column_of)
    wide = Dense(weights.reshape(-1, column_of.size), dense.bias[column_of], activation)
    top, left, _, _ = patches.padding
    # The last block may overrun the grid of output positions, so the padding at the
    # bottom and right is extended to the end of the last block.
    down, across = _tiles(patches.grid, block)
    bottom = (down * rows - 1) * sh + kh - height - top
    right = (across * columns - 1) * sw + kw - width - left
    cut = dataclasses.replace(
        patches,
        shape=(channels, height + min(bottom, 0), width + min(right, 0)),
        kernel=reach,
        stride=(sh * rows, sw * columns),
        padding=(top, left, max(bottom, 0), max(right, 0)),
    )
    weight = None if node.skip_weight is None else node.skip_weight[column_of]
    return dataclasses.replace(node, dense=wide, patches=cut, skip_weight=weight, block=block)


def _tiles(grid: Pair, block: Pair) -> Pair:
    """Return how many rows and columns of blocks cover a grid of output positions."""
    return -(-grid[0] // block[0]), -(-grid[1] // block[1])


def packed(node: Product, groups: int) -> Product:
    """Rewrite a grouped convolution to have fewer ``groups``: each new group combines
    several old groups, and the weights between different old groups are 0."""
    patches, dense = node.patches, node.dense
    together = patches.groups // groups
    area, share = patches.kernel[0] * patches.kernel[1], dense.outputs // patches.groups
    k = dense.inputs
    weights = np.zeros((area, together, k // area, groups, together, share), np.float32)
    weights_by_place = dense.weights.reshape(area, k // area, groups, together, share)
    for i in range(together):
        weights[:, i, :, :, i] = weights_by_place[:, :, :, i]
    # The columns of a new group are ordered by position in the block, then by old
    # group, then by channel.
    order = np.arange(dense.outputs).reshape(groups, together, node.copies, -1).swapaxes(1, 2).reshape(-1)
    activation = dense.activation.of(order) if isinstance(dense.activation, Ndr) else dense.activation
    wide = Dense(weights.reshape(together * k, -1)[:, order], dense.bias[order], activation)
    weight = None if node.skip_weight is None else node.skip_weight[order]
    patches = dataclasses.replace(patches, groups=groups)
    return dataclasses.replace(node, dense=wide, patches=patches, skip_weight=weight)


def as_designed(program: Program, network: Network | None) -> list[tuple[Patches, int]]:
    """Return the patches and the number of outputs of each matrix product as the
    network defines them, before mapping formed blocks and packed groups.

    Without the ``network`` that the program was made of, groups that were packed count as one.
    """
    if network is not None and len(network.products) == len(program.products):
        return [(node.patches, node.dense.outputs) for node in network.products]
    return [_unblocked(product) for product in program.products]


def _unblocked(product: steps.Product) -> tuple[Patches, int]:
    """Return the patches and the number of outputs that a matrix product would have if
    each patch yielded a single position instead of a block."""
    patches, block = product.patches, product.block
    # Mapping forms blocks whose stride is a multiple of the block. A block with another
    # stride is the network's own and is not taken apart.
    if any(s % b for s, b in zip(patches.stride, block, strict=True)):
        return patches, product.layer.outputs
    stride = patches.stride[0] // block[0], patches.stride[1] // block[1]
    rows, columns = (k - (b - 1) * s for k, b, s in zip(patches.kernel, block, stride, strict=True))
    once = dataclasses.replace(patches, kernel=(rows, columns), stride=stride)
    return once, product.layer.outputs // (block[0] * block[1])


VISITED = 0.45
"""Fraction of rows that are assumed to have an input other than 0 if it is unknown, as
after neurons that rectify."""
PASS_CYCLES, PATCH_CYCLES = 4, 1
"""Clock cycles of a pass over an array in addition to its rows, and of a patch in
addition to its slowest part. These and VISITED were determined by simulations of layers
of LeNet-5 and ResNet-8."""
NOISE_CYCLES = 36
"""Number of clock cycles in which the noise of ``Geometry.noise_units`` passes is computed."""


def cycles_a_row(rows: int, array: Geometry, visited: float) -> float:
    """Estimate the average clock cycles per row that the lanes take for a memory
    word of ``rows`` rows. In a cycle they process up to ``lane_rows`` rows whose
    input is not 0, within one word or across two. ``visited``: the fraction of
    inputs that are not 0."""
    if not array.skip:
        return 1.0
    at_once, some = array.lane_rows, range(rows + 1)
    chances = (math.comb(rows, n) * visited**n * (1 - visited) ** (rows - n) for n in some)
    return sum(chance * max(n / at_once, min(n, 1)) for n, chance in zip(some, chances, strict=True)) / rows


@dataclass(frozen=True)
class Way:
    """A possible layout of a matrix product on an array: the ``block`` of output
    positions computed at once, and three costs: clock cycles per map, weight words per
    lane, and columns."""

    block: Pair
    cycles: float
    words: int
    columns: int


def ways(
    node: Product,
    array: Geometry,
    *,
    rows: int,
    slices: int,
    beyond: bool = False,
    visited: float = VISITED,
) -> list[Way]:
    """List the layout of a matrix product for every block that fits, (1, 1) first.
    Blocks tile the grid of output positions. With ``beyond``, an odd number of rows or
    columns may also be divided into pairs, whose last block overruns the edge.

    A block takes as many cycles as its passes go through the array, as runs of its
    codes are read out of the maps, as their noise is worked out, or as its columns are
    read out and fire, with second operands or without. A tile has ``rows``; of a
    product of groups each stays within one, and begins a word. A share ``visited`` of
    its inputs is not 0.
    """
    patches, groups = node.patches, node.patches.groups
    channels, outputs = patches.shape[0] // groups, node.dense.outputs // groups

    def way(block: Pair) -> Way | None:
        copies, (down, across) = block[0] * block[1], _tiles(patches.grid, block)
        (high, wide) = (
            k + (n - 1) * s for k, n, s in zip(patches.kernel, block, patches.stride, strict=True)
        )
        inputs, share = channels * high * wide, outputs * copies
        large = share > array.lanes or bank_rows(inputs, groups) > array.max_inputs
        if copies > 1 and (large or (groups > 1 and inputs > rows)):
            return None
        passes = -(-inputs // rows) * slices * groups * array.groups(share)
        spread = lane_groups(share, array)
        read_count = inputs * groups * slices * array.groups(share) / spread
        # ``runs`` is (number, length) of the runs of codes in a patch that are
        # contiguous in memory: all channels of a kernel row or, in a grouped
        # convolution, the channels of one kernel position.
        runs = (high, wide * channels) if groups == 1 else (groups * high * wide, channels)
        read = runs[0] * -(-runs[1] // WORD_ROWS)
        cycles = max(
            read_count * cycles_a_row(WORD_ROWS // spread, array, visited) + PASS_CYCLES * passes,
            read * bool(array.map_codes),
            passes * max(share / array.readouts, array.noise * NOISE_CYCLES / array.noise_units),
            share * groups / (array.neurons if node.skip is None else array.second_operands),
        )
        columns, words = groups * whole_readouts(share, array), words_a_lane(inputs, share, groups, array)
        return Way(block, (cycles + PATCH_CYCLES) * down * across, words, columns)

    blocks: list[Pair] = [(1, 1)]
    if patches.dilation == (1, 1) == node.block:
        down, across = (
            [n for n in range(1, size + 1) if size % n == 0 or (beyond and n == 2)] for size in patches.grid
        )
        blocks = list(itertools.product(down, across))
    return [layout for block in blocks if (layout := way(block)) is not None]


def laid_out(
    nodes: Sequence[Product],
    array: Geometry,
    *,
    rows: int,
    slices: int,
    beyond: Container[int] = (),
    visited: Sequence[float] = (),
) -> list[Product]:
    """Choose the layout of each matrix product for an array; return the products
    rewritten to compute blocks of output positions.

    Groups are packed into as few as a tile of ``rows`` holds. Blocks take the fewest
    cycles that the array's weight words and column parameters allow: the block that
    saves most for its words goes first. ``beyond``: numbers of products whose maps may
    have more rows and columns than their nodes'. ``visited``: of each product, the
    share of its inputs that are not 0; none: ``VISITED``.
    """
    packed_nodes = [packed(node, _fewest_groups(node, array, rows)) for node in nodes]
    shares = visited or [VISITED] * len(packed_nodes)
    layouts = [
        ways(node, array, rows=rows, slices=slices, beyond=i in beyond, visited=share)
        for i, (node, share) in enumerate(zip(packed_nodes, shares, strict=True))
    ]
    chosen = [of_node[0] for of_node in layouts]
    while True:
        left = array.weight_depth - sum(layout.words for layout in chosen)
        more = array.columns - sum(layout.columns for layout in chosen)
        gains = [
            ((now.cycles - layout.cycles) / max(1, layout.words - now.words), layout.cycles, -i, layout)
            for i, (now, of_node) in enumerate(zip(chosen, layouts, strict=True))
            for layout in of_node
            if layout.cycles < now.cycles
            and layout.words - now.words <= left
            and layout.columns - now.columns <= more
        ]
        if not gains:
            break
        _, _, i, layout = max(gains, key=lambda gain: gain[:3])
        chosen[-i] = layout
    return [
        blocked(node, layout.block) if node.block == (1, 1) else node
        for node, layout in zip(packed_nodes, chosen, strict=True)
    ]


def _fewest_groups(node: Product, array: Geometry, rows: int) -> int:
    groups, k = node.patches.groups, node.dense.inputs
    share = node.dense.outputs // groups
    for fewer in range(1, groups):
        together = groups // fewer
        fits = together * k <= rows and together * share <= array.lanes
        if groups % fewer == 0 and fits and bank_rows(together * k, fewer) <= array.max_inputs:
            return fewer
    return groups
