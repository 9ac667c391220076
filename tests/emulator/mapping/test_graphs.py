"""Networks that are no chains: patches, blocks, and every kind of node mapped, against
the float network."""

from types import SimpleNamespace

import numpy as np
import pytest

from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.mapping.block import as_designed
from ndrite.emulator.mapping.explain.forward import Forward, stages
from ndrite.emulator.mapping.nodes import _visited
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
from ndrite.emulator.spec import Geometry


@pytest.mark.parametrize("target", [None, Geometry(lanes=64)])
def test_a_block_of_the_network_is_part_of_its_design(target: Geometry | None) -> None:
    """A transposed convolution, two columns for each of four positions, and a
    plain one of six."""
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
    # Half of a block's strides may divide by chance.
    strided = Patches(shape=(3, 4, 4), kernel=(2, 2), stride=(2, 1))
    step = SimpleNamespace(patches=strided, block=(2, 2), layer=SimpleNamespace(outputs=8))
    assert as_designed(SimpleNamespace(products=[step]), network) == [(strided, 8)]  # type: ignore[arg-type]


def test_inputs_that_are_not_0_are_counted_in_16_samples_with_the_first_and_the_last() -> None:
    """Of 31 samples every second one, all 256 patches of one pixel; the
    other samples are lit."""
    pixels = Product(dense(np.random.default_rng(0), 1, 2), (0,), Patches(shape=(1, 4, 4), kernel=(1, 1)))
    last = Product(dense(np.random.default_rng(1), 32, 3, last=True), (1,), Patches.whole((2, 4, 4)))
    x = np.zeros((31, 16), np.uint8)
    x[1::2] = 9
    x[0, 0] = x[30, 15] = 1
    assert _visited(Network((pixels, last), (1, 4, 4), "pixels"), x)[0] == 2 / 256


def test_converters_are_calibrated_on_4096_patches_with_the_first_and_the_last() -> None:
    """Of 16 times 4351 patches every seventeenth one; the others are not looked at."""
    pixels = Patches(shape=(1, 1, 4351), kernel=(1, 1))
    last = Product(Dense(np.array([[1.0, -1.0]]), np.zeros(2)), (0,), pixels)
    network = Network((last,), pixels.shape, "pixels")
    x = np.random.default_rng(0).integers(0, 100, (16, 4351)).astype(np.uint8)
    program = map_network(network, "wan2022", x).program
    lit = x.copy()
    lit.ravel()[np.arange(x.size) % 17 > 0] = 255
    assert map_network(network, "wan2022", lit).program.checksum() == program.checksum()
    for end in (0, -1):
        lit = x.copy()
        lit.ravel()[end] = 255
        assert map_network(network, "wan2022", lit).program.checksum() != program.checksum()


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
    """1 x 10 x 10, 4 kernels and average pooling, 6 kernels and max pooling,
    10 and 5 outputs."""
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
    """Two branches joined by addition, a depthwise product, joined maps, an average
    over all positions."""
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
    """A gated cell, six calls of five inputs: the state is mixed from
    itself and what is new."""
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
    """Depthwise, of sixteen channels of five rows and columns: groups of eight, in
    blocks of two each way."""
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


def joined() -> Network:
    """As ``separable``, but the depthwise product's map is read joined with the one
    before, so that it has to have five rows and columns."""
    rng = np.random.default_rng(9)
    first = Patches(shape=(1, 5, 5), kernel=(3, 3), padding=(1, 1, 1, 1))
    deep = Patches(shape=(16, 5, 5), kernel=(3, 3), padding=(1, 1, 1, 1), groups=16)
    both = Patches(shape=(32, 5, 5), kernel=(2, 2))
    nodes = (
        Product(dense(rng, 9, 16), (0,), first),
        Product(dense(rng, 9, 16), (1,), deep),
        Product(dense(rng, 128, 4), (1, 2), both),
        Product(dense(rng, 64, 3, last=True), (3,), Patches.whole((4, 4, 4))),
    )
    return Network(nodes, (1, 5, 5), "joined")


def enlarged() -> Network:
    """A map twice as high and three times as wide, each value in a block of its own."""
    rng = np.random.default_rng(9)
    nodes = (
        convolution(rng, 0, (1, 4, 4), 3),
        Pool("max", (1,), Patches(shape=(3, 4, 4), kernel=(1, 1)), block=(2, 3)),
        Product(dense(rng, 288, 3, last=True), (2,), Patches.whole((3, 8, 12))),
    )
    return Network(nodes, (1, 4, 4), "enlarged")


MADE = (
    plain_network(),
    residual(),
    functions(),
    recurrent(),
    codes_out(),
    separable(),
    joined(),
    enlarged(),
)
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
    wanted_of = [(node.patches, node.dense.outputs) for node in network.products]
    assert as_designed(compiled.program, network) == wanted_of
    # What explains errors computes the float network without them, however its
    # products are laid out.
    program, die, _ = compiled
    without = Forward(network, program, die, stages(network, program, die), []).logits(x)
    np.testing.assert_allclose(without, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", [plain_network(), residual()], ids=["even", "inside"])
def test_an_average_multiplies_by_the_nearest_reciprocal_of_16_bits(network: Network) -> None:
    steps = map_network(network, "ideal", inputs(network)).program.steps
    for node, step in zip(network.nodes, steps, strict=True):
        if node.kind == "pool" and node.of == "average":
            exact = 2.0**step.pool_shift / node.counts
            assert np.abs(step.mul - exact).max() <= 0.5
            assert 1 << 14 < step.mul.max() <= 1 << 15


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
