"""Models of other libraries, each with its own float outputs."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs ndrite[train]")
pytest.importorskip("onnx", reason="needs ndrite[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs ndrite[import-check]")
skl2onnx = pytest.importorskip("skl2onnx", reason="needs ndrite[import-check]")

nn = torch.nn


@dataclass
class Case:
    """A model (module or file), its samples, and its own outputs as a function of inputs."""

    model: Any
    x: np.ndarray
    outputs: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, ...] | None = None


def normal(n: int, *shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def torch_case(model: Any, x: np.ndarray, shape: tuple[int, ...] | None = None) -> Case:
    """In evaluation mode, its batch norms with statistics and factors that are not trivial."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.3, 0.3),
            ):
                tensor.uniform_(low, high)
    model.eval()

    def outputs(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(np.asarray(x, np.float32))).numpy()

    return Case(model, x, outputs, shape)


def onnx_case(path: Path, x: np.ndarray, output: int | str = 0) -> Case:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def outputs(x: np.ndarray) -> np.ndarray:
        found = session.run(None, {name: np.asarray(x, np.float32)})
        index = output if isinstance(output, int) else [o.name for o in session.get_outputs()].index(output)
        return np.asarray(found[index])

    return Case(path, x, outputs)


class Composite(nn.Module):
    """Swish and a dendrite written out, and an activation that torch has no module for."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 24), nn.Linear(24, 16), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        x = self.a(x)
        x = self.b(x * torch.sigmoid(x))
        u = torch.clamp(x + 0.5, min=0)
        return self.c(u * torch.exp(1 - u))


class Normalised(nn.Module):
    """Takes a mean and a deviation off, by channel or for all, before its layers."""

    def __init__(self, mean: list[float], *layers: Any) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return self.layers((x - self.mean) / 0.4)


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3)
        self.f1, self.f2 = nn.Linear(32, 20), nn.Linear(20, 10)

    def forward(self, x: Any) -> Any:
        x = torch.max_pool2d(torch.relu(self.c1(x)), 2)
        x = torch.nn.functional.avg_pool2d(torch.tanh(self.c2(x)), 2)
        return self.f2(torch.relu(self.f1(x.view(x.size(0), -1))))


def seeded(build: Callable[[], Any]) -> Any:
    torch.manual_seed(3)
    return build()


def exported(folder: Path, model: Any, x: np.ndarray, *, dynamo: bool) -> Path:
    """Written by one of torch.onnx's two exporters, with an open batch axis."""
    path = folder / "model.onnx"
    example = (torch.from_numpy(x[:2]),)
    model.eval()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        if dynamo:
            pytest.importorskip("onnxscript", reason="needs ndrite[import-check]")
            batch = torch.export.Dim("batch")
            torch.onnx.export(model, example, path, dynamo=True, dynamic_shapes=({0: batch},))
        else:
            axes = {"x": {0: "batch"}}
            torch.onnx.export(
                model, example, path, dynamo=False, input_names=["x"], dynamic_axes=axes, opset_version=17
            )
    return path


def sklearn_file(folder: Path, model: Any, inputs: int, **options: Any) -> Path:
    from skl2onnx.common.data_types import FloatTensorType

    proto = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType([None, inputs]))], options=options or None
    )
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def _sequential(*layers: Any) -> Callable[[Path], Case]:
    def build(folder: Path) -> Case:
        model = seeded(lambda: nn.Sequential(*(layer() for layer in layers)))
        first = next(m for m in model.modules() if isinstance(m, nn.Linear))
        return torch_case(model, normal(300, first.in_features))

    return build


def _maps(build: Callable[[], Any]) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        return torch_case(seeded(build), normal(60, 1, 12, 12), (1, 12, 12))

    return case


def _padded_after_normalising() -> Any:
    """Zeros around maps whose zero is no code of 0; a function after pooling; batch norms on either side."""
    return Normalised(
        [0.3],
        *(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.BatchNorm2d(4)),
        *(nn.Conv2d(4, 6, 3), nn.Hardtanh(), nn.AvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(24)),
        nn.Linear(24, 5),
    )


def _padded_tanh() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3, padding=1, stride=2), nn.LeakyReLU(0.1)),
        *(nn.Flatten(), nn.Linear(100, 5), nn.Tanh()),
    )


def _no_activation() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.AvgPool2d(2), nn.Conv2d(4, 4, 2, dilation=2), nn.ELU(), nn.Flatten()),
        *(nn.Linear(36, 8), nn.Linear(8, 5)),
    )


