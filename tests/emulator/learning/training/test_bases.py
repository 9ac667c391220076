"""Bases in training: the curves of a Kolmogorov-Arnold layer, their export, and what a die makes of them."""

import dataclasses
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emulator.device.description import Chip, load_chip  # noqa: E402
from emulator.golden import Core  # noqa: E402
from emulator.learning.training.build import of_network  # noqa: E402
from emulator.learning.training.model import TrainedNetwork, export  # noqa: E402
from emulator.learning.training.view import FLOAT, ChipView, view_of  # noqa: E402
from emulator.mapping import map_network  # noqa: E402
from emulator.network import Dense, Named, Ndr, Network, Patches, Product, Table  # noqa: E402
from emulator.network.floats import result  # noqa: E402
from tests.chips import changed  # noqa: E402
from tests.emulator.mapping.test_shapes import chip as shaped_chip  # noqa: E402
from tests.stimulus import step_of  # noqa: E402

INPUTS, CLASSES = 12, 3


def waves(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes uint8 (n, INPUTS), and classes that a sum of waves of single inputs gives."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, INPUTS)).astype(np.uint8)
    height = np.sin(2 * np.pi * x[:, :4] / 255).sum(axis=1)
    return x, np.digitize(height, [-0.6, 0.6])


def tensor(x: np.ndarray) -> Any:
    return torch.from_numpy(x.astype(np.float32) / np.float32(255))


def random_curves(*counts: int, each: bool = False) -> Network:
    """Random: so many bases of the inputs, whose sums go to the next bases, five to each, or out."""
    rng = np.random.default_rng(2)
    nodes: list[Table | Product] = []
    channels = INPUTS
    for i, count in enumerate(counts):
        wide, last = count * channels, i == len(counts) - 1
        gain, k = 2.0 * count, np.arange(count).repeat(channels)
        peak = np.exp(0.01 * rng.normal(size=wide) * each)
        height = np.full(wide, 0.9, np.float32)
        shift = 1.0 - gain * (k + 0.5) / count
        channel = np.tile(np.arange(channels), count)
        nodes.append(Table((2 * i,), channel, np.full(wide, gain), shift, Ndr(np.float32(peak), height)))
        channels = CLASSES if last else 5
        weights = np.float32(rng.normal(0, (1.0 if last else 0.3) / wide**0.5, (wide, channels)))
        bias = np.full(channels, 0.0 if last else 0.5, np.float32)
        dense = Dense(weights, bias, None if last else Named("relu"))
        nodes.append(Product(dense, (2 * i + 1,), Patches.whole((wide, 1, 1))))
    return Network(tuple(nodes), (INPUTS, 1, 1), "k")


def learned(network: Network, view: ChipView = FLOAT, *, steps: int = 150) -> TrainedNetwork:
    x, labels = waves()
    model = of_network(network, view)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(tensor(x)), torch.from_numpy(labels)).backward()
        optimiser.step()
    return model


def exported(model: TrainedNetwork) -> Network:
    return export(model, name="k", provenance={})


def right(network: Network) -> float:
    return network.accuracy(*waves(2000, seed=1))


CHIPS = {
    "float": lambda: FLOAT,
    "device curve": lambda: view_of(load_chip("dendritic-ndr")),
    "peak and height": lambda: view_of(load_chip("dendritic-ndr+ecram-pair")),
    "shape": lambda: view_of(shaped_chip("valley")),
}


@pytest.mark.slow
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("view", CHIPS.values(), ids=CHIPS)
def test_exports_what_it_computes(view: Any, each: bool) -> None:
    model = learned(random_curves(2, 3, each=each), view(), steps=6)
    network, (x, _) = exported(model), waves(100)
    wanted = model.outputs_of(tensor(x)).numpy()
    np.testing.assert_allclose(network.forward(x / np.float32(255)), wanted, atol=3e-5 * np.abs(wanted).max())
    assert [node.kind for node in network.nodes] == ["table", "product", "table", "product"]
    assert network.map_shapes == ((INPUTS, 1, 1), (2 * INPUTS, 1, 1), (5, 1, 1), (15, 1, 1), (CLASSES, 1, 1))
    first = network.nodes[0]
    # The gains and offsets are the row drivers', one a basis; the devices may be every input's own.
    assert len(np.unique(first.gain)) == len(np.unique(first.shift_by)) == 2
    alike = len(np.unique(first.activation.peak.reshape(2, INPUTS), axis=1)[0]) == 1
    assert alike or each


