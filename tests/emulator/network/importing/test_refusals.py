"""What cannot be imported is refused by the node's name, with what would work instead."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.errors import MissingExtraError, NetworkError, UnsupportedNodeError
from ndrite.emulator.network.importing import import_model
from tests.emulator.network.importing.cases import net, nn, normal, seeded, torch, written


class Two(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y


F = nn.functional
VECTOR, MAP, SEQUENCE = (6,), (2, 6, 6), (3, 6)
RESIZE = r"\(Resize\).*use mode nearest with integer factors"


def of(function: Any) -> Any:
    """A function of two full layers."""
    return lambda m, x: function(m.full(x, 6), m.full(x, 6))


def whole(take: Any, **options: Any) -> Any:
    """A recurrent layer and one call of it, or all."""
    return lambda m, x: take(m.new(nn.LSTM, 6, 6, batch_first=True, **options)(x)[0])


def loop(order: list[int], own: bool) -> Any:
    """A cell, its calls in this order, or given another state than its own."""

    def forward(m: Any, x: Any) -> Any:
        cell, h = m.new(nn.GRUCell, 6, 6), None
        for t in order:
            h = cell(x[:, t], h if own or h is None else torch.tanh(h))
        return h

    return forward


Rows = dict[str, tuple[Any, str]]
SEQUENCES: Rows = {
    "all calls": (whole(lambda y: y), r"'output' \(output\).*every time step; take the last one"),
    "an early call": (whole(lambda y: y[:, 0]), r"time step 0; accepted: the last one, 2"),
    "a mean over calls": (whole(lambda y: y.mean(1)), r"ReduceMean' \(ReduceMean\)"),
    "two calls": (whole(lambda y: y[:, 0] + y[:, 1]), r"different time steps of a sequence"),
    "computed states": (
        lambda m, x: m.new(nn.GRU, 6, 6, batch_first=True)(x, x[:, :1].transpose(0, 1))[1],
        r"GRU' \(GRU\).*initial states are computed",
    ),
}
VECTORS: Rows = {
    "layer norm": (lambda m, x: m.full(m.new(nn.LayerNorm, 6)(x), 2), r"LayerNormalization\).*BatchNorm"),
    "softmax of a branch": (of(lambda a, b: torch.softmax(a, -1) * b), r"\(Softmax\).*model's output.*host"),
    "softmax inside": (
        lambda m, x: m.full(torch.softmax(m.full(x, 6), 1), 2),
        r"\(Softmax\).*model's output",
    ),
    "attention": (of(lambda a, b: F.scaled_dot_product_attention(a, b, b)), r"\(MatMul\).*host"),
    "product of two signals": (of(lambda a, b: a @ b.T), r"\(MatMul\).*second operand has to be a constant"),
    "division of branches": (of(torch.div), r"\(Div\).*sum, difference, product, larger or smaller"),
    "two shapes": (of(lambda a, b: a.unsqueeze(2) + b.unsqueeze(1)), r"\(Add\).*branches of one shape"),
    "control flow": (lambda m, x: m.full(x, 6) if x.sum() > 0 else x, r"other values.*depend on the data"),
    "a constant map": (of(lambda a, b: a.unsqueeze(1) * torch.ones(2, 6)), r"\(Mul\).*shape \(2, 6\)"),
    "a part of the samples": (of(lambda a, b: a[1]), r"\(Gather\).*mixes samples with other axes"),
}
MAPS: Rows = {
    "joined by row": (
        lambda m, x: m.conv(torch.cat([x, x], 2), 2, 1),
        r"\(Conv\).*use maps \(channel, row, column\) of one time step",
    ),
    "another layer": (lambda m, x: F.unfold(m.conv(x, 2, 1), 2), r"\((Gather|forward)\).*whole channels"),
    "channels for rows": (
        lambda m, x: (lambda y: y + y.transpose(1, 2))(m.conv(x, 6, 1)),
        r"\(Add\).*in two orders: move channels among themselves",
    ),
    "interpolation": (lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear"), RESIZE),
    "maps half as large again": (lambda m, x: F.interpolate(x, scale_factor=1.5), RESIZE),
    "infinity around": (lambda m, x: m.conv(F.pad(x, (1, 1), value=-np.inf), 2, 1), r"\(Pad\).*not a finite"),
    "ceil mode": (lambda m, x: F.max_pool2d(x, 4, 4, ceil_mode=True), r"\(MaxPool\).*ceil_mode=False"),
}
REFUSED: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "too large a kernel": (lambda: nn.Conv2d(2, 3, 7), MAP, r"exporter.*input_shape \(.*greater than actual"),
    "two inputs": (Two, VECTOR, r"'Two' \(forward\).*missing 1 required positional argument: 'y'"),
} | {
    name: (net(*shape)(forward), shape, message)
    for shape, rows in ((SEQUENCE, SEQUENCES), (VECTOR, VECTORS), (MAP, MAPS))
    for name, (forward, message) in rows.items()
}


@pytest.mark.parametrize(("build", "shape", "message"), REFUSED.values(), ids=REFUSED)
def test_modules(build: Any, shape: tuple[int, ...], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a word of the exporter, which writes whole graphs to standard
    output, past Python."""
    with pytest.raises(UnsupportedNodeError, match=rf"{message}.*ndrite.analog takes the module"):
        import_model(seeded(build), samples=normal(20, *shape), input_shape=shape)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("place", "value"), [(0, 9.0), (30, 9.0), (30, 0.0)])
