"""ONNX files: of PyTorch's two exporters, as other exporters write them, and ONNX's own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.emulator.network.importing import architectures as nets
from tests.emulator.network.importing.cases import (
    Build,
    Case,
    exported,
    nn,
    normal,
    onnx_case,
    seeded,
    written,
)
from tests.emulator.network.importing.torch_models import (
    composite,
    kaiming,
    lenet,
    prelu_by_channel,
    row_network,
)


def _torch_onnx(
    build: Callable[[], Any], shape: tuple[int, ...], *, dynamo: bool, n: int = 80, calls_first: bool = False
) -> Build:
    def case(folder: Path) -> Case:
        x = normal(n, *shape)
        path = exported(folder, seeded(build), x, dynamo=dynamo, calls_first=calls_first)
        return onnx_case(path, x, calls_first=calls_first)

    return case


def _keras_cnn(folder: Path) -> Case:
    """As tf2onnx writes a Keras CNN: samples (row, column, channel), transposed around its convolutions."""
    rng = np.random.default_rng(4)
    constants = {
        "k1": rng.normal(size=(4, 2, 3, 3)) / 3,
        "b1": rng.normal(size=4) / 3,
        "k2": rng.normal(size=(5, 4, 3, 3)) / 4,
        "b2": rng.normal(size=5) / 3,
        "w": rng.normal(size=(80, 6)) / 6,
        "b": rng.normal(size=6),
        "flat": np.array([-1, 80], np.int64),
    }
    nodes = """
        first = Transpose <perm = [0, 3, 1, 2]> (x)
        c1 = Conv <pads = [1, 1, 1, 1], kernel_shape = [3, 3]> (first, k1, b1)
        r1 = Relu(c1)
        p1 = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r1)
        c2 = Conv <kernel_shape = [3, 3]> (p1, k2, b2)
        r2 = Relu(c2)
        last = Transpose <perm = [0, 2, 3, 1]> (r2)
        f = Reshape(last, flat)
        m = MatMul(f, w)
        y = Add(m, b)
    """
    path = written(folder, nodes, constants, (12, 12, 2), 6, opset=15)
    return onnx_case(path, normal(60, 12, 12, 2))


def _keras_separable(folder: Path) -> Case:
    """A separable convolution, padding SAME with stride 2, swish, and a residual, all as Keras has them."""
    rng = np.random.default_rng(5)
    constants = {
        "k1": rng.normal(size=(6, 3, 3, 3)) / 4,
        "b1": rng.normal(size=6) / 3,
        "d": rng.normal(size=(6, 1, 3, 3)) / 2,
        "p": rng.normal(size=(6, 6, 1, 1)) / 2,
        "b2": rng.normal(size=(1, 6, 1, 1)) / 3,
        "w": rng.normal(size=(6, 4)),
        "places": np.array([2, 3], np.int64),
    }
    nodes = """
        first = Transpose <perm = [0, 3, 1, 2]> (x)
        c1 = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (first, k1, b1)
        s1 = Sigmoid(c1)
        a1 = Mul(c1, s1)
        c2 = Conv <auto_pad = "SAME_UPPER", group = 6> (a1, d)
        c3 = Conv(c2, p)
        c4 = Add(c3, b2)
        c5 = Add(c4, a1)
        r = Relu(c5)
        q = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (r)
        g = GlobalAveragePool(q)
        f = Squeeze(g, places)
        y = MatMul(f, w)
    """
    path = written(folder, nodes, constants, (12, 12, 3), 4, opset=15)
    return onnx_case(path, normal(60, 12, 12, 3))


def _keras_recurrent(kind: str, options: str = "", start: float | None = None) -> Build:
    """As tf2onnx writes a Keras LSTM or GRU: transposed before it, its last state squeezed behind it."""

    def case(folder: Path) -> Case:
        rng = np.random.default_rng(6)
        gates, k, h = (4 if kind == "LSTM" else 3), 5, 8
        constants = {
            "w": rng.normal(size=(1, gates * h, k)) / 2,
            "r": rng.normal(size=(1, gates * h, h)) / 2,
            "b": rng.normal(size=(1, 2 * gates * h)) / 3,
            "o": rng.normal(size=(h, 3)),
            "zero": np.array([0], np.int64),
        }
        states = "" if start is None else ", , s, s"
        if start is not None:
            constants["s"] = np.full((1, 60, h), start)
        nodes = f"""
            first = Transpose <perm = [1, 0, 2]> (x)
            , last = {kind} <hidden_size = {h}{options}> (first, w, r, b{states})
            f = Squeeze(last, zero)
            y = MatMul(f, o)
        """
        samples = "n" if start is None else 60
        path = written(folder, nodes, constants, (8, k), 3, opset=15, samples=samples)
        return onnx_case(path, normal(60, 8, k))

    return case


OWN = (
    "AvgPool1d AvgPool2d_stride BatchNorm2d_eval Conv1d_dilated Conv1d_groups Conv1d_pad2 Conv2d "
    "Conv2d_depthwise_padded Conv2d_depthwise_with_multiplier Conv2d_groups_thnn ELU GLU_dim LeakyReLU "
    "MaxPool1d MaxPool2d PReLU_2d_multiparam Softplus Tanh ZeroPad2d"
).split()
"""Of ONNX's tests converted from PyTorch: each has weights, an input and its outputs in files."""