def _pooled_out() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def _two_channels(folder: Path) -> Case:
    layers = (nn.Conv2d(2, 4, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(400, 3))
    model = seeded(lambda: Normalised([0.1, 0.4], *layers))
    return torch_case(model, normal(60, 2, 12, 12), (2, 12, 12))


def _batch_norms() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, stride=2, groups=2),
        nn.GELU(),
        nn.BatchNorm2d(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def _torch_onnx(build: Callable[[], Any], shape: tuple[int, ...], *, dynamo: bool) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        x = normal(80, *shape)
        return onnx_case(exported(folder, seeded(build), x, dynamo=dynamo), x)

    return case


def _classifier(activation: str, inputs: int, **options: Any) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        from sklearn.neural_network import MLPClassifier

        x = normal(300, inputs)
        y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
        model = MLPClassifier((24,), activation=activation, max_iter=30, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        return onnx_case(sklearn_file(folder, model, inputs, zipmap=False), x, "probabilities")

    return case


def _regressor(folder: Path) -> Case:
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = normal(300, 5) * np.array([1, 10, 0.1, 1000, 5], np.float32) + np.array([0, 50, 0, 0, -3], np.float32)
    y = np.sin(x[:, 0]) + 0.1 * x[:, 1]
    model = make_pipeline(
        StandardScaler(),
        MLPRegressor(hidden_layer_sizes=(30, 20), activation="tanh", max_iter=60, random_state=0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return onnx_case(sklearn_file(folder, model, 5), x)


def _saved_file(folder: Path) -> Case:
    model = seeded(lambda: nn.Sequential(nn.Linear(10, 16), nn.Softplus(), nn.Dropout(), nn.Linear(16, 4)))
    case = torch_case(model, normal(200, 10))
    torch.save(model, folder / "model.pt")
    case.model = folder / "model.pt"
    return case


def _prelu() -> Any:
    """A slope for each channel of maps and for each feature, none of them trivial."""
    model = nn.Sequential(
        *(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.PReLU(4),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.PReLU(6),
        ),
        *(nn.Flatten(), nn.Linear(216, 12), nn.BatchNorm1d(12), nn.PReLU(12), nn.Linear(12, 4)),
    )
    for module in model.modules():
        if isinstance(module, nn.PReLU):
            module.weight.data = torch.linspace(-0.3, 0.9, module.weight.numel())
    return model


def _average_then_padded() -> Any:
    """Biases so high that few samples never see the ReLU at 0."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(125, 3)),
    )
    model[0].bias.data += 2.5
    return model


def _padded_sigmoid() -> Any:
    """Outputs in 0.2..0.8: what 0 maps to lies outside of what the samples span."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 5, 3, padding=1), nn.Tanh(), nn.Flatten()),
        nn.Linear(500, 3),
    )
    model[0].weight.data *= 0.5
    return model


def _row() -> Any:
    return nn.Sequential(
        *(
            nn.Conv1d(2, 6, 5, padding=2, stride=2),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(6, 8, 3, dilation=2),
        ),
        *(nn.Tanh(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(16, 3)),
    )


def _vgg() -> Any:
    """VGG's pattern at a quarter of its width: pairs of 3 x 3 convolutions between poolings."""
    layers: list[Any] = []
    before = 3
    for width in (16, 32):
        for _ in range(2):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 64, 64), nn.ReLU(), nn.Linear(64, 10))
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return model


def _keras_cnn(folder: Path) -> Case:
    """As tf2onnx writes a Keras CNN: samples (row, column, channel), transposed around its convolutions."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    rng = np.random.default_rng(4)
    constants = {
        "k1": rng.normal(size=(4, 2, 3, 3)) / 3,
        "b1": rng.normal(size=4) / 3,
        "k2": rng.normal(size=(5, 4, 3, 3)) / 4,
        "b2": rng.normal(size=5) / 3,
        "w": rng.normal(size=(80, 6)) / 6,
        "b": rng.normal(size=6),
    }
    tensors = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()]
    tensors.append(numpy_helper.from_array(np.array([-1, 80], np.int64), "flat"))
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Transpose", ["x"], ["first"], "to_nchw", perm=[0, 3, 1, 2]),
            node("Conv", ["first", "k1", "b1"], ["c1"], "conv", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
            node("Relu", ["c1"], ["r1"], "relu"),
            node("MaxPool", ["r1"], ["p1"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", ["p1", "k2", "b2"], ["c2"], "conv_1", kernel_shape=[3, 3]),
            node("Relu", ["c2"], ["r2"], "relu_1"),
            node("Transpose", ["r2"], ["last"], "to_nhwc", perm=[0, 2, 3, 1]),
            node("Reshape", ["last", "flat"], ["f"], "flatten"),
            node("MatMul", ["f", "w"], ["m"], "dense"),
            node("Add", ["m", "b"], ["y"], "bias"),
        ],
        "keras",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 12, 12, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    checker.check_model(model)
    save(model, folder / "keras.onnx")
    return onnx_case(folder / "keras.onnx", normal(60, 12, 12, 2))


def _sklearn(build: Callable[[], Any], output: int | str = 0, **options: Any) -> Callable[[Path], Case]:
    """A fitted model of two classes (by the sign of a sum), or of a linear target."""

    def case(folder: Path) -> Case:
        x = normal(300, 7)
        model = build()
        target = x[:, 0] - 2 * x[:, 1] + 0.3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, (target > 0).astype(int) if hasattr(model, "predict_proba") else target)
        return onnx_case(sklearn_file(folder, model, 7, **options), x, output)

    return case


def _sk(name: str, kind: str, **options: Any) -> Callable[[], Any]:
    import importlib

    return lambda: getattr(importlib.import_module(f"sklearn.{name}"), kind)(**options)


def _around(layer: Callable[[], Any], *, dynamo: bool) -> Callable[[Path], Case]:
    """One function of each value between two full layers."""
    return _torch_onnx(
        lambda: nn.Sequential(nn.Linear(9, 20), layer(), nn.Linear(20, 3)), (9,), dynamo=dynamo
    )


CASES: dict[str, Callable[[Path], Case]] = {
    "torch relu": _sequential(lambda: nn.Linear(20, 32), nn.ReLU, lambda: nn.Linear(32, 5)),
    "torch gelu, batch norms": _sequential(
        lambda: nn.BatchNorm1d(20),
        lambda: nn.Linear(20, 32),
        lambda: nn.BatchNorm1d(32),
        nn.GELU,
        lambda: nn.BatchNorm1d(32),
        lambda: nn.Linear(32, 16),
        nn.Tanh,
        lambda: nn.Linear(16, 3),
    ),
    "torch three full layers, leaky relu, sigmoid out": _sequential(
        lambda: nn.Linear(8, 8), lambda: nn.Linear(8, 12), nn.LeakyReLU, lambda: nn.Linear(12, 1), nn.Sigmoid
    ),
    "torch 300 inputs": _sequential(lambda: nn.Linear(300, 20), nn.Hardswish, lambda: nn.Linear(20, 4)),
    "torch composite": lambda folder: torch_case(seeded(Composite), normal(300, 12)),
    "torch lenet": _maps(LeNet),
    "torch convolutions, batch norms, groups": _maps(_batch_norms),
    "torch normalised, padded convolution": _maps(_padded_after_normalising),
    "torch tanh, padded convolution": _maps(_padded_tanh),
    "torch convolution without activation": _maps(_no_activation),
    "torch convolution, pooled out": _maps(_pooled_out),
    "torch two channels normalised": _two_channels,
    "torch file": _saved_file,
    "onnx torch, tracing exporter": _torch_onnx(Composite, (12,), dynamo=False),
    "onnx torch lenet, tracing exporter": _torch_onnx(LeNet, (1, 12, 12), dynamo=False),
    "onnx torch lenet, export exporter": _torch_onnx(LeNet, (1, 12, 12), dynamo=True),
    "onnx torch elu, export exporter": _torch_onnx(
        lambda: nn.Sequential(nn.Linear(9, 20), nn.ELU(), nn.Linear(20, 3)), (9,), dynamo=True
    ),
    "onnx sklearn classifier relu": _classifier("relu", 12),
    "onnx sklearn classifier logistic, 200 inputs": _classifier("logistic", 200),
    "onnx sklearn scaler and regressor tanh": _regressor,
    "torch prelu by channel": _maps(_prelu),
    "torch relu, average pooling, padded convolution": _maps(_average_then_padded),
    "torch sigmoid, padded convolution": _maps(_padded_sigmoid),
    "torch 1-D convolutions": lambda folder: torch_case(seeded(_row), normal(60, 2, 32), (2, 32)),
    "torch vgg": lambda folder: torch_case(seeded(_vgg), normal(24, 3, 32, 32), (3, 32, 32)),
    "onnx torch 1-D convolutions, tracing exporter": _torch_onnx(_row, (2, 32), dynamo=False),
    "onnx torch 1-D convolutions, export exporter": _torch_onnx(_row, (2, 32), dynamo=True),
    "onnx torch prelu by channel, tracing exporter": _torch_onnx(_prelu, (1, 12, 12), dynamo=False),
    "onnx torch prelu by channel, export exporter": _torch_onnx(_prelu, (1, 12, 12), dynamo=True),
    **{
        f"onnx torch {name}, {'export' if dynamo else 'tracing'} exporter": _around(layer, dynamo=dynamo)
        for name, layer in {
            "gelu": nn.GELU,
            "gelu, tanh": lambda: nn.GELU(approximate="tanh"),
            "softplus": nn.Softplus,
            "prelu": nn.PReLU,
        }.items()
        for dynamo in (False, True)
    },
    "onnx keras cnn": _keras_cnn,
    "onnx sklearn two classes": _sklearn(
        _sk("neural_network", "MLPClassifier", hidden_layer_sizes=(16,), max_iter=40, random_state=0),
        "probabilities",
        zipmap=False,
    ),
    "onnx sklearn logistic regression": _sklearn(
        _sk("linear_model", "LogisticRegression"), "probabilities", zipmap=False
    ),
    "onnx sklearn linear regression": _sklearn(_sk("linear_model", "LinearRegression")),
    "onnx sklearn ridge": _sklearn(_sk("linear_model", "Ridge")),
}
