"""Models that are easily misread: each imports with its own outputs, or is refused in one line.

The reference is the model itself: PyTorch's module, scikit-learn's estimator, or
onnxruntime's run of a file.
"""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.errors import CompileWarning, NetworkError
from ndrite.emulator.network import Network
from ndrite.emulator.network.importing import import_model
from tests.emulator.network.importing import cases
from tests.emulator.network.importing.cases import net, nn, normal, onnx_case, seeded, torch
from tests.emulator.network.importing.sklearn_models import estimator, fitted, mlp, piped
from tests.extras import needs

RIGHT = 0.02
"""Largest difference of the float network, relative to the largest output: its
functions are sampled."""


def check(model: Any, x: np.ndarray, wanted: np.ndarray, far: float = 0.0, right: float = RIGHT) -> Network:
    """The network, which gives ``wanted``, but for a part ``far``: where a step is
    sampled between points."""
    imported = import_model(model, samples=x)
    got = imported.network.forward(imported.inputs.unit(x))
    assert got.shape == wanted.shape
    off = np.abs(got - wanted) > right * np.abs(wanted).max()
    assert off.mean() <= far, f"{off.sum()} of {off.size} values differ"
    assert imported.compared >= len(x)
    return imported.network


@net(8)
def in_place(m: Any, x: Any) -> Any:
    """A ReLU and a sum that overwrite what a residual reads."""
    y = m.full(x, 8)
    z = torch.nn.functional.relu(y, inplace=True)
    y += m.full(z, 8)
    return m.full(y + z, 3)


def stepped(step: Callable[[Any], Any]) -> Callable[[], Any]:
    """A step as hidden activation."""
    return net(8)(lambda m, x: m.full(step(m.full(x, 16)), 3))


def chain(*layers: Any) -> Any:
    return nn.Sequential(nn.Linear(8, 16), *layers, nn.Linear(16, 3))


def hooked() -> Any:
    model = chain(nn.Tanh())
    model[0].register_forward_hook(lambda module, given, y: 0.5 * y - 0.2)
    model[2].register_forward_pre_hook(lambda module, given: (given[0] * 2,))
    return model


def own_forward() -> Any:
    model = chain(nn.Tanh())
    model.forward = lambda x: model[2](torch.relu(model[0](x)) - 0.1)
    return model


def without_gradients() -> Any:
    model = chain(nn.Tanh())
    model[0].weight.requires_grad_(False)
    return model.double()


@net(8)
def tied(m: Any, x: Any) -> Any:
    """One weight in two places, one of them transposed."""
    w = m.new(nn.Linear, 8, 8, bias=False).weight
    return torch.tanh(x @ w) @ w.t()


@net(8)
def weighted(m: Any, x: Any) -> Any:
    """Weights that are computed of parameters."""
    normed = m.new(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(8, 12)))
    return m.full(torch.relu(normed(x)).clamp(max=0.7), 3)


MODULES: dict[str, tuple[Callable[[], Any], float]] = {
    "in place": (in_place, 0),
    "hooks": (hooked, 0),
    "a forward of its own": (own_forward, 0),
    "double precision": (without_gradients, 0),
    "sign": (stepped(torch.sign), 0.03),
    "truth values": (stepped(lambda z: (z > 0.1).float()), 0.03),
    "whole numbers": (stepped(lambda z: (2 * z).to(torch.int32).float()), 0.05),
    "rounded": (stepped(lambda z: torch.round(3 * z) / 3), 0.05),
    "where": (stepped(lambda z: torch.where(z > 0, z, -0.3 * z)), 0),
    "tied weights": (tied, 0),
    "weight norm": (weighted, 0),
    "dropout in training mode": (lambda: chain(nn.Dropout(0.9), nn.ReLU()).train(), 0),
    "batch norm in training mode": (lambda: chain(nn.BatchNorm1d(16), nn.ReLU()).train(), 0),
    "two functions of one layer": (stepped(lambda z: torch.sin(z) * torch.sigmoid(z) - z.abs()), 0),
}


@pytest.mark.parametrize(("build", "far"), MODULES.values(), ids=MODULES)
def test_modules(build: Callable[[], Any], far: float) -> None:
    model, x = seeded(build), normal(200, 8)
    training = [m.training for m in model.modules()]
    check(model, x, _own(model, x), far)
    assert [m.training for m in model.modules()] == training, "the model is left as it was"


def _own(model: Any, x: np.ndarray) -> np.ndarray:
    """What it gives in evaluation mode, by a copy: the model keeps its mode."""
    given = torch.from_numpy(x).to(next(model.parameters()).dtype)
    with torch.no_grad():
        return copy.deepcopy(model).eval()(given).numpy().reshape(len(x), -1)


