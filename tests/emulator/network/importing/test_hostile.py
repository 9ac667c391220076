"""Models that are easily misread: each imports with its own outputs, or is refused in one line.

The reference is the model itself: PyTorch's module, scikit-learn's estimator, or onnxruntime's run of a file.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.errors import NetworkError
from emulator.network.importing import import_model
from tests.emulator.network.importing.cases import nn, normal, onnxruntime, seeded, torch

RIGHT = 0.02
"""Largest difference of the float network, relative to the largest output: its functions are sampled."""


def outputs_of(path: Path, x: np.ndarray, output: str | None = None) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = None if output is None else [output]
    return np.asarray(session.run(wanted, {session.get_inputs()[0].name: x})[0]).reshape(len(x), -1)


def check(model: Any, x: np.ndarray, wanted: np.ndarray, far: float = 0.0, **options: Any) -> None:
    """The network gives ``wanted``, but for a part ``far`` of it: where a step is sampled between points."""
    imported = import_model(model, samples=x, **options)
    got = imported.network.forward(imported.inputs.unit(x))
    assert got.shape == wanted.shape
    off = np.abs(got - wanted) > RIGHT * np.abs(wanted).max()
    assert off.mean() <= far, f"{off.sum()} of {off.size} values differ"
    assert imported.compared >= len(x)


class Inplace(nn.Module):
    """A ReLU and a sum that overwrite what a residual reads."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        y = self.a(x)
        z = torch.nn.functional.relu(y, inplace=True)
        y += self.b(z)
        return self.c(y + z)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.b(torch.tanh(self.a(x)))


def hooked() -> Any:
    model = Wrapped()
    model.a.register_forward_hook(lambda module, given, y: 0.5 * y - 0.2)
    model.b.register_forward_pre_hook(lambda module, given: (given[0] * 2,))
    return model


def own_forward() -> Any:
    model = Wrapped()
    model.forward = lambda x: model.b(torch.relu(model.a(x)) - 0.1)  # type: ignore[method-assign]
    return model


def without_gradients() -> Any:
    model = Wrapped()
    model.a.weight.requires_grad_(False)
    return model.double()


class Stepped(nn.Module):
    """Steps as hidden activations."""

    def __init__(self, step: Callable[[Any], Any]) -> None:
        super().__init__()
        self.a, self.b, self.step = nn.Linear(8, 16), nn.Linear(16, 3), step

    def forward(self, x: Any) -> Any:
        return self.b(self.step(self.a(x)))


class Tied(nn.Module):
    """One weight in two places, one of them transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 8) / 3)

    def forward(self, x: Any) -> Any:
        return torch.tanh(x @ self.w) @ self.w.t()


class Weighted(nn.Module):
    """Weights that are computed of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.utils.parametrizations.weight_norm(nn.Linear(8, 12))
        self.b = nn.Linear(12, 3)

    def forward(self, x: Any) -> Any:
        return self.b(torch.relu(self.a(x)).clamp(max=0.7))