def test_control_flow_that_one_sample_decides(place: int, value: float) -> None:
    """Wherever it is among the samples, and so whatever the batch with it goes through."""

    @net(*VECTOR)
    def branch(m: Any, x: Any) -> Any:
        h, largest = m.full(x, 6), x.abs().max()
        return m.full(torch.relu(h) if largest > 5 or largest < 0.1 else h, 3)

    x = normal(64, *VECTOR)
    assert np.abs(x).max(axis=1).min() > 0.1
    assert np.abs(x).max() < 5
    x[place] = value
    with pytest.raises(UnsupportedNodeError, match=r"other values than the model.*depend on the data"):
        import_model(seeded(branch), samples=x)


@pytest.mark.parametrize(
    ("order", "own", "calls"), [([0, 1, 2], False, 3), ([2, 1, 0], True, 1), ([0, 1], True, 1)]
)
def test_a_loop_over_the_input(order: list[int], own: bool, calls: int) -> None:
    """Found in what an exporter wrote out, whatever it keeps from one call to the next;
    in another order, or not to the end, its calls stand side by side."""
    model, x = seeded(net(*SEQUENCE)(loop(order, own))), normal(40, 3, 6)
    imported = import_model(model, samples=x)
    assert (imported.network.calls, len(imported.network.states)) == (calls, int(calls > 1))
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(imported.network.forward(imported.inputs.unit(x)), wanted, atol=0.01)


def test_an_unbounded_function_needs_samples() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    with pytest.raises(UnsupportedNodeError, match=r"relu\(x\).*unbounded: give samples"):
        import_model(model)
    bounded = nn.Sequential(nn.Linear(6, 6), nn.Sigmoid(), nn.Linear(6, 2))
    assert import_model(bounded, input_range=(-1, 1)).report.error_rms is None
    with pytest.raises(UnsupportedNodeError, match=r"recurrent cell.*give samples"):
        import_model(net(*SEQUENCE)(whole(lambda y: y[:, -1]))(), input_shape=SEQUENCE)


FULL = nn.Sequential(nn.Linear(6, 2))


@pytest.mark.parametrize(
    ("model", "samples", "message"),
    [
        ("a.onnx", None, r"a.onnx: not a valid ONNX model"),
        ("b.onnx", None, r"b.onnx: no such model file"),
        ("a.h5", None, r"accepted: .onnx, .pt, .pth"),
        ("state.pt", None, "not a state_dict"),
        # Code of its own is not run.
        ("own.pt", None, r"own.pt: not a module of PyTorch's own layers.*to ndrite.networks.import_model"),
        (FULL, normal(20, 5), r"shapes cannot be multiplied \(3x5 and 6x2\)"),
        (FULL, np.full((4, 6), np.nan), "not finite"),
        (FULL, np.full((4, 6), "a word"), "samples have dtype <U6; accepted: numbers"),
        (FULL, np.full((4, 6), "a word", object), "samples have dtype object; accepted: numbers"),
        (FULL, np.full((4, 6), "0.5"), "samples have dtype <U3; accepted: numbers"),
        (
            net(*SEQUENCE)(whole(lambda y: y[:, -1])),
            normal(20, 6),
            r"\(6,\); accepted: \(time steps, features\)",
        ),
        (net(*SEQUENCE)(whole(lambda y: y[:, -1], proj_size=3)), normal(20, *SEQUENCE), "be run|take it"),
        (nn.LSTM(6, 6), normal(20, 3, 6), r"several outputs; accepted: one of"),
    ],
    ids=range(13),
)
def test_files_and_samples_that_are_none(model: Any, samples: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"not a model")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "state.pt")
    torch.save(Two(), tmp_path / "own.pt")
    given = tmp_path / model if isinstance(model, str) else model
    given = given() if callable(given) and not isinstance(given, nn.Module) else given
    with pytest.raises((NetworkError, FileNotFoundError), match=message):
        import_model(given, samples=samples)


