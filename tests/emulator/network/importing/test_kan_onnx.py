"""Spline networks in ONNX files: layers found or named, their functions read, other networks refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.errors import MissingExtraError, NetworkError
from emulator.network.importing import onnx_parts
from emulator.network.importing.kan import import_kan
from emulator.network.importing.onnx_edges import onnx_edges
from emulator.network.importing.onnx_parts import Graph

from .cases import exported, nn, onnx_case, seeded, torch

X = np.random.default_rng(2).uniform(-0.9, 0.9, (300, 3)).astype(np.float32)
ORDER, GRID = 3, 5


class SplineLayer(nn.Module):
    """Cubic B-splines on a grid over -1..1 (Cox and de Boor) and a SiLU, weighted for each edge."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        step = 2 / GRID
        knots = torch.arange(-ORDER, GRID + ORDER + 1) * step - 1
        self.register_buffer("knots", knots.float())
        self.spline = nn.Linear(inputs * (GRID + ORDER), outputs, bias=False)
        self.base = nn.Linear(inputs, outputs)
        nn.init.normal_(self.spline.weight, std=0.3)

    def forward(self, x: Any) -> Any:
        t, v = self.knots, x.unsqueeze(-1)
        b = ((v >= t[:-1]) & (v < t[1:])).float()
        for k in range(1, ORDER + 1):
            left = (v - t[: -(k + 1)]) / (t[k:-1] - t[: -(k + 1)])
            right = (t[k + 1 :] - v) / (t[k + 1 :] - t[1:-k])
            b = left * b[..., :-1] + right * b[..., 1:]
        return self.spline(b.flatten(1)) + self.base(nn.functional.silu(x))


def kan() -> Any:
    return seeded(lambda: nn.Sequential(SplineLayer(3, 4), SplineLayer(4, 2)))


def layer_values(model: Any, x: np.ndarray, layers: int) -> np.ndarray:
    with torch.no_grad():
        return model[:layers](torch.from_numpy(np.asarray(x, np.float32))).double().numpy()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("kan"), kan(), X, dynamo=False)


def test_a_spline_networks_layers_are_found_and_fitted(path: Path) -> None:
    network, inputs, report = import_kan(path, X, bases=12)
    assert network.widths == (3, 4, 2)
    wanted = onnx_case(path, X).outputs(X)
    got = network.forward(inputs.unit(X))
    assert np.sqrt(np.square(got - wanted).mean()) < 0.1 * wanted.std()
    assert report.float_rms == pytest.approx(np.sqrt(np.square(got - wanted).mean()), rel=1e-3)


def test_each_edges_function_is_its_splines(path: Path) -> None:
    first, _ = onnx_edges(path, X.astype(np.float64), None)
    model = kan()
    moved = np.tile(X[0], (50, 1))
    moved[:, 1] = np.linspace(-0.9, 0.9, 50)
    along = layer_values(model, moved, 1)
    got = first(moved.astype(np.float64))[:, :, 1]
    np.testing.assert_allclose(got - got[0], along - along[0], atol=1e-5)
    everything = first(X.astype(np.float64)).sum(axis=2)
    np.testing.assert_allclose(everything, layer_values(model, X, 1), atol=1e-5)


def test_few_values_at_once_are_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = X[:40].astype(np.float64)
    first, _ = onnx_edges(path, x, None)
    together = first(x)
    monkeypatch.setattr("emulator.network.importing.onnx_edges.VALUES_MAX", 1)
    np.testing.assert_array_equal(first(x), together)


def test_layers_may_be_named(path: Path) -> None:
    graph = Graph(path)
    found = onnx_edges(path, X.astype(np.float64), None)
    middle = found[0].end
    assert (found[0].begin, found[1].begin) == ("x", middle)
    values = layer_values(kan(), X, 1)
    second = import_kan(path, values, at=[middle, graph.names[-1]], bases=12)
    assert second.network.widths == (4, 2)
    wanted = layer_values(kan(), X, 2)
    assert np.sqrt(np.square(second.network.forward(second.inputs.unit(values)) - wanted).mean()) < 0.1