MODULES: dict[str, tuple[Callable[[], Any], float]] = {
    "in place": (Inplace, 0),
    "hooks": (hooked, 0),
    "a forward of its own": (own_forward, 0),
    "double precision": (without_gradients, 0),
    "sign": (lambda: Stepped(torch.sign), 0.03),
    "truth values": (lambda: Stepped(lambda z: (z > 0.1).float()), 0.03),
    "whole numbers": (lambda: Stepped(lambda z: (2 * z).to(torch.int32).float()), 0.05),
    "rounded": (lambda: Stepped(lambda z: torch.round(3 * z) / 3), 0.05),
    "where": (lambda: Stepped(lambda z: torch.where(z > 0, z, -0.3 * z)), 0),
    "tied weights": (Tied, 0),
    "weight norm": (Weighted, 0),
    "dropout in training mode": (
        lambda: nn.Sequential(nn.Linear(8, 12), nn.Dropout(0.9), nn.ReLU(), nn.Linear(12, 3)).train(),
        0,
    ),
    "batch norm in training mode": (
        lambda: nn.Sequential(nn.Linear(8, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3)).train(),
        0,
    ),
    "two functions of one layer": (lambda: Stepped(lambda z: torch.sin(z) * torch.sigmoid(z) - z.abs()), 0),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    build, far = MODULES[name]
    model, x = seeded(build), normal(200, 8)
    training = [m.training for m in model.modules()]
    kind = next(model.parameters()).dtype
    check(model, x, _own(model, torch.from_numpy(x).to(kind)), far)
    assert [m.training for m in model.modules()] == training, "the model is left as it was"


def _own(model: Any, x: Any) -> np.ndarray:
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    with torch.no_grad():
        found = model(x).numpy().reshape(len(x), -1)
    for module, training in modes:
        module.training = training
    return found


def test_a_projected_lstm_is_refused() -> None:
    class Projected(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.r = nn.LSTM(5, 8, proj_size=3, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.r(x)[0][:, -1]

    with pytest.raises(NetworkError, match=r"cannot be run"):
        import_model(seeded(Projected), samples=normal(20, 4, 5))


def node(kind: str, given: list[str], gives: str, **options: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, given, [gives], f"{kind}_{gives}", **options)


RNG = np.random.default_rng(7)
W, B = RNG.normal(size=(6, 6)) / 2, RNG.normal(size=6)
K = RNG.normal(size=(3, 2, 3, 3)) / 3
TINY = {"w": W, "b": B, "k": K}

FILES: dict[str, tuple[Any, tuple[int, ...], dict[str, Any], int, float]] = {
    "a bias that is computed": (
        lambda: [node("Tanh", ["x"], "t"), node("Gemm", ["x", "w", "t"], "y", beta=0.5)],
        (6,),
        {"w": W},
        6,
        0,
    ),
    "alpha and beta of a Gemm": (
        lambda: [
            node("Gemm", ["x", "w", "b"], "g", alpha=-0.7, beta=1.9),
            node("Tanh", ["g"], "t"),
            node("Gemm", ["t", "w"], "y", alpha=0.3, transB=1),
        ],
        (6,),
        {"w": W, "b": B},
        6,
        0,
    ),
    "pads of permuted axes": (
        lambda: [
            node("Pad", ["x", "p", "", "a"], "q"),
            node("Conv", ["q", "k"], "c"),
            node("Flatten", ["c"], "y"),
        ],
        (2, 5, 5),
        {"p": np.array([1, 0, 0, 2], np.int64), "a": np.array([3, 2], np.int64), "k": K},
        3 * 5 * 4,
        0,
    ),
    "slopes by feature": (
        lambda: [node("Gemm", ["x", "w", "b"], "g"), node("PRelu", ["g", "s"], "y")],
        (6,),
        {"w": W, "b": B, "s": np.linspace(-0.5, 0.9, 6)},
        6,
        0,
    ),
    "the codes of a quantiser": (
        lambda: [
            node("Gemm", ["x", "w", "b"], "g"),
            node("QuantizeLinear", ["g", "s", "z"], "q"),
            node("DequantizeLinear", ["q", "s", "z"], "d"),
            node("Gemm", ["d", "w", "b"], "y"),
        ],
        (6,),
        {"w": W, "b": B, "s": np.float32(0.02), "z": np.array(0, np.uint8)},
        6,
        0,
    ),
    "a clip whose ends are the wrong way round": (
        lambda: [node("Gemm", ["x", "w", "b"], "g"), node("Clip", ["g", "h", "l"], "y")],
        (6,),
        {"w": W, "b": B, "l": np.float32(-0.4), "h": np.float32(0.6)},
        6,
        0,
    ),
    "a sum over features as a mean": (
        lambda: [
            node("Gemm", ["x", "w", "b"], "g"),
            node("Mul", ["g", "g"], "m"),
            node("Sub", ["m", "x"], "y"),
        ],
        (6,),
        {"w": W, "b": B},
        6,
        0,
    ),
    "dilated kernels and strides that leave a rest": (
        lambda: [
            node("Conv", ["x", "k"], "c", dilations=[2, 1], strides=[1, 2]),
            node("GlobalAveragePool", ["c"], "a"),
            node("Flatten", ["a"], "y"),
        ],
        (2, 8, 8),
        {"k": K},
        3,
        0,
    ),
}


def written(
    folder: Path, nodes: list[Any], constants: dict[str, Any], shape: tuple[int, ...], outputs: int
) -> Path:
    from onnx import TensorProto, helper, numpy_helper

    tensors = [
        numpy_helper.from_array(v if v.dtype.kind in "iu" else v.astype(np.float32), k)
        for k, v in ((k, np.asarray(v)) for k, v in constants.items())
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs])],
        tensors,
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    path = folder / "written.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path) -> None:
    nodes, shape, constants, outputs, far = FILES[name]
    path, x = written(tmp_path, nodes(), constants, shape, outputs), normal(150, *shape)
    check(path, x, outputs_of(path, x), far)


LOGISTIC = {
    "post_transform": "LOGISTIC",
    "coefficients": [0.3, -1.0, 0.5, 2.0, 0.1, -0.4],
    "intercepts": [0.1],
}
REFUSED: dict[str, tuple[Any, tuple[int, ...], int]] = {
    "a normaliser of the inputs": (
        lambda: [
            node("Normalizer", ["x"], "q", domain="ai.onnx.ml", norm="L2"),
            node("Gemm", ["q", "w"], "y"),
        ],
        (6,),
        6,
    ),
    "a normaliser in the middle": (
        lambda: [
            node("Gemm", ["x", "w"], "g"),
            node("Normalizer", ["g"], "q", domain="ai.onnx.ml", norm="L1"),
            node("Gemm", ["q", "w"], "y"),
        ],
        (6,),
        6,
    ),
    "a softmax over the samples": (
        lambda: [node("Gemm", ["x", "w"], "g"), node("Softmax", ["g"], "y", axis=0)],
        (6,),
        6,
    ),
    "slopes by width": (
        lambda: [node("Conv", ["x", "k"], "c"), node("PRelu", ["c", "s"], "p"), node("Flatten", ["p"], "y")],
        (2, 6, 6),
        48,
    ),
    "a foreign operator named like ONNX's": (
        lambda: [node("Gemm", ["x", "w"], "g"), node("Relu", ["g"], "y", domain="mine")],
        (6,),
        6,
    ),
    "a constant in front": (lambda: [node("MatMul", ["w", "x"], "y")], (6,), 6),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(name: str, tmp_path: Path) -> None:
    nodes, shape, outputs = REFUSED[name]
    constants = {**TINY, "s": RNG.normal(size=(4,))}
    path = written(tmp_path, nodes(), constants, shape, outputs)
    with pytest.raises(NetworkError) as refusal:
        import_model(path, samples=normal(50, *shape))
    assert "\n" not in str(refusal.value)


def test_a_regressor_with_a_sigmoid(tmp_path: Path) -> None:
    """The specification has it, onnxruntime leaves it out: nobody's model is imported on such a doubt."""
    path = written(
        tmp_path, [node("LinearRegressor", ["x"], "y", domain="ai.onnx.ml", **LOGISTIC)], {}, (6,), 1
    )
    with pytest.raises(NetworkError, match=r"differ from the model's own"):
        import_model(path, samples=normal(100, 6))


def test_batch_norm_in_training_mode(tmp_path: Path) -> None:
    from onnx import helper

    names = ["g", "s", "o", "m", "v"]
    bn = helper.make_node("BatchNormalization", names, ["y", "m2", "v2"], "bn", training_mode=1)
    ones = {n: np.ones(6) for n in names[1:]}
    path = written(tmp_path, [node("Gemm", ["x", "w"], "g"), bn], {**ones, "w": W}, (6,), 6)
    with pytest.raises(NetworkError, match="training mode"):
        import_model(path, samples=normal(50, 6))


def test_a_function_of_a_foreign_domain(tmp_path: Path) -> None:
    """It is what its body says, whatever its name says."""
    import onnx
    from onnx import helper

    body = helper.make_function(
        "mine", "Relu", ["a"], ["b"], [helper.make_node("Tanh", ["a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    path = written(
        tmp_path, [node("Gemm", ["x", "w"], "g"), node("Relu", ["g"], "y", domain="mine")], {"w": W}, (6,), 6
    )
    model = onnx.load(path)
    model.functions.append(body)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    onnx.save(model, path)
    x = normal(100, 6)
    check(path, x, np.tanh(x @ W.astype(np.float32)))


def test_a_model_with_two_heads(tmp_path: Path) -> None:
    """Neither is dropped without a word."""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(8, 16), nn.Linear(16, 3), nn.Linear(16, 5)

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.a(x))
            return self.b(h), self.c(h)

    model, x = seeded(Heads), normal(100, 8)
    with pytest.raises(
        NetworkError, match=r"several outputs; accepted: one of '(.*)', '(.*)', given"
    ) as refusal:
        import_model(model, samples=x)
    second = str(refusal.value).split("'")[3]
    with torch.no_grad():
        wanted = model(torch.from_numpy(x))[1].numpy()
    imported = import_model(model, samples=x, output=second)
    np.testing.assert_allclose(imported.reference(x), wanted, atol=1e-5)


def test_a_statically_quantised_model_keeps_its_activations(tmp_path: Path) -> None:
    """onnxruntime's own tool drops the ReLUs, as the codes end at 0."""
    quantization = pytest.importorskip("onnxruntime.quantization")

    model, x = seeded(lambda: nn.Sequential(*_three(8, 24, 5))), normal(300, 8)
    path = tmp_path / "float.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.from_numpy(x[:2]),),
            path,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
        )

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.left = [{"x": x[i : i + 50]} for i in range(0, 300, 50)]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    quantised = tmp_path / "quantised.onnx"
    quantization.quantize_static(str(path), str(quantised), Reader())
    import onnx

    kinds = [n.op_type for n in onnx.load(quantised).graph.node]
    assert "Relu" not in kinds
    assert "QuantizeLinear" in kinds
    imported = import_model(quantised, samples=x)
    wanted = outputs_of(path, x)
    got = imported.network.forward(imported.inputs.unit(x))
    assert np.sqrt(np.square(got - wanted).mean()) < 0.05 * wanted.std()
    assert (got.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.97


def _three(inputs: int, hidden: int, outputs: int) -> list[Any]:
    return [
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    ]


def _sk(*path: str, **options: Any) -> Any:
    *where, kind = path
    return getattr(importlib.import_module("sklearn." + ".".join(where)), kind)(**options)


def _pipe(*steps: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)


def _mlp(**options: Any) -> Any:
    return _sk(
        "neural_network", "MLPClassifier", hidden_layer_sizes=(12,), max_iter=40, random_state=0, **options
    )


ESTIMATORS: dict[str, tuple[Callable[[], Any], str]] = {
    "three classes": (_mlp, "classes"),
    "three classes by name": (_mlp, "names"),
    "two classes": (_mlp, "two"),
    "scaled": (lambda: _pipe(_sk("preprocessing", "StandardScaler"), _mlp(activation="tanh")), "classes"),
    "logistic regression": (lambda: _sk("linear_model", "LogisticRegression"), "classes"),
    "logistic regression of two": (lambda: _sk("linear_model", "LogisticRegression"), "two"),
    "components": (
        lambda: _pipe(_sk("decomposition", "PCA", n_components=4), _sk("linear_model", "LogisticRegression")),
        "classes",
    ),
    "a range": (lambda: _pipe(_sk("preprocessing", "MinMaxScaler"), _mlp(activation="logistic")), "classes"),
    "a regressor": (
        lambda: _sk("neural_network", "MLPRegressor", hidden_layer_sizes=(12,), max_iter=60, random_state=0),
        "values",
    ),
    "a linear regressor": (lambda: _sk("linear_model", "LinearRegression"), "values"),
}
NOT_NETWORKS: dict[str, tuple[Callable[[], Any], str]] = {
    "a normaliser": (lambda: _pipe(_sk("preprocessing", "Normalizer"), _mlp()), "classes"),
    "a forest": (lambda: _sk("ensemble", "RandomForestClassifier", n_estimators=3), "classes"),
    "neighbours": (lambda: _sk("neighbors", "KNeighborsClassifier"), "classes"),
    "support vectors": (lambda: _sk("svm", "SVC"), "classes"),
    "powers": (lambda: _pipe(_sk("preprocessing", "PolynomialFeatures"), _mlp()), "classes"),
}


def _fitted(build: Callable[[], Any], target: str) -> tuple[Any, np.ndarray]:
    x = normal(300, 6)
    score = x[:, 0] - 0.5 * x[:, 1] + 0.3 * x[:, 2] ** 2
    classes = (score > 0).astype(int) + (score > 1)
    y: Any = {"values": score, "two": (score > 0).astype(int), "classes": classes, "names": 0}[target]
    if target == "names":
        y = np.array(["low", "middle", "high"])[classes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build().fit(x, y), x


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name: str) -> None:
    pytest.importorskip("skl2onnx", reason="needs ndrite[sklearn]")
    model, x = _fitted(*ESTIMATORS[name])
    imported = import_model(model, samples=x)
    got = imported.network.forward(imported.inputs.unit(x))
    if not hasattr(model, "classes_"):
        np.testing.assert_allclose(got[:, 0], model.predict(x), atol=RIGHT * np.abs(got).max())
        return
    assert imported.network.meaning.classes == tuple(map(str, model.classes_))
    sure = np.sort(model.predict_proba(x), axis=1)
    sure = sure[:, -1] - sure[:, -2] > 0.02
    assert (model.classes_[got.argmax(axis=1)] == model.predict(x))[sure].all()


@pytest.mark.parametrize("name", NOT_NETWORKS)
def test_estimators_that_are_no_networks(name: str) -> None:
    pytest.importorskip("skl2onnx", reason="needs ndrite[sklearn]")
    model, x = _fitted(*NOT_NETWORKS[name])
    with pytest.raises(NetworkError, match=r"is not supported"):
        import_model(model, samples=x)


def test_a_misreading_names_its_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever a handler gets wrong, the model's own runtime finds it, and says where."""
    from emulator.network.importing.reading import HANDLERS

    right = HANDLERS["Gemm"]
    path = written(
        tmp_path,
        [node("Gemm", ["x", "w", "b"], "g"), node("Tanh", ["g"], "t"), node("Gemm", ["t", "w"], "y")],
        {"w": W, "b": B},
        (6,),
        6,
    )
    monkeypatch.setitem(HANDLERS, "Gemm", lambda call: right(call).affine(call.name, 1.05, 0.0))
    with pytest.raises(NetworkError, match=r"Gemm_g' \(Gemm\).*differ from the model's own"):
        import_model(path, samples=normal(40, 6))


def test_an_input_that_never_varies_costs_nothing() -> None:
    """Its weight, however large, is part of the bias."""
    model, x = seeded(lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))), normal(100, 8)
    model[0].weight.data[:, 3] = 300.0
    x[:, 3] = 0.01
    imported = import_model(model, samples=x)
    assert np.abs(imported.network.layers[0].weights[3]).max() == 0
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(imported.network.forward(imported.inputs.unit(x)), wanted, atol=0.01)


def test_an_average_behind_a_convolution_is_taken_before_it() -> None:
    """So no product of ones passes sums on, whose noise would be added to every class."""
    model = seeded(lambda: nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1)))
    model = nn.Sequential(*model, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = normal(60, 2, 9, 9)
    imported = import_model(model, samples=x)
    assert [n.kind for n in imported.network.nodes] == ["product", "pool", "product"]
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(imported.network.forward(imported.inputs.unit(x)), wanted, atol=0.01)
