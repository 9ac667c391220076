"""Bases in training: the curves of a Kolmogorov-Arnold layer, their export, and what a die makes of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emulator.device.description import Chip, load_chip  # noqa: E402
from emulator.device.ndr.curves import tunnel  # noqa: E402
from emulator.golden import Core  # noqa: E402
from emulator.learning.training.architecture import read_hidden  # noqa: E402
from emulator.learning.training.build import of_layers, of_network  # noqa: E402
from emulator.learning.training.model import TrainedNetwork, export, settle_normalisation  # noqa: E402
from emulator.learning.training.view import FLOAT, ChipView, view_of  # noqa: E402
from emulator.mapping import map_network  # noqa: E402
from emulator.network import Named, Ndr, Network, Table  # noqa: E402
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


def learned(text: str, view: ChipView = FLOAT, *, steps: int = 150, **rest: Any) -> TrainedNetwork:
    x, labels = waves()
    model = of_layers((INPUTS, 1, 1), read_hidden(text), CLASSES, view, **rest)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(tensor(x)), torch.from_numpy(labels)).backward()
        optimiser.step()
    settle_normalisation(model, tensor(x))
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
@pytest.mark.parametrize("each", ["", " each"])
@pytest.mark.parametrize("view", CHIPS.values(), ids=CHIPS)
def test_exports_what_it_computes(view: Any, each: str) -> None:
    model = learned(f"bases 2{each}, 5, bases 3{each}", view(), steps=6)
    network, (x, _) = exported(model), waves(100)
    wanted = model.outputs_of(tensor(x)).numpy()
    np.testing.assert_allclose(network.forward(x / np.float32(255)), wanted, atol=3e-5 * np.abs(wanted).max())
    assert [node.kind for node in network.nodes] == ["table", "product", "table", "product"]
    assert network.map_shapes == ((INPUTS, 1, 1), (2 * INPUTS, 1, 1), (5, 1, 1), (15, 1, 1), (CLASSES, 1, 1))
    first = network.nodes[0]
    assert isinstance(first, Table)
    assert isinstance(first.activation, Ndr)
    # The gains and offsets are the row drivers', one a basis; the devices may be every input's own.
    assert len(np.unique(first.gain)) == len(np.unique(first.shift_by)) == 2
    alike = len(np.unique(first.activation.peak.reshape(2, INPUTS), axis=1)[0]) == 1
    assert alike or each


def test_is_a_sum_of_functions_of_single_inputs() -> None:
    """y_j = sum_i sum_k w_jik f((g_k x_i + s_k) / p_ik) + b_j, worked out here."""
    model = learned("bases 3 each", steps=20)
    bases, product = model.nodes
    x = waves(50)[0] / 255
    with torch.no_grad():
        gain, shift = np.exp(bases.log_slope.numpy()), bases.shift.numpy()
        peak = np.exp(bases.neuron.log_peak.numpy()).reshape(3, INPUTS)
        height = np.exp(bases.neuron.log_height.clamp(max=0).numpy()).reshape(3, INPUTS)
        weights = product.crossbar.weight.numpy().reshape(3, INPUTS, CLASSES)
        y = product.bias.numpy() + sum(
            height[k, i] * tunnel((gain[k] * x[:, i] + shift[k]) / peak[k, i])[:, None] * weights[k, i]
            for k in range(3)
            for i in range(INPUTS)
        )
        assert len(np.unique(peak)) == 3 * INPUTS
    np.testing.assert_allclose(model.outputs_of(tensor(waves(50)[0])).numpy(), y, rtol=1e-4, atol=1e-4)


def test_learns_what_no_weighted_sum_can() -> None:
    """One layer of bases and weights, three curves for all inputs; weights alone guess."""
    assert right(exported(learned("bases 3"))) > 0.85
    x, labels = waves()
    table = np.column_stack([x / 255, np.ones(len(x))])
    solution = np.linalg.lstsq(table, np.eye(CLASSES)[labels], rcond=None)[0]
    test, wanted = waves(2000, seed=1)
    answer = (np.column_stack([test / 255, np.ones(len(test))]) @ solution).argmax(axis=1)
    assert (answer == wanted).mean() < 0.7


def test_peaks_start_evenly_over_the_inputs() -> None:
    bases = of_layers((4, 1, 1), read_hidden("bases 3"), CLASSES).nodes[0]
    x = torch.linspace(0, 1, 1201).repeat(4, 1).t().reshape(-1, 4, 1, 1)
    with torch.no_grad():
        y = bases([x]).reshape(-1, 3, 4)
    at = np.linspace(0, 1, 1201)[y.argmax(dim=0).numpy()]
    np.testing.assert_allclose(at, np.repeat([[1 / 6], [1 / 2], [5 / 6]], 4, axis=1), atol=1e-3)


def test_what_goes_to_bases_has_no_function_of_its_own() -> None:
    """Sums held in 0..1, with what the samples show in the middle; a layer that goes elsewhere fires."""
    model = of_layers((INPUTS, 1, 1), read_hidden("8, 5, bases 2"), CLASSES)
    settle_normalisation(model, tensor(waves()[0]))
    network = exported(model)
    first, second, *_ = network.layers
    assert isinstance(first.activation, Ndr)
    assert second.activation == Named("relu")
    maps = network.activations(waves()[0] / np.float32(255))
    np.testing.assert_allclose(maps[1].mean(axis=0), 0.5, atol=0.02)
    assert ((maps[1] > 0) & (maps[1] < 1)).mean() > 0.97
    # A pool between changes nothing about it.
    pooled = of_layers((1, 8, 8), read_hidden("conv 4 3, pool 2, bases 2, 6"), CLASSES)
    kinds = [layer.activation for layer in exported(pooled).layers]
    assert kinds[0] == Named("relu")
    assert isinstance(kinds[1], Ndr)


@pytest.mark.parametrize("chip", [None, "dendritic-ndr+ecram-pair"])
def test_goes_on_from_what_it_exported(chip: str | None) -> None:
    """Then every function has a gain and a shift of its own, which training moves."""
    network, (x, labels) = exported(learned("bases 2, 5, bases 2 each", steps=10)), waves(100)
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
    assert len(exported(again).nodes) == 4


def test_fixed_devices_stay() -> None:
    bases = learned("bases 2 each", neuron="ndr-fixed", steps=5).nodes[0]
    assert not bases.neuron.log_peak.requires_grad
    assert float(bases.neuron.log_peak.detach().abs().max()) == 0
    assert bases.log_slope.requires_grad


def test_on_a_die() -> None:
    """Shared bases take a curve each; a chip whose devices differ gives every function its own."""
    network, (x, _) = exported(learned("bases 3, 6, bases 2")), waves(200)
    test, labels = waves(1000, seed=1)
    chips: dict[str, str | Chip] = {"alike": "ideal", "differ": varied("ideal")}
    for name, chip in chips.items():
        program, _, report = map_network(network, chip, x, seed=1)
        curves = [len(np.unique(step.curve)) for step in program.steps if step.kind == "table"]
        assert curves == ([3, 2] if name == "alike" else [3 * INPUTS, 2 * 6])
        assert [t.functions for t in report.tables] == [3 * INPUTS, 2 * 6]
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
    network = exported(learned("bases 2 each", steps=3))
    table = network.nodes[0]
    assert isinstance(table, Table)
    assert isinstance(table.activation, Ndr)
    peak = table.activation.peak.copy()
    peak[5] *= 100
    table = dataclasses.replace(table, activation=dataclasses.replace(table.activation, peak=peak))
    far = dataclasses.replace(network, nodes=(table, *network.nodes[1:]))
    with pytest.warns(UserWarning, match=r"table 0: \d+ of 24 functions want a curve the ECRAM does not"):
        report = map_network(far, "dendritic-ndr+ecram-pair", waves(100)[0]).report
    assert report.tables[0].unreachable >= 1