RNG = np.random.default_rng(7)
W, B = RNG.normal(size=(6, 6)) / 2, RNG.normal(size=6)
K = RNG.normal(size=(3, 2, 3, 3)) / 3
CONSTANTS = {
    "w": W,
    "b": B,
    "k": K,
    "slopes": np.linspace(-0.5, 0.9, 6),
    "pads": np.array([1, 0, 0, 2], np.int64),
    "axes": np.array([3, 2], np.int64),
    "step": np.float32(0.02),
    "zero": np.array(0, np.uint8),
    "low": np.float32(-0.4),
    "high": np.float32(0.6),
    "start": np.array([0], np.int64),
    "two": np.array([0, 1], np.int64),
    "end": np.array([2], np.int64),
    "map": np.array([-1, 1, 2, 3], np.int64),
    "twice": np.array([1.0, 1.0, 2.0, 2.0]),
    "region": np.array([0.0, 0, 0, 0, 1, 1, 0.5, 0.5]),
    "whole": np.array([1, 1, 4, 6], np.int64),
    "sizes": np.array([4, 12], np.int64),
}

FLAT, STRIDES, LARGER = ((6,), 6), ((2, 8, 8), 3 * 4 * 3), ((2, 4, 4), 3 * 4 * 4)
"""Shape of a file's input, and its outputs."""
FILES: dict[str, tuple[str, tuple[int, ...], int]] = {
    "a bias that is computed": ("t = Tanh(x) y = Gemm <beta = 0.5> (x, w, t)", *FLAT),
    "alpha and beta of a Gemm": (
        "g = Gemm <alpha = -0.7, beta = 1.9> (x, w, b) t = Tanh(g) y = Gemm <alpha = 0.3, transB = 1> (t, w)",
        *FLAT,
    ),
    "the codes of a quantiser": (
        """g = Gemm(x, w, b) q = QuantizeLinear(g, step, zero)
           d = DequantizeLinear(q, step, zero) y = Gemm(d, w, b)""",
        *FLAT,
    ),
    "pads of permuted axes": ("q = Pad(x, pads, , axes) c = Conv(q, k) y = Flatten(c)", (2, 5, 5), 3 * 5 * 4),
    "slopes by feature": ("g = Gemm(x, w, b) y = PRelu(g, slopes)", *FLAT),
    "a clip whose ends are the wrong way round": ("g = Gemm(x, w, b) y = Clip(g, high, low)", *FLAT),
    "a sum over features as a mean": ("g = Gemm(x, w, b) m = Mul(g, g) y = Sub(m, x)", *FLAT),
    "a rest of strides": ("c = Conv <dilations = [2, 1], strides = [1, 2]> (x, k) y = Flatten(c)", *STRIDES),
}

OLDER: dict[str, tuple[str, tuple[int, ...], int, int]] = {
    "a clip by attributes": ("g = Gemm(x, w, b) y = Clip <min = -0.4, max = 0.6> (g)", *FLAT, 7),
    "before numbers were operands": ("g = Gemm(x, w, b) y = Clip <max = 0.6> (g)", *FLAT, 10),
    "a part": ("g = Gemm(x, w, b) y = Slice <axes = [1], starts = [1], ends = [4]> (g)", (6,), 3, 9),
    "scales": ("c = Conv(x, k) u = Upsample <scales = [1.0, 1.0, 2.0, 2.0]> (c) y = Flatten(u)", *LARGER, 7),
    "twice as large by an operand": ("c = Conv(x, k) u = Upsample(c, twice) y = Flatten(u)", *LARGER, 9),
    "twice as large, without a region": ("c = Conv(x, k) u = Resize(c, twice) y = Flatten(u)", *LARGER, 10),
}
"""Of operator sets that have attributes where later ones have operands; the last
number says which."""


def hostile_file(folder: Path, nodes: str, shape: tuple[int, ...], outputs: int, **options: Any) -> Path:
    """With those of the constants that it reads."""
    read = {name: value for name, value in CONSTANTS.items() if re.search(rf"\b{name}\b *[,)]", nodes)}
    return cases.written(folder, nodes, read, shape, outputs, **options)


@pytest.mark.parametrize(
    ("nodes", "shape", "outputs", "opset"),
    [*((*row, 18) for row in FILES.values()), *OLDER.values()],
    ids=[*FILES, *OLDER],
)
def test_files(nodes: str, shape: tuple[int, ...], outputs: int, opset: int, tmp_path: Path) -> None:
    path, x = hostile_file(tmp_path, nodes, shape, outputs, opset=opset), normal(150, *shape)
    check(path, x, onnx_case(path, x).outputs(x))


