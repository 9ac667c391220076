"""Training through maps and through bases: what the trainable form computes, and that
it exports exactly."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.extras import needs

torch = needs("torch")

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.learning.training.job import of_network, of_widths
from ndrite.emulator.learning.training.layers import Crossbar
from ndrite.emulator.learning.training.model import TrainedNetwork, export, settle_normalisation
from ndrite.emulator.learning.training.view import FLOAT, view_of
from ndrite.emulator.network import Dense, Ndr, Network, Patches, Pool, Product, Table, load_network, zoo
from tests.emulator.mapping.test_circuits import shaped_chip
from tests.emulator.mapping.test_graphs import NETWORKS, RISING, inputs
from tests.kan import BASES, INPUTS, kan

SIDE = 8


def pictures(n: int = 240, classes: int = 3) -> Labelled:
    """Classes of noisy 8 x 8 pictures."""
    rng = np.random.default_rng(0)
    prototypes = rng.uniform(size=(classes, SIDE * SIDE)).repeat(n // classes, axis=0)
    x = np.clip(prototypes + rng.normal(0, 0.2, prototypes.shape), 0, 1)
    order = rng.permutation(n)
    labels = np.repeat(np.arange(classes), n // classes)
    codes, none = np.rint(x * 255).astype(np.uint8)[order], np.zeros(0, np.uint8)
    return Labelled("pictures", codes, labels[order], none, none, SIDE)


def exported(model: TrainedNetwork, x: Any) -> Network:
    """Its network, which computes what the model does; the normalisation set to ``x``."""
    settle_normalisation(model, x)
    want = model.outputs_of(x).numpy()
    network = export(model, name="n", provenance={})
    assert want.std() > 0.1
    np.testing.assert_allclose(network.forward(x.numpy()), want, rtol=1e-3, atol=1e-3 * want.std())
    return network


def without_gradient(model: TrainedNetwork) -> list[str]:
    """The parameters to be trained that the last pass back did not reach."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [name for name, p in trained if p.grad is None or not bool((p.grad != 0).any())]


@pytest.mark.parametrize("chip", ["wan2022", "dendritic-ndr+ecram-pair", "dendritic-analog"])
@pytest.mark.parametrize("shape", ["chain", "residual"])
def test_gradients_reach_every_parameter_through_a_chip(shape: str, chip: str) -> None:
    view, neuron = view_of(load_chip(chip)), "ndr" if "dendritic" in chip else "clipped-relu"
    network = NETWORKS["residual"]
    full = shape == "chain"
    model = of_widths((128, 12, 6, 5), view, neuron=neuron) if full else of_network(network, view)
    y = model.train()(tensor(inputs(network)))
    torch.nn.functional.cross_entropy(y, torch.arange(len(y)) % 5).backward()
    assert without_gradient(model) == []
    assert len(list(model.parameters())) >= 8


def odd() -> Network:
    """A kernel with a dilation on a lopsided border of 0.25, NDR neurons of their own
    curve, an average."""
    rng = np.random.default_rng(8)
    curve = np.array([[-1, 0.3, 1, 5], [0, 0.2, 1, 0.1]], np.float32)
    patches = Patches(shape=(2, 9, 8), kernel=(3, 2), stride=(2, 1), padding=(0, 1, 2, 0), dilation=(1, 3))
    peaks, first_weights, bias, last_weights = (
        rng.uniform(1, 2, shape).astype(np.float32) for shape in (5, (12, 5), 5, (5, 5))
    )
    neurons = Ndr(peaks, np.full(5, 0.7, np.float32), curve)
    first = Product(Dense(first_weights - 1.5, bias - 1.5, neurons), (0,), patches, 0.25)
    shape = (5, *patches.grid)
    pooled = Pool("average", (1,), Patches(shape=shape, kernel=(2, 2), padding=(1, 0, 0, 1)), 0.5, gain=1.2)
    last = Product(Dense(last_weights - 1.5, np.zeros(5, np.float32), RISING), (2,), Patches.whole((5, 1, 1)))
    whole = Pool("max", (2,), Patches.whole((5, *pooled.patches.grid)))
    last = dataclasses.replace(last, sources=(3,))
    return Network((first, pooled, whole, last), (2, 9, 8), "odd")


def in_blocks() -> Network:
    """Kernels of two groups that fill blocks, the second with a map as second
    operand; a cut average."""
    rng = np.random.default_rng(9)

    def dense(inputs: int, outputs: int) -> Dense:
        return Dense(rng.normal(size=(inputs, outputs)), rng.normal(size=outputs), RISING)

    patches = Patches(shape=(4, 3, 4), kernel=(2, 2), padding=(1, 0, 0, 1), groups=2)
    first = Product(dense(8, 36), (0,), patches, block=(2, 3))
    skip_weight = rng.uniform(0.5, 1, 36).astype(np.float32)
    second = Product(dense(8, 36), (0,), patches, skip=1, skip_weight=skip_weight, block=(2, 3))
    pooled = Pool("average", (2,), Patches(shape=(6, 5, 10), kernel=(5, 5), stride=(5, 5)))
    last = Product(dense(12, 5), (3,), Patches.whole((6, 1, 2)))
    return Network((first, second, pooled, last), (4, 3, 4), "in blocks")


GIVEN = {**NETWORKS, "odd": odd(), "in blocks": in_blocks()}