def _own(name: str) -> Build:
    def case(folder: Path) -> Case:
        from onnx import TensorProto, backend, numpy_helper

        where = Path(backend.__file__).parent / "test" / "data" / "pytorch-converted" / f"test_{name}"

        def tensor(kind: str) -> np.ndarray:
            proto = TensorProto()
            proto.ParseFromString((where / "test_data_set_0" / f"{kind}_0.pb").read_bytes())
            return np.asarray(numpy_helper.to_array(proto))

        x, y = tensor("input"), tensor("output")

        def outputs(given: np.ndarray) -> np.ndarray:
            assert given is x, "outputs are recorded of one input"
            return y.reshape(len(x), -1)

        return Case(where / "model.onnx", x, outputs, x.shape[1:])

    return case


def _around(layer: Callable[[], Any], *, dynamo: bool) -> Build:
    """One function of each value between two full layers."""
    return _torch_onnx(
        lambda: nn.Sequential(nn.Linear(9, 20), layer(), nn.Linear(20, 3)), (9,), dynamo=dynamo
    )


ONNX: dict[str, Build] = {
    "onnx torch, tracing exporter": _torch_onnx(composite, (12,), dynamo=False),
    "onnx torch lenet, tracing exporter": _torch_onnx(lenet, (1, 12, 12), dynamo=False),
    "onnx torch lenet, export exporter": _torch_onnx(lenet, (1, 12, 12), dynamo=True),
    "onnx torch elu, export exporter": _torch_onnx(
        lambda: nn.Sequential(nn.Linear(9, 20), nn.ELU(), nn.Linear(20, 3)), (9,), dynamo=True
    ),
    "onnx torch 1-D convolutions, tracing exporter": _torch_onnx(row_network, (2, 32), dynamo=False),
    "onnx torch 1-D convolutions, export exporter": _torch_onnx(row_network, (2, 32), dynamo=True),
    "onnx torch prelu by channel, tracing exporter": _torch_onnx(prelu_by_channel, (1, 12, 12), dynamo=False),
    **{
        f"onnx torch {name}, {'export' if dynamo else 'tracing'} exporter": _around(layer, dynamo=dynamo)
        for name, layer in {
            "gelu": nn.GELU,
            "gelu, tanh": lambda: nn.GELU(approximate="tanh"),
            "softplus": nn.Softplus,
            "prelu": nn.PReLU,
        }.items()
        for dynamo in ((False, True) if name in ("gelu", "prelu") else (False,))
    },
    "onnx keras cnn": _keras_cnn,
    "onnx keras separable": _keras_separable,
    "onnx keras lstm": _keras_recurrent("LSTM"),
    "onnx keras gru": _keras_recurrent("GRU", ", linear_before_reset = 1"),
    "onnx keras gru, reset before": _keras_recurrent("GRU"),
    "onnx keras lstm, its states begin at a half": _keras_recurrent("LSTM", start=0.5),
    **{
        f"onnx torch {name}, {'export' if dynamo else 'tracing'} exporter": _torch_onnx(
            build, shape, dynamo=dynamo, n=40, calls_first=name.endswith("calls first")
        )
        for name, (build, shape) in {
            "resnet-8": (lambda: kaiming(nets.ResNet(1, 8)), (3, 16, 16)),
            "shuffled channels": (nets.shuffle, (3, 11, 11)),
            "temporal": (nets.temporal, (3, 20)),
            "lstm, two layers": (
                lambda: nets.Recurrent("LSTM", "first axis", num_layers=2, batch_first=True),
                (7, 5),
            ),
            "gru, calls first": (lambda: nets.Recurrent("GRU", "calls first"), (7, 5)),
        }.items()
        for dynamo in (False, True)
    },
    "onnx torch mobilenet v2 blocks, tracing exporter": _torch_onnx(
        lambda: kaiming(nets.inverted_residual()), (3, 16, 16), dynamo=False, n=40
    ),
    "onnx torch squeeze and excite, export exporter": _torch_onnx(
        nets.squeeze_excite, (3, 8, 8), dynamo=True, n=40
    ),
    "onnx torch u-net, tracing exporter": _torch_onnx(nets.u_net, (1, 14, 14), dynamo=False, n=30),
    "onnx torch densenet, tracing exporter": _torch_onnx(nets.dense_net, (3, 10, 10), dynamo=False, n=30),
    "onnx torch inception, tracing exporter": _torch_onnx(nets.inception, (3, 10, 10), dynamo=False, n=30),
    "onnx torch highway, export exporter": _torch_onnx(nets.highway, (10,), dynamo=True),
    "onnx torch sums of branches, tracing exporter": _torch_onnx(nets.sums, (9,), dynamo=False),
    "onnx torch gru, last state, tracing exporter": _torch_onnx(
        lambda: nets.Recurrent("GRU", "hidden", batch_first=True, num_layers=2), (7, 5), dynamo=False
    ),
    **{f"onnx test {name}": _own(name) for name in OWN},
}