REFUSED: dict[str, tuple[str, str]] = {
    "norms": ('g = Gemm(x, w) q = ai.onnx.ml.Normalizer <norm = "L2"> (g) y = Gemm(q, w)', "Normalizer"),
    # Where the sum is negative, the largest is the smallest.
    "a sum as the norm": ('g = Gemm(x, w) y = ai.onnx.ml.Normalizer <norm = "L1"> (g)', "norm is L1"),
    "the largest as the norm": ("g = Gemm(x, w) y = ai.onnx.ml.Normalizer (g)", "norm is MAX"),
    "logarithms as they add up": (
        'g = Gemm(x, w) s = LogSoftmax (g) y = ai.onnx.ml.Normalizer <norm = "L1"> (s)',
        "norm is L1",
    ),
    "a softmax over the samples": ("g = Gemm(x, w) y = Softmax <axis = 0> (g)", "normalises axis 0"),
    "a foreign operator named like ONNX's": ("g = Gemm(x, w) y = mine.Relu(g)", "domain is 'mine'"),
    "a constant in front": (
        "y = MatMul(w, x)",
        "its second operand has to be a constant: transpose a product",
    ),
    # The specification has its sigmoid, onnxruntime leaves it out: no model is
    # imported on such a doubt.
    "a regressor with a sigmoid": (
        """y = ai.onnx.ml.LinearRegressor <post_transform = "LOGISTIC", intercepts = [0.1],
               coefficients = [0.3, -1.0, 0.5, 2.0, 0.1, -0.4]> (x)""",
        "differ from the model's own",
    ),
    "batch norm in training mode": (
        "g = Gemm(x, w) y, m, v = BatchNormalization <training_mode = 1> (g, slopes, b, b, slopes)",
        "training mode",
    ),
    # All samples of the two that a file is read with, and two of any other number.
    "two of the samples": ("g = Gemm(x, w) q = Gather <axis = 0> (g, two) y = Tanh(q)", "Gather_q"),
    "the first samples": ("g = Gemm(x, w) q = Slice(g, start, end, start) y = Tanh(q)", "Slice_q"),
    "a region of one sample's map": (
        """q = Reshape(x, map)
           r = Resize <coordinate_transformation_mode = "tf_crop_and_resize"> (q, region, , whole)
           y = Flatten(r)""",
        r"Resize_r' \(Resize\).*differ",
    ),
    "less than the size that is asked for": (
        """q = Reshape(x, map)
           r = Resize <axes = [2, 3], keep_aspect_ratio_policy = "not_larger"> (q, , , sizes)
           y = Flatten(r)""",
        r"Resize_r' \(Resize\).*differ",
    ),
}