def test_the_newer_exporters_file(tmp_path: Path) -> None:
    model = kan()
    file = exported(tmp_path, model, X, dynamo=True)
    layers = onnx_edges(file, X.astype(np.float64), None)
    assert len(layers) == 2
    np.testing.assert_allclose(
        layers[0](X.astype(np.float64)).sum(axis=2), layer_values(model, X, 1), atol=1e-5
    )


def test_a_file_for_a_fixed_number_of_samples(tmp_path: Path) -> None:
    model, file = kan().eval(), tmp_path / "fixed.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.from_numpy(X[:7]),), file, dynamo=False, input_names=["x"])
    first, second = onnx_edges(file, X[:25].astype(np.float64), None)
    np.testing.assert_allclose(
        second.outputs(first.outputs(X[:25])), layer_values(model, X[:25], 2), atol=1e-5
    )


class Products(nn.Module):
    """Values times each other: no sum of functions of single ones."""

    def forward(self, x: Any) -> Any:
        return torch.stack([x[:, 0] * x[:, 1], x[:, 1] + x[:, 2]], dim=1)


def test_products_of_values_are_refused(tmp_path: Path) -> None:
    file = exported(tmp_path, nn.Sequential(SplineLayer(3, 3), Products()), X, dynamo=False)
    middle = onnx_edges_end(file)
    with pytest.raises(
        NetworkError, match=rf"behind tensor '{middle}' none of .* is off by [\d.]+\); accepted: off"
    ):
        import_kan(file, X)
    end = Graph(file).names[-1]
    with pytest.raises(
        NetworkError, match=rf"tensor '{end}' is no sum of functions of single values of 'x': off by"
    ):
        import_kan(file, X, at=["x", end])


def test_products_that_the_samples_do_not_show_are_refused(tmp_path: Path) -> None:
    """On samples that move one value at a time around their mean a product looks like a sum."""
    file = exported(tmp_path, Products(), X, dynamo=False)
    one_by_one = np.concatenate([a * np.eye(3) for a in (-1.0, -0.5, 0.5, 1.0)])
    with pytest.raises(NetworkError, match="is no sum of functions of single values"):
        import_kan(file, one_by_one, at=["x", Graph(file).names[-1]])


def onnx_edges_end(file: Path) -> str:
    """The tensor behind the first layer: the last that all goes through before values are multiplied."""
    graph = Graph(file)
    sizes = {name: graph.between("x", name) for name in graph.cuts()[1:]}
    return next(name for name, run in reversed(sizes.items()) if run(X[:2].astype(np.float64)).shape[1] == 3)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (["x"], r"at is \['x'\]; accepted: two tensors or more"),
        (["x", "nowhere"], "tensor is 'nowhere'; accepted: one that the file computes, such as"),
        (["LAST", "x"], "tensor 'x' .* 'LAST'"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(path: Path, at: list[str], said: str) -> None:
    last = Graph(path).names[-1]
    with pytest.raises(NetworkError, match=said.replace("LAST", last)):
        import_kan(path, X, at=[last if name == "LAST" else name for name in at])


def test_a_tensor_beside_the_named_one_is_refused(path: Path) -> None:
    graph = Graph(path)
    cuts = graph.cuts()
    beside = next(n for n in graph.names[1:] if n not in cuts and "x" in reads_of(graph, n))
    with pytest.raises(
        NetworkError, match=rf"depends on 'x' besides '{beside}'; accepted: one that is made of"
    ):
        import_kan(path, X, at=[beside, graph.names[-1]])


def reads_of(graph: Graph, name: str) -> list[str]:
    return next(list(node.input) for node in graph.model.graph.node if name in node.output)


def test_names_are_of_files_only() -> None:
    with pytest.raises(
        NetworkError, match=r"at is \['a', 'b'\]; accepted: none, as the model is no ONNX file"
    ):
        import_kan([lambda x: x[:, None, :]], X, at=["a", "b"])


def test_samples_of_another_width_are_refused(path: Path) -> None:
    with pytest.raises(NetworkError, match=r"cannot be computed of 'x' \(2, 2\)"):
        import_kan(path, X[:, :2], at=["x", Graph(path).names[-1]])


def test_without_onnx_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"ndrite\[onnx\]"):
        import_kan(path, X)


def test_long_lists_of_names_are_cut() -> None:
    assert onnx_parts.listed([str(i) for i in range(20)]).endswith("'7', ..")