def test_qonnx_weights_are_quantised_as_the_file_says(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    constants = {"w": weights, "s": np.float32(0.25), "z": np.float32(0), "b": np.float32(4)}
    nodes = "q = qonnx.custom_op.general.Quant <signed = 1, narrow = 0> (w, s, z, b) y = MatMul(x, q)"
    path, x = written(tmp_path, nodes, constants, (4,), 3), normal(20, 4)
    expected = x @ (np.clip(np.round(weights / 0.25), -8, 7) * 0.25)
    np.testing.assert_allclose(import_model(path, samples=x).reference(x), expected, rtol=1e-5, atol=1e-6)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    (tmp_path / "a.pt").write_bytes(b"")
    for package, file, extra in (("onnx", "a.onnx", "onnx"), ("torch", "a.pt", "train")):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match=rf"pip install 'ndrite\[{extra}\]'"):
                import_model(tmp_path / file)


HUGE, ONE = np.array([1 << 20, 1 << 20], np.int64), np.ones((1, 1), np.float32)
RANGE = {"a": np.float32(0), "b": np.float32(1e12), "c": np.float32(1)}
MARGINS = np.array([0, 0, 1 << 20, 1 << 20], np.int64)
FULL_OF = r"elements; accepted: at most"
CANNOT = r"cannot be evaluated \([^\n]*"
W = {"w": np.ones((4, 3), np.float32)}
# A few bytes that ask for more than there is memory; wrong axes of older operator sets,
# in NumPy's own words.
NODES: list[tuple[str, dict[str, Any], str]] = [
    ("q = ConstantOfShape(s) y = MatMul(x, q)", {"s": HUGE}, FULL_OF),
    ("q = Expand(v, s) y = MatMul(x, q)", {"v": ONE, "s": HUGE}, FULL_OF),
    ("q = Tile(v, s) y = MatMul(x, q)", {"v": ONE, "s": HUGE}, FULL_OF),
    ("q = Range(a, b, c) y = MatMul(x, q)", RANGE, FULL_OF),
    ("q = Pad(v, s) y = MatMul(x, q)", {"v": ONE, "s": MARGINS}, FULL_OF),
    ("q = Squeeze <axes = [5]> (x) y = MatMul(q, w)", W, CANNOT + "out of bounds"),
    ("q = Squeeze <axes = [1]> (x) y = MatMul(q, w)", W, CANNOT + "cannot select"),
    ("q = Unsqueeze <axes = [5]> (x) y = MatMul(q, w)", W, CANNOT + "out of bounds"),
    ("q = Squeeze <axes = [5]> (w) y = MatMul(x, q)", W, CANNOT + "out of bounds"),
    ("q = Squeeze <axes = [1]> (w) y = MatMul(x, q)", W, CANNOT + "cannot select"),
    ("q = Unsqueeze <axes = [5]> (w) y = MatMul(x, q)", W, CANNOT + "out of bounds"),
]


@pytest.mark.parametrize(("nodes", "constants", "said"), NODES)
def test_nodes(nodes: str, constants: dict[str, Any], said: str, tmp_path: Path) -> None:
    kind = nodes.split()[2].partition("(")[0]
    path = written(tmp_path, nodes, constants, (4,), 3, opset=11 if "axes" in nodes else 18)
    with pytest.raises(UnsupportedNodeError, match=rf"{kind}_q' \({kind}\).*{said}"):
        import_model(path, samples=normal(20, 4))