@pytest.mark.parametrize(("nodes", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_are_refused(nodes: str, message: str, tmp_path: Path) -> None:
    path = hostile_file(tmp_path, nodes, (6,), 1 if "Regressor" in nodes else 6)
    with pytest.raises(NetworkError, match=message) as refusal:
        import_model(path, samples=normal(100, 6))
    assert "\n" not in str(refusal.value)


def test_a_function_of_a_foreign_domain(tmp_path: Path) -> None:
    """It is what its body says, whatever its name says."""
    body = '<domain: "mine", opset_import: ["" : 18]> Relu (a) => (b) { b = Tanh(a) }'
    path = hostile_file(tmp_path, "g = Gemm(x, w) y = mine.Relu(g)", (6,), 6, functions=body)
    x = normal(100, 6)
    check(path, x, np.tanh(x @ W.astype(np.float32)))


def test_a_model_with_two_heads(tmp_path: Path) -> None:
    """Neither is dropped without a word."""

    @net(8)
    def heads(m: Any, x: Any) -> Any:
        h = torch.relu(m.full(x, 16))
        return m.full(h, 3), m.full(h, 5)

    model, x = seeded(heads), normal(100, 8)
    with pytest.raises(NetworkError, match=r"several outputs; accepted: one of '(.*)', '(.*)'") as refusal:
        import_model(model, samples=x)
    second = str(refusal.value).split("'")[3]
    with torch.no_grad():
        wanted = model(torch.from_numpy(x))[1].numpy()
    imported = import_model(model, samples=x, output=second)
    np.testing.assert_allclose(imported.reference(x), wanted, atol=1e-5)


def test_a_statically_quantised_model_keeps_its_activations(tmp_path: Path) -> None:
    """onnxruntime's own tool drops the ReLUs, as the codes end at 0."""
    quantization = needs("onnxruntime.quantization")

    @net(8)
    def layers(m: Any, x: Any) -> Any:
        return m.full(torch.relu(m.full(torch.relu(m.full(x, 24)), 24)), 5)

    model, x = seeded(layers), normal(300, 8)
    path, quantised = cases.exported(tmp_path, model, x, dynamo=False), tmp_path / "quantised.onnx"
    left = [{"x": x[i : i + 50]} for i in range(0, 300, 50)]
    reader = SimpleNamespace(get_next=lambda: left.pop() if left else None)
    quantization.quantize_static(str(path), str(quantised), reader)
    import onnx

    kinds = [n.op_type for n in onnx.load(quantised).graph.node]
    assert "Relu" not in kinds
    assert "QuantizeLinear" in kinds
    imported = import_model(quantised, samples=x)
    assert sum("left to the chip's codes" in note for note in imported.report.notes) == 2
    wanted = onnx_case(path, x).outputs(x)
    got = imported.network.forward(imported.inputs.unit(x))
    assert np.sqrt(np.square(got - wanted).mean()) < 0.05 * wanted.std()
    assert (got.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.97


NOT_NETWORKS: dict[str, Callable[[], Any]] = {
    "a normaliser": lambda: piped("preprocessing.Normalizer", mlp()),
    "a forest": lambda: estimator("ensemble.RandomForestClassifier", n_estimators=3),
    "neighbours": lambda: estimator("neighbors.KNeighborsClassifier"),
    "support vectors": lambda: estimator("svm.SVC"),
    "powers": lambda: piped("preprocessing.PolynomialFeatures", mlp()),
}


@pytest.mark.parametrize("build", NOT_NETWORKS.values(), ids=NOT_NETWORKS)
def test_estimators_that_are_no_networks(build: Callable[[], Any]) -> None:
    model, x = fitted(build())
    with pytest.raises(NetworkError, match=r"is not supported"):
        import_model(model, samples=x)


def test_a_misreading_names_its_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever a handler gets wrong, the model's own runtime finds it, and says where."""
    from ndrite.emulator.network.importing.reading import HANDLERS

    right = HANDLERS["Gemm"]
    path = hostile_file(tmp_path, "g = Gemm(x, w, b) t = Tanh(g) y = Gemm(t, w)", (6,), 6)
    monkeypatch.setitem(HANDLERS, "Gemm", lambda call: right(call).affine(call.name, 1.05, 0.0))
    with pytest.raises(NetworkError, match=r"Gemm_g' \(Gemm\).*differ from the model's own"):
        import_model(path, samples=normal(40, 6))


def uneven(factor: float) -> Any:
    """A feature so many times as large as the others of its layer, and so many
    times as small again."""
    factors = torch.ones(6)
    factors[5] = factor

    @net(8)
    def model(m: Any, x: Any) -> Any:
        return m.full(torch.relu(m.full(x, 6) * factors) / factors, 3)

    return model


def test_outputs_that_codes_lose_are_told(recwarn: pytest.WarningsRecorder) -> None:
    """Features of one layer share a scale: the largest takes all its codes. One sample
    has no variation."""
    x = normal(200, 8)
    for factor, samples in ((1, x), (1000, x[:1])):
        import_model(seeded(uneven(factor)), samples=samples)
        assert not [w for w in recwarn if w.category is CompileWarning]
    with pytest.warns(CompileWarning, match=r"^Net: .*rms error of (.*), and .* an rms of (.*)") as told:
        report = import_model(seeded(uneven(1000)), samples=x).report
    (line,) = (str(w.message) for w in told if w.category is CompileWarning)
    assert "\n" not in line
    assert f"rms error of {report.error_rms:.3g}," in line


def test_an_input_that_never_varies_costs_nothing() -> None:
    """Its weight, however large, is part of the bias."""
    model, x = seeded(lambda: chain(nn.ReLU())), normal(100, 8)
    model[0].weight.data[:, 3] = 300.0
    x[:, 3] = 0.01
    assert np.abs(check(model, x, _own(model, x), right=1e-3).layers[0].weights[3]).max() == 0


def test_an_average_behind_a_convolution_is_taken_before_it() -> None:
    """So no product of ones passes sums on, whose noise would be added to every class."""
    layers = (nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model, x = seeded(lambda: nn.Sequential(nn.Conv2d(2, 6, 3), *layers)), normal(60, 2, 9, 9)
    network = check(model, x, _own(model, x), right=1e-3)
    assert [n.kind for n in network.nodes] == ["product", "pool", "product"]
