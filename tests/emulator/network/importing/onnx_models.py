"""ONNX files: of PyTorch's two exporters, as other exporters write them, and
ONNX's own tests."""

from pathlib import Path

import numpy as np

from tests.emulator.network.importing.cases import Build, Case, exported, normal, onnx_case, written
from tests.emulator.network.importing.torch_models import TORCH


def _torch_onnx(name: str, *, dynamo: bool) -> Build:
    """A module of ``TORCH`` as one of torch.onnx's exporters writes it."""

    def case(folder: Path) -> Case:
        made = TORCH[f"torch {name}"](folder)
        path = exported(folder, made.model, made.x, dynamo=dynamo, calls_first=made.calls_first)
        return onnx_case(path, made.x, calls_first=made.calls_first)

    return case


def drawn(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Normal values, small enough for sums of some of them."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) / 3 for name, shape in shapes.items()}


def _keras_cnn(folder: Path) -> Case:
    """As tf2onnx writes a Keras CNN: samples (row, column, channel), transposed around
    its convolutions."""
    constants = drawn(4, k1=(4, 2, 3, 3), b1=(4,), k2=(5, 4, 3, 3), b2=(5,), w=(80, 6), b=(6,))
    constants["flat"] = np.array([-1, 80], np.int64)
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
    """A separable convolution, padding SAME with stride 2, swish, and a residual, all
    as Keras has them."""
    kernels = {"k1": (6, 3, 3, 3), "d": (6, 1, 3, 3), "p": (6, 6, 1, 1)}
    constants = drawn(5, **kernels, b1=(6,), b2=(1, 6, 1, 1), w=(6, 4))
    constants["places"] = np.array([2, 3], np.int64)
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
    """As tf2onnx writes a Keras LSTM or GRU: transposed before it, its last state
    squeezed behind it."""

    def case(folder: Path) -> Case:
        gates, k, h = (4 if kind == "LSTM" else 3), 5, 8
        wide = gates * h
        constants = drawn(6, w=(1, wide, k), r=(1, wide, h), b=(1, 2 * wide), o=(h, 3))
        constants["zero"] = np.array([0], np.int64)
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
"""Of ONNX's tests converted from PyTorch: each has weights, an input and its
outputs in files."""


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


TRACED = (
    "composite; lenet; 1-D convolutions; prelu by channel; gelu; gelu, tanh; softplus; prelu; resnet-8; "
    "temporal; lstm, two layers; gru, calls first; gru, last state; mobilenet v2 blocks; u-net; "
    "random 2; random 5; random 8; random 11; random 18; random 20"
).split("; ")
EXPORTED = (
    "lenet; elu; 1-D convolutions; gelu; prelu; resnet-8; temporal; lstm, two layers; "
    "gru, calls first; highway; random 2; random 5"
).split("; ")

ONNX: dict[str, Build] = {
    **{f"onnx torch {name}, tracing exporter": _torch_onnx(name, dynamo=False) for name in TRACED},
    **{f"onnx torch {name}, export exporter": _torch_onnx(name, dynamo=True) for name in EXPORTED},
    "onnx keras cnn": _keras_cnn,
    "onnx keras separable": _keras_separable,
    "onnx keras lstm": _keras_recurrent("LSTM"),
    "onnx keras gru": _keras_recurrent("GRU", ", linear_before_reset = 1"),
    "onnx keras gru, reset before": _keras_recurrent("GRU"),
    "onnx keras lstm, its states begin at a half": _keras_recurrent("LSTM", start=0.5),
    **{f"onnx test {name}": _own(name) for name in OWN},
}