@pytest.mark.parametrize("network", GIVEN.values(), ids=GIVEN)
def test_any_network_can_be_gone_on_with(network: Network) -> None:
    x = inputs(network).astype(np.float32) / np.float32(255)
    want = network.forward(x)
    model = of_network(network)
    np.testing.assert_allclose(model.outputs_of(torch.from_numpy(x)).numpy(), want, rtol=1e-4, atol=1e-5)
    model.train()
    model(torch.from_numpy(x)).square().sum().backward()
    assert without_gradient(model) == []
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p) * p.requires_grad)
    moved = model.outputs_of(torch.from_numpy(x)).numpy()
    assert np.abs(moved - want).max() > 1e-3
    again = export(model, name="n", provenance={})
    np.testing.assert_allclose(again.forward(x), moved, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("channels", "full"), [(3, False), (12, False), (12, True)])
def test_kernels_and_full_layers_are_read_through_converters(channels: int, full: bool) -> None:
    """Against tiles converted one by one: 27 rows are one tile of 40, 108 are three. A
    full layer is given the patches."""
    patches = Patches(shape=(channels, 6, 6), kernel=(3, 3), padding=(1, 1, 1, 1))
    view = dataclasses.replace(FLOAT, adc_bits=5, tile_rows=40, adc_noise=0.3)
    crossbar = Crossbar(patches.inputs, 4, view, None if full else patches)
    x = torch.rand(RANGED := 8, channels, 6, 6)
    cut = patches.cut(x.numpy()).reshape(-1, patches.inputs)
    x = torch.from_numpy(cut) if full else x
    crossbar.train()
    crossbar(x)
    with torch.no_grad():
        got = torch.stack([crossbar(x) for _ in range(60)])
        exact = crossbar.eval()(x)
        weights = crossbar.weight.numpy()
    sums = cut @ weights
    np.testing.assert_allclose(sums if full else patches.place(sums.reshape(RANGED, 36, 4)), exact, atol=1e-4)
    tiles = [cut[:, k : k + 40] @ weights[k : k + 40] for k in range(0, patches.inputs, 40)]
    step = np.max([np.abs(t).max(axis=0) for t in tiles], axis=0) * 2 / 31
    rounding = sum(np.rint(t / step) * step - t for t in tiles)
    noise = len(tiles) * np.square(0.3 * step)
    seen = (got - exact).numpy()
    for m in range(4):
        assert np.sqrt(np.square(seen[:, :, m]).mean()) == pytest.approx(
            np.sqrt(np.square(rounding[:, m]).mean() + noise[m]), rel=0.08
        )


def test_a_sequence_is_trained_through_converters() -> None:
    """Later calls of larger values widen a converter's range: gradients pass, and all
    weights get some."""
    network = load_network(zoo.lstm())
    model = of_network(network, view_of(load_chip("wan2022"))).train()
    model(torch.rand(4, network.inputs)).square().mean().backward()
    for product in model.products:
        assert float(product.crossbar.weight.grad.abs().sum()) > 0
    with torch.no_grad():
        crossbar = model.products[-1].crossbar
        crossbar(torch.rand(30, crossbar.weight.shape[0]))
        before = crossbar.reach.clone()
        large = crossbar(torch.rand(30, crossbar.weight.shape[0]) * 4)
        assert bool((crossbar.reach > 1.5 * before).all())
        assert bool((large.abs().amax(dim=0) > 1.2 * before).any())


def tensor(x: np.ndarray) -> Any:
    return torch.from_numpy(x.astype(np.float32) / np.float32(255))


VIEWS = {
    "float": lambda: FLOAT,
    "device curve": lambda: view_of(load_chip("dendritic-ndr")),
    "peak and height": lambda: view_of(load_chip("dendritic-ndr+ecram-pair")),
    "shape": lambda: view_of(shaped_chip("valley")),
}


def of_one_device(node: Any) -> Any:
    """A table with the same device for all of its functions."""
    if not isinstance(node, Table):
        return node
    count = len(node.channel)
    return dataclasses.replace(node, activation=Ndr(np.ones(count), np.full(count, 0.9)))


@pytest.mark.slow
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_exports_what_it_computes(view: Any, each: bool) -> None:
    """After a few steps; ``each``: of devices that are every input's own."""
    network, x = kan(), np.random.default_rng(0).integers(0, 256, (600, INPUTS))
    nodes = network.nodes if each else map(of_one_device, network.nodes)
    model = of_network(dataclasses.replace(network, nodes=tuple(nodes)), view()).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(6):
        optimiser.zero_grad()
        labels = torch.from_numpy(x[:, :3].argmax(axis=1))
        torch.nn.functional.cross_entropy(model(tensor(x)), labels).backward()
        optimiser.step()
    found = export(model, name="k", provenance={})
    wanted = model.outputs_of(tensor(x[:100])).numpy()
    got = found.forward(x[:100] / np.float32(255))
    np.testing.assert_allclose(got, wanted, atol=3e-5 * np.abs(wanted).max())
    assert [node.kind for node in found.nodes] == ["table", "product", "table", "product"]
    assert found.map_shapes == network.map_shapes
    first = found.nodes[0]
    # The gains and offsets are the row drivers', one a basis; the devices may be
    # every input's own.
    assert len(np.unique(first.gain)) == len(np.unique(first.shift_by)) == BASES
    alike = len(np.unique(first.activation.peak.reshape(BASES, INPUTS), axis=1)[0]) == 1
    assert alike == (not each)