K = {"k": np.ones((2, 2, 3, 3))}
CELL = {"k": np.ones((1, 6, 4)), "r": np.ones((1, 6, 2)), "b": np.zeros((1, 12))}
BACK = 'GRU <direction = "reverse", hidden_size = 2>'
# Nodes that read x, the shape of a sample, constants, and what is said.
COMPOSED: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
    (
        "ConvTranspose <strides = [0, 1]> (x, k)",
        (2, 4, 4),
        K,
        r"strides are \[0, 1\]; accepted: 2 numbers from 1",
    ),
    ("ConvTranspose <strides = [1, 300]> (x, k)", (2, 4, 4), K, "strides are .*1 to 255"),
    ("ConvTranspose <pads = [1, 1]> (x, k)", (2, 4, 4), K, r"pads are \[1, 1\]; accepted: 4 numbers from 0"),
    ("ConvTranspose <pads = [4, 0, 4, 0]> (x, k)", (2, 4, 4), K, "it makes -2 of 4 values of an axis"),
    ("ConvTranspose <output_shape = [9, 9]> (x, k)", (2, 4, 4), K, "it makes 9 of 4 values.*1 to 6"),
    ("ConvTranspose <group = 0> (x, k)", (2, 4, 4), K, "kernels of shape"),
    (f"{BACK} (t, k, r, b, , h)", (3, 4), CELL | {"h": np.ones((1, 20, 2))}, "initial state is not 0"),
    (f"{BACK} (t, k, r, b)", (300, 4), CELL, "300 time steps"),
    (f"{BACK.replace('reverse', 'bidirectional')} (t, k, r, b)", (3, 4), CELL, "weights of 1 directions"),
    (
        "CumSum (x, a)",
        (2, 4, 4),
        {"a": np.int32(2)},
        r"along axis 2 of shape \(2, 2, 4, 4\); use the last axis",
    ),
    ("CumSum (x, a)", (2, 4, 4), {"a": np.int32(0)}, r"along axis 0 .*not be that of the samples"),
    ("CumSum (x, a)", (6,), {"a": np.array([1, 1])}, r"along axis \[1, 1\]"),
    ("CumSum <exclusive = 2> (x, a)", (6,), {"a": np.int32(1)}, r"are \[2, 0\]; accepted: 0 or 1"),
    ("CumSum (x, a)", (1, 9000), {"a": np.int32(2)}, "it has 81,000,000 weights"),
    ("CumSum (x, a)", (256, 520), {"a": np.int32(2)}, "it has 69,222,400 weights"),
    ("ConvTranspose (x, k, b)", (2, 4, 4), K | {"b": np.ones(3)}, r"bias has shape \(3,\); accepted: \(2,\)"),
]


@pytest.mark.parametrize(("node", "shape", "constants", "said"), COMPOSED)
def test_composed_operators(
    node: str, shape: tuple[int, ...], constants: dict[str, Any], said: str, tmp_path: Path
) -> None:
    kind = node.split()[0]
    before = "t = Transpose <perm = [1, 0, 2]> (x)" if kind == "GRU" else ""
    path = written(tmp_path, f"{before} q = {node} y = Flatten(q)", constants, shape, 3)
    with pytest.raises(UnsupportedNodeError, match=rf"{kind}_q' \({kind}\).*{said}"):
        import_model(path, samples=normal(20, *shape))


def test_a_copy_of_too_many_values_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "r = Relu(x) y = Flatten(r)", {}, (4100, 1, 2), 8200)
    with pytest.raises(
        UnsupportedNodeError, match="a copy of 8,200 values takes 67,240,000 weights; accepted"
    ):
        import_model(path, samples=normal(20, 4100, 1, 2))


def test_a_loop_that_the_output_does_not_need_is_never_run(tmp_path: Path) -> None:
    nodes = """
        count = Loop <body = body (int64 i, bool c, int64 v) => (bool d, int64 u) {
            d = Identity(c) u = Identity(v)
        }> (m, c, m)
        y = MatMul(x, w)
    """
    constants = {"m": np.int64(1 << 60), "c": np.bool_(True), "w": np.ones((4, 3), np.float32)}
    import_model(written(tmp_path, nodes, constants, (4,), 3), samples=normal(20, 4))


def test_messages_keep_node_names_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    from ndrite.shell.main import BAD_INPUT, run

    path = written(tmp_path, "w = ConstantOfShape(s) y = MatMul(x, w)", {"s": HUGE}, (4,), 3)
    model = onnx.load(path)
    model.graph.node[0].name = name = "/features/" + "block.17/" * 30 + "ConstantOfShape"
    onnx.save(model, path)
    assert run(["compile", str(path), "--chip", "ideal"]) == BAD_INPUT
    assert name in capsys.readouterr().err
