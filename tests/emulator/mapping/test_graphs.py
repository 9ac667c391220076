"""Networks that are no chains: patches, blocks, and every kind of node mapped, against the float network."""

from typing import Any

import numpy as np
import pytest

from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.mapping.block import as_designed, blocked, laid_out, packed, ways
from ndrite.emulator.mapping.explain.forward import Forward, stages
from ndrite.emulator.network import (
    Dense,
    Gate,
    Named,
    Network,
    Patches,
    Pool,
    Product,
    Sampled,
    State,
    Table,
    Term,
)
from ndrite.emulator.network.floats import FLOATS, result
from ndrite.emulator.spec import Geometry


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("block", "stride", "padding"),
    [
        ((2, 2), (1, 1), (0, 0, 0, 0)),
        ((1, 4), (1, 1), (1, 1, 1, 1)),
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
    height, width = 7 * stride[0] + 3 - padding[0] - padding[2], 7 * stride[1] + 2 - padding[1] - padding[3]
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
    z, single = FLOATS.sums(wide, {0: x}), patches.place(FLOATS.sums(node, {0: x}))
    assert wide.block == block
    np.testing.assert_allclose(cut.place(z, block)[:, :, :8, :8], single, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(cut.gather(cut.place(z, block), block), z)
    np.testing.assert_allclose(result(wide, {0: x})[:, :, :8, :8], result(node, {0: x}), rtol=1e-4, atol=1e-2)


def test_the_best_block_fills_the_lanes() -> None:
    dense = Dense(np.ones((25, 6)), np.zeros(6), Named("relu"))
    node = Product(dense, (0,), Patches(shape=(1, 32, 32), kernel=(5, 5)))

    def block(lanes: int, readouts: int = 1, **fields: Any) -> tuple[int, int]:
        return laid_out([node], Geometry(lanes=lanes, readouts=readouts, **fields), rows=128)[0].block

    assert block(6) == (1, 1)
    rows, columns = block(64)
    assert 6 * rows * columns <= 64
    assert (5 + rows - 1) * (5 + columns - 1) / (rows * columns) < 25 / 4
    # Two positions side by side see 30 inputs, four in a square 36.
    assert block(64, weight_depth=16) == (1, 1)
    assert block(64, weight_depth=32) in ((1, 2), (2, 1))
    # Of 24 columns two groups of 32 lanes take a row each; more columns would take all lanes at once.
    assert block(64, 4, skip=True, overlap=True, map_codes=2048, lane_groups=4) == (2, 2)


def test_words_go_where_they_save_most() -> None:
    """The product of a thousand positions gets its copies, that of four does not."""
    dense = Dense(np.ones((45, 12)), np.zeros(12), Named("relu"))
    few = Product(dense, (0,), Patches(shape=(5, 4, 4), kernel=(3, 3)))
    dense = Dense(np.ones((9, 4)), np.zeros(4), Named("relu"))
    many = Product(dense, (0,), Patches(shape=(1, 34, 34), kernel=(3, 3)))

    def blocks(**fields: int) -> list[tuple[int, int]]:
        return [node.block for node in laid_out([few, many], Geometry(lanes=64, **fields), rows=128)]

    assert blocks(weight_depth=64) == [(1, 1), (2, 2)]
    assert blocks(weight_depth=128) == [(2, 2), (4, 4)]
    assert blocks(columns=32) == [(1, 1), (2, 2)]
    quiet, noisy = (ways(many, Geometry(lanes=64, noise=noise), rows=128) for noise in (False, True))
    # The noise of a pass takes longer than its nine rows, and not as long as sixty-four columns.
    longer = {a.block: b.cycles > a.cycles for a, b in zip(quiet, noisy, strict=True)}
    assert longer[1, 1]
    assert not longer[4, 4]


def test_zeros_that_samples_show_decide() -> None:
    """Of inputs that all count, fewer neighbours go at once: more groups of lanes share their rows."""
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
@pytest.mark.parametrize(("lanes", "groups"), [(64, 2), (6, 4), (3, 8), (2, 8)])
def test_packed_groups_give_what_groups_apart_give(lanes: int, groups: int, block: tuple[int, int]) -> None:
    """Eight groups of two columns: as many together as a tile of 40 rows and the lanes hold."""
    rng = np.random.default_rng(3)
    patches = Patches(shape=(8, 5, 5), kernel=(3, 3), groups=8)
    node = Product(
        Dense(rng.normal(size=(9, 16)), rng.normal(size=16), Named("relu")), (0,), patches, block=block
    )
    (wide,) = laid_out([node], Geometry(lanes=lanes, readouts=1), rows=40)
    assert (wide.block, wide.patches.groups) == (block, groups)
    assert wide.dense.weights.shape == (72 // groups, 16)
    x = rng.uniform(size=(3, 8, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(result(wide, {0: x}), result(node, {0: x}), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result(packed(node, 1), {0: x}), result(node, {0: x}), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", [None, Geometry(lanes=64)])
def test_a_block_of_the_network_is_part_of_its_design(target: Geometry | None) -> None:
    """A transposed convolution, two columns for each of four positions, and a plain one of six."""
    rng = np.random.default_rng(3)
    up = Patches(shape=(3, 4, 4), kernel=(2, 2), padding=(0, 0, 1, 1))
    first = Product(Dense(rng.normal(size=(12, 8)), np.zeros(8), Named("relu")), (0,), up, block=(2, 2))
    down = Patches(shape=(2, 8, 8), kernel=(2, 2))
    second = Product(Dense(rng.normal(size=(8, 6)), np.zeros(6), Named("relu")), (1,), down)
    last = Product(Dense(rng.normal(size=(294, 2)), np.zeros(2)), (2,), Patches.whole((6, 7, 7)))
    network = Network((first, second, last), (3, 4, 4), "up and down")
    program = map_network(network, "ideal", inputs(network), options=MapOptions(target=target)).program
    assert program.products[0].block == (2, 2)
    assert (program.products[1].block == (1, 1)) == (target is None)
    wanted = [(node.patches, node.dense.outputs) for node in network.products]
    assert as_designed(program, None) == wanted == as_designed(program, network)


RISING = Sampled("rising", np.array([[-2, 2], [0, 1]], np.float32))


def dense(rng: np.random.Generator, inputs: int, outputs: int, *, last: bool = False) -> Dense:
    weights = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
    return Dense(weights, rng.normal(size=outputs) * 0.1, None if last else RISING)


def convolution(
    rng: np.random.Generator, source: int, shape: tuple[int, int, int], outputs: int, **options: object
) -> Product:
    skip, weight = options.pop("skip", None), options.pop("skip_weight", None)
    patches = Patches(shape=shape, kernel=(3, 3), padding=(1, 1, 1, 1), **options)  # type: ignore[arg-type]
    return Product(dense(rng, patches.inputs, outputs), (source,), patches, 0.25, skip, weight)  # type: ignore[arg-type]


def plain_network() -> Network:
    """1 x 10 x 10, 4 kernels and average pooling, 6 kernels and max pooling, 10 and 5 outputs."""
    rng = np.random.default_rng(2)
    first = convolution(rng, 0, (1, 10, 10), 4)
    average = Pool("average", (1,), Patches(shape=(4, 10, 10), kernel=(2, 2), stride=(2, 2)))
    where = Patches(shape=(4, 5, 5), kernel=(2, 2))
    second = Product(dense(rng, 16, 6), (2,), where)
    largest = Pool("max", (3,), Patches(shape=(6, 4, 4), kernel=(2, 2), stride=(2, 2)))
    full = Product(dense(rng, 24, 10), (4,), Patches.whole((6, 2, 2)))
    last = Product(dense(rng, 10, 5, last=True), (5,), Patches.whole((10, 1, 1)))
    return Network((first, average, second, largest, full, last), (1, 10, 10), "small", {"seed": 2})


def residual() -> Network:
    """Two branches joined by addition, a depthwise product, joined maps, an average over all positions."""
    rng = np.random.default_rng(3)
    halves = Patches(shape=(8, 8, 8), kernel=(3, 3), stride=(2, 2), padding=(1,) * 4)
    nodes = (
        convolution(rng, 0, (2, 8, 8), 4),
        convolution(rng, 1, (4, 8, 8), 4, groups=4),
        convolution(rng, 2, (4, 8, 8), 4, skip=1, skip_weight=np.array([1.0, 0.5, 2.0, 0.25])),
        Pool("average", (3, 1), halves, inside=True),
        Pool("average", (4,), Patches.whole((8, 4, 4))),
        Product(dense(rng, 8, 5, last=True), (5,), Patches.whole((8, 1, 1))),
    )
    return Network(nodes, (2, 8, 8), "residual")


def functions() -> Network:
    """Functions of the inputs, then a gate of two maps and a third one, then a full layer."""
    rng = np.random.default_rng(4)
    curve = Table((0,), np.arange(12) // 2, np.full(12, 4.0), np.tile([-2.0, -1.0], 6), Named("sigmoid"))
    left = Product(dense(rng, 12, 8), (1,), Patches.whole((12, 1, 1)))
    right = Product(dense(rng, 12, 8), (1,), Patches.whole((12, 1, 1)))
    mixed = Gate((Term(a=2, b=3, gain=1.5, a_zero=0.2), Term(a=2, gain=-0.5)), 0.4)
    last = Product(dense(rng, 8, 4, last=True), (4,), Patches.whole((8, 1, 1)))
    return Network((curve, left, right, mixed, last), (6, 1, 1), "functions")


def recurrent() -> Network:
    """A gated cell, six calls of five inputs: the state is mixed from itself and what is new."""
    rng = np.random.default_rng(5)
    new = Product(dense(rng, 5 + 7, 7), (0, 1), Patches.whole((12, 1, 1)))
    keep = Product(dense(rng, 5 + 7, 7), (0, 1), Patches.whole((12, 1, 1)))
    # h' = new + keep * (h - new)
    mixed = Gate((Term(a=2, gain=1.0), Term(a=3, b=1, gain=1.0), Term(a=3, b=2, gain=-1.0)))
    last = Product(dense(rng, 7, 3, last=True), (4,), Patches.whole((7, 1, 1)))
    state = State(shape=(7, 1, 1), source=4, start=0.5)
    return Network((new, keep, mixed, last), (5, 1, 1), "recurrent", states=(state,), calls=6)


def codes_out() -> Network:
    """An autoencoder: its outputs are codes."""
    rng = np.random.default_rng(6)
    nodes = (
        Product(dense(rng, 20, 6), (0,), Patches.whole((20, 1, 1))),
        Product(dense(rng, 6, 20), (1,), Patches.whole((6, 1, 1))),
    )
    return Network(nodes, (20, 1, 1), "codes")


def separable() -> Network:
    """Depthwise, of sixteen channels of five rows and columns: groups of eight, in blocks of two each way."""
    rng = np.random.default_rng(7)
    first = Patches(shape=(1, 5, 5), kernel=(3, 3), padding=(1, 1, 1, 1))
    deep = Patches(shape=(16, 5, 5), kernel=(3, 3), padding=(1, 1, 1, 1), groups=16)
    nodes = (
        Product(dense(rng, 9, 16), (0,), first),
        Product(dense(rng, 9, 16), (1,), deep),
        Product(dense(rng, 16, 8), (2,), Patches(shape=(16, 5, 5), kernel=(1, 1))),
        Pool("max", (3,), Patches(shape=(8, 5, 5), kernel=(2, 2), stride=(1, 2))),
        Product(dense(rng, 64, 3, last=True), (4,), Patches.whole((8, 4, 2))),
    )
    return Network(nodes, (1, 5, 5), "separable")


MADE = (plain_network(), residual(), functions(), recurrent(), codes_out(), separable())
NETWORKS = {n.name: n for n in MADE}


def inputs(network: Network) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (60, network.inputs)).astype(np.uint8)


@pytest.mark.parametrize("target", [None, Geometry(lanes=32, noise=False)], ids=["once", "laid out"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_mapped_on_the_ideal_chip_it_follows_the_floats(network: Network, target: Geometry | None) -> None:
    x = inputs(network)
    compiled = map_network(network, "ideal", x, options=MapOptions(target=target))
    blocks = {product.block for product in compiled.program.products}
    assert len(blocks) == 1 or target is not None
    maps = zip(compiled.program.map_shapes, network.map_shapes, strict=True)
    wider = [m for m, (made, node) in enumerate(maps) if made != node]
    assert wider == ([2] if target and network.name == "separable" else [])
    wanted = network.forward(x / np.float32(255))
    y = Core(compiled.program, fast=False).infer(x) * compiled.program.meaning.output_step
    assert y.shape == wanted.shape == (60, network.outputs)
    assert np.sqrt(np.square(y - wanted).mean()) < 0.04 * wanted.std()
    assert len(compiled.report.layers) == len(network.products)
    # What explains errors computes the float network without them, however its products are laid out.
    program, die, _ = compiled
    without = Forward(network, program, die, stages(network, program, die), []).logits(x)
    np.testing.assert_allclose(without, wanted, rtol=1e-4, atol=1e-4)


def test_second_operands_and_borders_are_the_networks() -> None:
    """One unit of z is ``step`` of a pre-activation, one code 1/255 of a value."""
    network = residual()
    program, die, _ = map_network(network, "wan2022", inputs(network))
    compared = 0
    for node, step, array in zip(network.products, program.products, die.arrays, strict=True):
        assert step.border == round(255 * node.pad)
        if node.skip is not None:
            weight = step.skip_gain / 2.0**step.skip_shift * array.step * 255
            np.testing.assert_allclose(weight, node.skip_weight, rtol=1e-3)
            compared += len(weight)
    assert compared == 4
    assert {step.border for step in program.products} == {0, 64}


def test_the_bound_counts_every_patch_of_every_product() -> None:
    network = plain_network()
    program = map_network(network, "ideal", inputs(network)).program
    assert bound_cycles(program, 4) == 100 * 9 * 1 + 16 * 16 * 2 + 24 * 3 + 10 * 2
