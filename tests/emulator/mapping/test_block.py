"""Blocks and groups of a matrix product: they compute what single positions do, and
cost what is counted."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.mapping.block import as_designed, blocked, laid_out, packed, ways
from ndrite.emulator.network import Dense, Named, Network, Patches, Product
from ndrite.emulator.network.floats import FLOATS, result
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.geometry import words_a_lane


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("block", "stride", "padding"),
    [
        ((2, 2), (1, 1), (0, 0, 0, 0)),
        ((1, 4), (1, 1), (1, 1, 1, 1)),
        ((2, 1), (1, 1), (1, 1, 1, 1)),
        ((2, 4), (2, 2), (0, 0, 0, 0)),
        ((4, 2), (2, 1), (1, 0, 1, 1)),
        ((3, 3), (1, 2), (1, 1, 0, 0)),
    ],
)
def test_a_block_gives_what_its_positions_give(
    block: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int], groups: int
) -> None:
    """Behind the last row and column too, where it does not divide them."""
    rng = np.random.default_rng(1)
    # Rows and columns that a stride of two leaves unread at the end are there too.
    height, width = 8 * stride[0] + 2 - padding[0] - padding[2], 8 * stride[1] + 1 - padding[1] - padding[3]
    patches = Patches(
        shape=(2 * groups, height, width), kernel=(3, 2), stride=stride, padding=padding, groups=groups
    )
    assert patches.grid == (8, 8)
    dense = Dense(rng.normal(size=(12, 3 * groups)), rng.normal(size=3 * groups), Named("relu"))
    x = rng.integers(0, 256, (4, 2 * groups, height, width)).astype(np.float32)
    node = Product(dense, (0,), patches)
    wide = blocked(node, block)
    cut = wide.patches
    assert cut.grid == (-(-8 // block[0]), -(-8 // block[1]))
    # Blocks end where the map with its padding does, and one by one their positions
    # are the design's.
    ends = [b + (n - 1) * s for b, n, s in zip(cut.kernel, cut.grid, cut.stride, strict=True)]
    padded = [cut.shape[i + 1] + cut.padding[i] + cut.padding[i + 2] for i in (0, 1)]
    assert padded == ends
    layer = SimpleNamespace(outputs=wide.dense.outputs)
    step = SimpleNamespace(patches=cut, block=block, layer=layer)
    ((once, outputs),) = as_designed(SimpleNamespace(products=[step]), None)  # type: ignore[arg-type]
    assert (once.kernel, once.stride, outputs) == (patches.kernel, stride, dense.outputs)
    z, single = FLOATS.sums(wide, {0: x}), patches.place(FLOATS.sums(node, {0: x}))
    assert wide.block == block
    np.testing.assert_allclose(cut.place(z, block)[:, :, :8, :8], single, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(cut.gather(cut.place(z, block), block), z)
    np.testing.assert_allclose(result(wide, {0: x})[:, :, :8, :8], result(node, {0: x}), rtol=1e-4, atol=1e-2)


def test_the_best_block_fills_the_lanes() -> None:
    dense = Dense(np.ones((25, 6)), np.zeros(6), Named("relu"))
    node = Product(dense, (0,), Patches(shape=(1, 32, 32), kernel=(5, 5)))

    def block(lanes: int, readouts: int = 1, **fields: Any) -> tuple[int, int]:
        return laid_out([node], Geometry(lanes=lanes, readouts=readouts, **fields), rows=128, slices=1)[
            0
        ].block

    assert block(6) == (1, 1)
    rows, columns = block(64)
    assert 6 * rows * columns <= 64
    assert (5 + rows - 1) * (5 + columns - 1) / (rows * columns) < 25 / 4
    # Two positions side by side see 30 inputs, four in a square 36.
    assert block(64, weight_depth=16) == (1, 1)
    assert block(64, weight_depth=32) in ((1, 2), (2, 1))
    # Of 24 columns two groups of 32 lanes take a row each; more columns would take
    # all lanes at once.
    assert block(64, 4, skip=True, overlap=True, map_codes=2048, lane_groups=4) == (2, 2)


def test_words_go_where_they_save_most() -> None:
    """The product of a thousand positions gets its copies, that of four does not."""
    dense = Dense(np.ones((45, 12)), np.zeros(12), Named("relu"))
    few = Product(dense, (0,), Patches(shape=(5, 4, 4), kernel=(3, 3)))
    dense = Dense(np.ones((9, 4)), np.zeros(4), Named("relu"))
    many = Product(dense, (0,), Patches(shape=(1, 34, 34), kernel=(3, 3)))

    def blocks(**fields: int) -> list[tuple[int, int]]:
        return [
            node.block for node in laid_out([few, many], Geometry(lanes=64, **fields), rows=128, slices=1)
        ]

    assert blocks(weight_depth=64) == [(1, 1), (2, 2)]
    assert blocks(weight_depth=128) == [(2, 2), (4, 4)]
    assert blocks(columns=32) == [(1, 1), (2, 2)]
    quiet, noisy = (
        ways(many, Geometry(lanes=64, noise=noise), rows=128, slices=1) for noise in (False, True)
    )
    # The noise of a pass takes longer than its nine rows, and not as long as
    # sixty-four columns.
    longer = {a.block: b.cycles > a.cycles for a, b in zip(quiet, noisy, strict=True)}
    assert longer[1, 1]
    assert not longer[4, 4]


FAST = {"skip": True, "overlap": True, "map_codes": 8192, "lane_groups": 8}
LAYOUTS = [
    # channels, rows and columns of the map, outputs, groups, strides; the array; rows
    # of a tile; slices
    (1, (10, 12), 4, 1, (1, 1), {"lanes": 64, "lane_rows": 2, **FAST}, 128, 1),
    (3, (10, 12), 12, 1, (2, 1), {"lanes": 32, "readouts": 2}, 16, 2),
    (4, (10, 12), 8, 4, (1, 2), {"lanes": 16, "noise": False, "readouts": 2, "skip": True}, 24, 4),
    (16, (6, 8), 16, 16, (1, 1), {"lanes": 128, "noise": False, **FAST}, 128, 1),
    (8, (6, 8), 6, 1, (1, 1), {"lanes": 128, "noise": False, "lane_rows": 2, **FAST}, 128, 1),
    (2, (3, 9), 128, 2, (1, 1), {"lanes": 128, **FAST}, 128, 1),
    (5, (4, 3), 36, 1, (1, 1), {"lanes": 16, "noise": False}, 16, 2),
]


@pytest.mark.parametrize("skip", [None, 1])
@pytest.mark.parametrize("case", LAYOUTS, ids=range(len(LAYOUTS)))
def test_a_layout_costs_what_its_parts_add_up_to(case: Any, skip: int | None) -> None:
    """Every block that fits, with its rows, passes, runs of codes, noise and columns
    counted one by one."""
    channels, (height, width), outputs, groups, stride, fields, rows, slices = case
    array = Geometry(max_inputs=256, **fields)
    patches = Patches(shape=(channels, height, width), kernel=(3, 2), stride=stride, groups=groups)
    weight = None if skip is None else np.ones(outputs)
    dense = Dense(np.ones((patches.inputs, outputs)), np.zeros(outputs), Named("relu"))
    node = Product(dense, (0,), patches, skip=skip, skip_weight=weight)
    down, across = patches.grid
    wanted = {}
    for block in itertools.product(range(1, down + 1), range(1, across + 1)):
        if down % block[0] * (block[0] != 2) or across % block[1] * (block[1] != 2):
            continue
        high, wide = (max(n * s for n in range(b)) + k for b, s, k in zip(block, stride, (3, 2), strict=True))
        of_group, share = range(high * wide * channels // groups), range(outputs // groups * math.prod(block))
        bank = len(of_group) if groups == 1 else groups * len(of_group[::8]) * 8
        fits = len(share) <= array.lanes and bank <= 256 and (groups == 1 or len(of_group) <= rows)
        if block != (1, 1) and not fits:
            continue
        # Lanes divide by two until all columns of a group have a lane.
        halved = [n for n in (2, 4, 8) if n <= array.lane_groups and len(share) * n <= array.lanes]
        parts = max([1, *halved])
        seen = list(itertools.product((0, 1), repeat=8 // parts))  # whether each row of a word has an input
        odds = [math.prod(0.3 if row else 0.7 for row in word) for word in seen]
        took = [max(sum(word) / array.lane_rows, any(word)) if array.skip else len(word) for word in seen]
        a_row = sum(p * t for p, t in zip(odds, took, strict=True)) * parts / 8
        passes = groups * slices * len(of_group[::rows]) * len(share[:: array.lanes])
        entered = groups * slices * len(of_group) * len(share[:: array.lanes]) / parts * a_row + 4 * passes
        run = range(wide * channels if groups == 1 else channels // groups)
        reads = len(run[::8]) * high * (1 if groups == 1 else groups * wide) * (array.map_codes > 0)
        noise = 36 / array.noise_units if array.noise else 0
        fired = groups * len(share) / (array.neurons if skip is None else array.second_operands)
        slowest = max(entered, reads, passes * len(share) / array.readouts, passes * noise, fired)
        positions = len(range(0, down, block[0])) * len(range(0, across, block[1]))
        columns = groups * len(share[:: array.readouts]) * array.readouts
        words = words_a_lane(len(of_group), len(share), groups, array)
        wanted[block] = (pytest.approx((slowest + 1) * positions), words, columns)
    found = ways(node, array, rows=rows, slices=slices, beyond=True, visited=0.3)
    assert {way.block: (way.cycles, way.words, way.columns) for way in found} == wanted
    assert found[0].block == (1, 1)
    inside = [way.block for way in ways(node, array, rows=rows, slices=slices)]
    assert inside == [way.block for way in found if not (down % way.block[0] or across % way.block[1])]
    few, usual, all_of_them = (
        ways(node, array, rows=rows, slices=slices, **how)[0].cycles
        for how in ({"visited": 0.2}, {}, {"visited": 0.9})
    )
    assert few == usual == all_of_them or few < usual < all_of_them


@pytest.mark.parametrize("seed", range(24))
def test_what_saves_most_for_its_words_goes_first(seed: int) -> None:
    """Step by step, with the costs of ``ways``; of equals what leaves most cycles, and
    the first product."""
    rng = np.random.default_rng(seed)
    nodes, visited = [], rng.uniform(0.2, 0.9, 3).tolist()
    for m in range(3):
        shape = (int(rng.integers(1, 4)), int(rng.integers(5, 9)), int(rng.integers(5, 9)))
        patches, outputs = Patches(shape=shape, kernel=(2, 2)), int(rng.integers(2, 9))
        dense = Dense(np.ones((patches.inputs, outputs)), np.zeros(outputs), Named("relu"))
        nodes.append(Product(dense, (m,), patches))
    nodes[1] = nodes[0] if seed % 2 else nodes[1]
    visited[1] = visited[0] if seed % 2 else visited[1]
    fields = FAST if seed % 3 else {}
    depth, across = (2 ** int(rng.integers(low, 8)) for low in (4, 5))
    array = Geometry(lanes=128, weight_depth=depth, columns=across, **fields)
    costs = [
        {way.block: way for way in ways(node, array, rows=16, slices=2, beyond=m == 1, visited=share)}
        for m, (node, share) in enumerate(zip(nodes, visited, strict=True))
    ]
    blocks = [(1, 1)] * 3
    while True:
        now = [of_node[block] for of_node, block in zip(costs, blocks, strict=True)]
        words, columns = (sum(getattr(way, name) for way in now) for name in ("words", "columns"))
        best, chosen = 0.0, None
        every = [(m, way) for m, of_node in enumerate(costs) for way in of_node.values()]
        for m, way in sorted(every, key=lambda each: -each[1].cycles):
            more, saves = way.words - now[m].words, now[m].cycles - way.cycles
            fits = words + more <= depth and columns + way.columns - now[m].columns <= across
            if fits and saves / max(more, 1) > best:
                best, chosen = saves / max(more, 1), (m, way.block)
        if chosen is None:
            break
        blocks[chosen[0]] = chosen[1]
    laid = laid_out(nodes, array, rows=16, slices=2, beyond={1}, visited=visited)
    assert [node.block for node in laid] == blocks


def test_zeros_that_samples_show_decide() -> None:
    """Of inputs that all count, fewer neighbours go at once: more groups of lanes
    share their rows."""
    first = Product(
        Dense(np.ones((25, 6)), np.zeros(6), Named("relu")), (0,), Patches(shape=(1, 32, 32), kernel=(5, 5))
    )
    where = Patches(shape=(6, 28, 28), kernel=(1, 1), stride=(28, 28))
    network = Network((first, Product(Dense(np.ones((6, 2)), np.zeros(2)), (1,), where)), (1, 32, 32), "two")
    fast = {"skip": True, "overlap": True, "map_codes": 8192, "lane_groups": 8, "lane_rows": 2}
    how = MapOptions(target=Geometry(lanes=128, readouts=4, **fast))
    x = np.random.default_rng(0).integers(1, 256, (32, 1024)).astype(np.uint8)
    sparse = np.where(np.arange(1024) % 3 == 0, x, 0).astype(np.uint8)
    blocks = [
        map_network(network, "ideal", some, options=how).program.products[0].block for some in (x, sparse)
    ]
    assert blocks == [(2, 4), (4, 4)]


@pytest.mark.parametrize("block", [(1, 1), (1, 2)])
@pytest.mark.parametrize(
    ("lanes", "rows", "codes", "groups"),
    [
        (64, 30, 1024, 2),
        (6, 30, 64, 4),
        (3, 30, 1024, 8),
        (2, 30, 1024, 8),
        (16, 48, 1024, 1),
        (6, 30, 32, 8),
    ],
)
def test_packed_groups_give_what_groups_apart_give(
    lanes: int, rows: int, codes: int, groups: int, block: tuple[int, int]
) -> None:
    """Eight groups of two columns: as many together as a tile, the lanes and the
    bank of codes hold."""
    rng = np.random.default_rng(3)
    patches = Patches(shape=(8, 5, 5), kernel=(3, 2), groups=8)
    dense, weight = Dense(rng.normal(size=(6, 16)), rng.normal(size=16), Named("relu")), rng.uniform(size=16)
    node = Product(dense, (0,), patches, skip=1, skip_weight=weight, block=block)
    (wide,) = laid_out([node], Geometry(lanes=lanes, readouts=1, max_inputs=codes), rows=rows, slices=1)
    assert (wide.block, wide.patches.groups) == (block, groups)
    assert wide.dense.weights.shape == (48 // groups, 16)
    x = {0: rng.uniform(size=(3, 8, 5, 5)).astype(np.float32)}
    x[1] = rng.uniform(size=(3, 16 // math.prod(block), 3, 4 * block[1])).astype(np.float32)
    for laid in (wide, packed(node, 1)):
        np.testing.assert_allclose(result(laid, x), result(node, x), rtol=1e-5, atol=1e-5)