def test_learns_what_no_weighted_sum_can() -> None:
    """One layer of bases and weights, three curves for all inputs; weights alone guess."""
    assert right(exported(learned(random_curves(3)))) > 0.85
    x, labels = waves()
    table = np.column_stack([x / 255, np.ones(len(x))])
    solution = np.linalg.lstsq(table, np.eye(CLASSES)[labels], rcond=None)[0]
    test, wanted = waves(2000, seed=1)
    answer = (np.column_stack([test / 255, np.ones(len(test))]) @ solution).argmax(axis=1)
    assert (answer == wanted).mean() < 0.7


@pytest.mark.parametrize("chip", [None, "dendritic-ndr+ecram-pair"])
def test_goes_on_from_what_it_exported(chip: str | None) -> None:
    """What shares a gain, a shift or a device goes on sharing it."""
    network, (x, labels) = exported(learned(random_curves(2, 2, each=True), steps=10)), waves(100)
    again = of_network(network, FLOAT if chip is None else view_of(load_chip(chip)))
    if chip is None:
        wanted = network.forward(x / np.float32(255))
        np.testing.assert_allclose(again.outputs_of(tensor(x)).numpy(), wanted, rtol=1e-4, atol=1e-4)
    before = [p.detach().clone() for p in again.parameters() if p.requires_grad]
    torch.nn.functional.cross_entropy(again.train()(tensor(x)), torch.from_numpy(labels)).backward()
    torch.optim.SGD(again.parameters(), lr=0.1).step()
    moved = [p for p in again.parameters() if p.requires_grad]
    changed = sum(not torch.equal(a, b) for a, b in zip(before, moved, strict=True))
    assert changed >= len(before) - 2  # heights at the top of their range stay
    table = exported(again).nodes[0]
    assert [len(np.unique(v)) for v in (table.gain, table.activation.peak)] == [2, 2 * INPUTS]


def test_on_a_die() -> None:
    """Shared bases take a curve each; a chip whose devices differ gives every function its own."""
    network, (x, _) = exported(learned(random_curves(3, 2))), waves(200)
    test, labels = waves(1000, seed=1)
    chips: dict[str, str | Chip] = {"alike": "ideal", "differ": varied("ideal")}
    for name, chip in chips.items():
        program, _, report = map_network(network, chip, x, seed=1)
        curves = [len(np.unique(step.curve)) for step in program.steps if step.kind == "table"]
        assert curves == ([3, 2] if name == "alike" else [3 * INPUTS, 2 * 5])
        assert [t.functions for t in report.tables] == [3 * INPUTS, 2 * 5]
        assert [t.curves for t in report.tables] == curves
        assert all(0 < t.pwl_error_lsb < 10 for t in report.tables)
        assert report.pwl_error_lsb >= max(t.pwl_error_lsb for t in report.tables)
        codes = step_of(program, 0, {0: test.reshape(-1, INPUTS, 1, 1)})
        answer = Core(program).infer(test).argmax(axis=1)
        if name == "alike":
            exact = 255 * result(network.nodes[0], [test.reshape(-1, INPUTS, 1, 1) / np.float32(255)])
            assert np.abs(codes - exact).max() <= report.tables[0].pwl_error_lsb + 0.01
        assert abs((answer == labels).mean() - right(network)) < (0.03 if name == "alike" else 0.2)


def varied(name: str) -> Chip:
    chip = load_chip(name)
    spread = {"peak_voltage_variation_percent": 4.0, "peak_current_variation_percent": 4.0}
    return changed(chip, neuron=spread)


def test_what_the_ecram_does_not_reach_is_said() -> None:
    network = exported(learned(random_curves(2, each=True), steps=3))
    table = network.nodes[0]
    peak = table.activation.peak.copy()
    peak[5] *= 100
    table = dataclasses.replace(table, activation=dataclasses.replace(table.activation, peak=peak))
    far = dataclasses.replace(network, nodes=(table, *network.nodes[1:]))
    with pytest.warns(UserWarning, match=r"table 0: \d+ of 24 functions want a curve the ECRAM does not"):
        report = map_network(far, "dendritic-ndr+ecram-pair", waves(100)[0]).report
    assert report.tables[0].unreachable >= 1
