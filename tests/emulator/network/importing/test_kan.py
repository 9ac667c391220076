"""Kolmogorov-Arnold networks of others' functions: fitted by NDR curves, and what that loses."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emulator.errors import NetworkError
from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network.importing.kan import import_kan

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (400, 3)) * [1, 10, 0.1]


def first(x: np.ndarray) -> np.ndarray:
    """Four sums of three inputs of quite different ranges."""
    a, b, c = x.T
    edges = [
        [np.sin(1.5 * a), 0.1 * b, np.exp(5 * c)],
        [a**2, np.cos(b / 6), 0 * c],
        [np.tanh(a), np.abs(b) / 10, -8 * c],
        [0 * a, 0 * b, np.cos(9 * c)],
    ]
    return 0.4 * np.array(edges).transpose(2, 0, 1)


def second(x: np.ndarray) -> np.ndarray:
    """Two sums of four."""
    return np.stack([np.tanh(x), 0.3 * np.sin(2 * x)], axis=1)


def wanted(x: np.ndarray) -> np.ndarray:
    return second(first(x).sum(axis=2)).sum(axis=2)


def test_a_network_of_functions_becomes_one_of_devices() -> None:
    network, inputs, report = import_kan([first, second], X, bases=8)
    fresh = RNG.uniform(-1.9, 1.9, (300, 3)) * [1, 10, 0.1]
    exact, got = wanted(fresh), network.forward(inputs.unit(fresh))
    assert np.sqrt(np.square(got - exact).mean()) < 0.04 * exact.std()
    assert [node.kind for node in network.nodes] == ["table", "product"] * 2
    assert network.widths == (3, 4, 2)
    assert max(report.fit_rms) < 0.05
    own = network.forward(inputs.unit(X)) - wanted(X)
    assert report.float_rms == pytest.approx(np.sqrt(np.square(own).mean()), rel=1e-4)
    assert report.float_max == pytest.approx(np.abs(own).max(), rel=1e-4)
    assert report.float_rms < report.error_rms < 3 * report.float_rms


def test_more_bases_lose_less() -> None:
    lost = [import_kan([first, second], X, bases=bases).report.float_rms for bases in (2, 4, 8, 16)]
    assert all(many < few for few, many in itertools.pairwise(lost))
    assert lost[-1] < lost[0] / 6


def test_it_runs_on_a_die() -> None:
    network, inputs, _ = import_kan([first, second], X)
    program = map_network(network, "ideal", inputs.encode(X), seed=1).program
    assert program.meaning.inputs is not None
    got = Core(program).infer(inputs.encode(X)) * program.meaning.output_step
    exact = wanted(X)
    assert np.sqrt(np.square(got - exact).mean()) < 0.1 * exact.std()


def pykan_like(*layers: Any, **changes: Any) -> Any:
    """What pykan's models have: layers giving (sums, before, after, splines), scales and biases of nodes."""
    torch = pytest.importorskip("torch")

    def layer(functions: Any) -> Any:
        def call(x: Any) -> Any:
            after = torch.from_numpy(functions(x.numpy().astype(np.float64)))
            return after.sum(dim=2), None, after, None

        return call

    def node(value: float) -> Any:
        return [torch.full((outputs,), value) for outputs in (4, 2)]

    model = {
        "width": [[3, 0], [4, 0], [2, 0]],
        "act_fun": [layer(f) for f in layers],
        "symbolic_enabled": False,
        "node_scale": node(1.0),
        "node_bias": node(0.0),
        "subnode_scale": node(1.0),
        "subnode_bias": node(0.0),
    }
    return SimpleNamespace(**model | changes)


def test_a_pykan_model_is_read() -> None:
    torch = pytest.importorskip("torch")
    scale = [torch.tensor([1.0, 1.5, -1.0, 0.5]), torch.tensor([3.0, 1.0])]
    bias = [torch.tensor([0.1, 0.0, -0.2, 0.3]), torch.tensor([5.0, -1.0])]
    model = pykan_like(first, second, subnode_scale=scale, node_bias=bias)
    network, inputs, _ = import_kan(model, X)
    hidden = first(X).sum(axis=2) * scale[0].numpy() + bias[0].numpy()
    exact = second(hidden).sum(axis=2) * scale[1].numpy() + bias[1].numpy()
    got = network.forward(inputs.unit(X))
    np.testing.assert_allclose(got.mean(axis=0), exact.mean(axis=0), atol=0.05)
    assert np.sqrt(np.square(got - exact).mean()) < 0.1 * exact.std(axis=0).mean()


def test_symbolic_functions_are_added() -> None:
    torch = pytest.importorskip("torch")

    def symbolic(x: Any) -> Any:
        after = torch.stack([0.05 * x] * 4, dim=1)
        return after.sum(dim=2), after

    both = [symbolic, lambda x: (0, torch.zeros(len(x), 2, x.shape[1]))]
    model = pykan_like(first, second, symbolic_enabled=True, symbolic_fun=both)
    network, inputs, _ = import_kan(model, X)
    exact = second((first(X) + 0.05 * X[:, None, :]).sum(axis=2)).sum(axis=2)
    assert np.sqrt(np.square(network.forward(inputs.unit(X)) - exact).mean()) < 0.1 * exact.std()


def test_pykan_itself() -> None:
    torch = pytest.importorskip("torch")
    kan = pytest.importorskip("kan", reason="needs ndrite[import-check]")
    model = kan.KAN(width=[3, 4, 2], grid=5, k=3, seed=0, auto_save=False)
    x = X / [1, 10, 0.1] / 2
    exact = model(torch.from_numpy(x.astype(np.float32))).detach().numpy()
    network, inputs, _ = import_kan(model, x)
    assert np.sqrt(np.square(network.forward(inputs.unit(x)) - exact).mean()) < 0.1 * exact.std()


@pytest.mark.parametrize(
    ("model", "samples", "said"),
    [
        ([first], X[:, 0], r"samples are \(400,\); accepted: \(n, inputs\)"),
        ([lambda x: x], X, r"layer 0 gives \(257, 3\) of \(257, 3\); accepted: \(257, outputs, 3\)"),
        ([lambda x: np.log(x)[:, None, :]], X, "layer 0 gives a value that is not finite"),
        ([], X, "the model has no layer"),
        (
            SimpleNamespace(act_fun=[], width=[[3, 0], [2, 2]]),
            X,
            "multiplication nodes; accepted: nodes that",
        ),
    ],
)
def test_refused(model: Any, samples: np.ndarray, said: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(NetworkError, match=said):
        import_kan(model, samples)


@pytest.mark.parametrize("bases", [0, 33])
def test_bases_out_of_range_are_refused(bases: int) -> None:
    with pytest.raises(NetworkError, match=rf"bases is {bases}; accepted: 1\.\.32"):
        import_kan([first, second], X, bases=bases)
