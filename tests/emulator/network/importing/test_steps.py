"""Models that take a state and return the next one are networks of several calls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network.importing import import_model
from ndrite.emulator.network.importing.fuse import stretch_of
from ndrite.emulator.network.importing.graph import Function
from ndrite.emulator.network.importing.view import in_codes
from tests.emulator.network.importing.cases import nn, normal, onnxruntime, torch
from tests.extras import needs

onnx = needs("onnx")

CALLS, FEATURES, UNITS = 4, 5, 3
States = dict[str, tuple[int, ...]]


class Joined(nn.Module):
    """An LSTM with h and c in one state (2, n, units), behind a convolution of a
    mirrored signal, as speech detectors have it."""

    states: ClassVar[States] = {"state": (2, 0, UNITS)}

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.full = nn.Conv1d(1, 2, 3), nn.Linear(UNITS, 2)
        self.lstm = nn.LSTM(2 * FEATURES, UNITS)

    def forward(self, x: Any, state: Any) -> Any:
        padded = nn.functional.pad(x.unsqueeze(1), (1, 1), mode="reflect")
        y = torch.tanh(self.conv(padded)).flatten(1)
        y, (h, c) = self.lstm(y.unsqueeze(0), (state[:1], state[1:]))
        return self.full(torch.relu(y[0])), torch.cat([h, 3 * c])


class Apart(nn.Module):
    """The same cell with a state for each of h and c; samples are in another
    axis of one of them."""

    states: ClassVar[States] = {"h": (0, UNITS), "c": (UNITS, 0)}

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.full = nn.LSTMCell(FEATURES, UNITS), nn.Linear(UNITS, 2)

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        h, c = self.cell(x, (h, c.t()))
        return self.full(h), h, c.t()


class Pieces(nn.Module):
    """Pieces of maps, whose sum over the calls is the state."""

    states: ClassVar[States] = {"total": (0, 2, 4)}

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.full = nn.Conv1d(2, 2, 1), nn.Linear(8, 2)

    def forward(self, x: Any, total: Any) -> Any:
        total = 0.5 * total + torch.tanh(self.conv(x))
        return self.full(total.flatten(1)), total


class OnlyState(nn.Module):
    """A cell whose next state is its result."""

    states: ClassVar[States] = {"h": (0, UNITS)}

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(FEATURES, UNITS)

    def forward(self, x: Any, h: Any) -> Any:
        return self.cell(x, h)


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "joined": (Joined, (FEATURES,)),
    "apart": (Apart, (FEATURES,)),
    "pieces": (Pieces, (2, 4)),
    "only a state": (OnlyState, (FEATURES,)),
}


def exported(folder: Path, name: str, samples: int = 0) -> tuple[Any, Path, dict[str, str]]:
    """A step as PyTorch writes it, of so many samples or any number; and its
    states' next values."""
    build, piece = MODELS[name]
    torch.manual_seed(3)
    model, path = build().eval(), folder / "step.onnx"
    nexts = {state: f"next {state}" for state in model.states}
    sizes = [tuple(n or samples or 2 for n in shape) for shape in model.states.values()]
    inputs = (torch.zeros(samples or 2, *piece), *map(torch.zeros, sizes))
    axes = {"x": {0: "n"}} | {state: {shape.index(0): "n"} for state, shape in model.states.items()}
    torch.onnx.export(
        model,
        inputs,
        path,
        dynamo=False,
        input_names=["x", *nexts],
        output_names=[*(["y"] if name != "only a state" else []), *nexts.values()],
        dynamic_axes=None if samples else axes,
        opset_version=17,
    )
    return model, path, nexts


def streamed(model: Any, x: np.ndarray) -> np.ndarray:
    """The module's own result of the last call, for samples (n, calls, ...)."""
    states = [torch.zeros(*(n or len(x) for n in shape)) for shape in model.states.values()]
    with torch.no_grad():
        for call in range(x.shape[1]):
            result = model(torch.from_numpy(x[:, call]), *states)
            y, *states = result if isinstance(result, tuple) else (result, result)
    return np.asarray(y)


@pytest.mark.parametrize("samples", [0, 1], ids=["any number of samples", "one sample"])
@pytest.mark.parametrize("name", MODELS)
def test_a_step_equals_its_own_loop(name: str, samples: int, tmp_path: Path) -> None:
    model, path, nexts = exported(tmp_path, name, samples)
    x = normal(40, CALLS, *MODELS[name][1])
    flat = x.reshape(40, CALLS, -1)
    imported = import_model(path, samples=flat, model_inputs=nexts)
    expected, network = streamed(model, x), imported.network
    assert network.calls == CALLS
    y = network.forward(imported.inputs.unit(flat.reshape(40, -1)))
    np.testing.assert_allclose(y, expected, atol=5e-4)
    np.testing.assert_allclose(imported.reference(flat), expected, atol=1e-5)
    codes = in_codes(network, imported.inputs.encode(flat.reshape(40, -1)))
    assert np.sqrt(np.square(codes - expected).mean()) < 0.03 * expected.std()


def test_a_compiled_step_keeps_its_state(tmp_path: Path) -> None:
    model, path, nexts = exported(tmp_path, "apart")
    x = normal(60, CALLS, FEATURES)
    imported = import_model(path, samples=x, model_inputs=nexts)
    program = map_network(imported.network, "ideal", imported.inputs.encode(x.reshape(60, -1))).program
    sums = Core(program).infer(imported.inputs.encode(x.reshape(60, -1)))
    y, expected = sums * program.meaning.output_step, streamed(model, x)
    for outputs, right in ((y, True), (streamed(model, x[:, -1:]), False)):  # of all calls, of the last alone
        assert (np.sqrt(np.square(outputs - expected).mean()) < 0.05 * expected.std()) == right


def test_states_with_ranges_of_their_own_are_kept_apart(tmp_path: Path) -> None:
    _, path, nexts = exported(tmp_path, "joined")
    network = import_model(path, samples=normal(40, CALLS, FEATURES), model_inputs=nexts).network
    assert [state.shape for state in network.states] == [(UNITS, 1, 1)] * 2


class Rated(nn.Module):
    """A step with an input that is no signal: the factor of all samples."""

    def forward(self, x: Any, rate: Any, h: Any) -> Any:
        h = torch.tanh(x * rate + h)
        return h, h + 0


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    path = tmp_path / "rated.onnx"
    inputs = (torch.zeros(2, 3), torch.ones(()), torch.zeros(2, 3))
    axes = {"x": {0: "n"}, "h": {0: "n"}}
    torch.onnx.export(
        Rated(),
        inputs,
        path,
        dynamo=False,
        input_names=["x", "rate", "h"],
        output_names=["y", "h_next"],
        dynamic_axes=axes,
    )
    return path


def test_a_constant_input_is_part_of_the_model(rated: Path) -> None:
    x = normal(40, 2, 3)
    imported = import_model(rated, samples=x, model_inputs={"rate": 0.25, "h": "h_next"})
    expected = np.tanh(0.25 * x[:, 1] + np.tanh(0.25 * x[:, 0]))
    y = imported.network.forward(imported.inputs.unit(x.reshape(40, -1)))
    np.testing.assert_allclose(y, expected, atol=5e-4)


@pytest.mark.parametrize(
    ("model_inputs", "text"),
    [
        ({}, r"3 inputs \(x, rate, h\).*--model-input NAME=NUMBER.*one of y, h_next"),
        ({"rate": 1.0}, r"2 inputs are left \(x, h\); accepted: one"),
        ({"speed": 1.0}, r"names 'speed'; accepted: x, rate, h"),
        ({"rate": 1.0, "h": "z"}, r"'h' is 'z'; accepted: a number, or .* outputs y, h_next"),
        ({"rate": "y", "h": "y"}, r"'rate' is 'y'; accepted: .*each once"),
        ({"rate": [1.0, 2.0], "h": "h_next"}, r"'rate' is \[1.0, 2.0\]; accepted: float32 of shape \(\)"),
        ({"rate": 1.0, "h": "h_next", "x": 0.0}, r"0 inputs are left \(none\)"),
    ],
)
def test_other_inputs_are_refused_by_name(model_inputs: dict[str, Any], text: str, rated: Path) -> None:
    with pytest.raises(NetworkError, match=text):
        import_model(rated, samples=normal(20, 2, 3), model_inputs=model_inputs)


def test_a_state_of_one_sample_needs_an_input_of_one(tmp_path: Path) -> None:
    """Its first axis, of two layers, would be taken for the two samples that a
    model is read with."""
    _, path, nexts = exported(tmp_path, "joined", 1)
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(proto, path)
    with pytest.raises(NetworkError, match=r"shape \[2, 1, 3\], and input 'x' \[0, 5\].* open in both"):
        import_model(path, samples=normal(20, CALLS, FEATURES), model_inputs=nexts)


def test_a_module_has_no_inputs_by_name() -> None:
    with pytest.raises(NetworkError, match=r"model_inputs are given; accepted: only for \.onnx files"):
        import_model(nn.Linear(3, 2), samples=normal(20, 3), model_inputs={"h": 0.0})


class Begun(nn.Module):
    """A step with a layer whose state nobody carries."""

    states: ClassVar[States] = {"total": (0, UNITS)}

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, UNITS)

    def forward(self, x: Any, total: Any) -> Any:
        total = total + self.lstm(x.unsqueeze(0))[0][0]
        return 2 * total, total


def test_a_layer_that_begins_anew_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "begun", (Begun, (FEATURES,)))
    _, path, nexts = exported(tmp_path, "begun")
    with pytest.raises(UnsupportedNodeError, match="begins anew in every call; make its state one"):
        import_model(path, samples=normal(20, CALLS, FEATURES), model_inputs=nexts)


def test_a_rounded_zero_is_no_undefined_value() -> None:
    """Codes stand for single-precision numbers: a square root's 0 may be -1e-6, and
    nothing is lost there."""
    stretch = stretch_of(Function("root", "sqrt(x)", np.sqrt), (0.0, 300.0))
    assert stretch.lost(np.array([-1e-6, 0.0, 150.0, 300.0])) == 0
    assert stretch.lost(np.array([-3.0, 150.0, 400.0])) == 2


def test_the_branch_of_a_constant_condition_is_taken(tmp_path: Path) -> None:
    """Branches use each other's names, of a constant and of a node that cannot be imported."""
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        rates (float[n, 3] x, int64 rate) => (float[n, 3] y) {
            slow = Constant <value_int: int = 8000> ()
            is_slow = Equal(rate, slow)
            z = If (is_slow) <
                then_branch = same () => (float[n, 3] a) { a = Identity(x) },
                else_branch = twice () => (float[n, 3] b) {
                    c = Constant <value_float: float = 2.0> ()
                    b = Mul(x, c)
                    d = NonZero(x)
                }
            >
            y = If (is_slow) <
                then_branch = slow_graph () => (float[n, 3] a) { a = Sin(z) },
                else_branch = fast_graph () => (float[n, 3] b) {
                    half = Constant <value_float: float = 0.5> ()
                    c = Mul(z, half)
                    d = Add(z, c)
                    b = Tanh(d)
                }
            >
        }
    """
    path, x = tmp_path / "rates.onnx", normal(40, 3)
    onnx.save(onnx.parser.parse_model(text), path)
    session = onnxruntime.InferenceSession(str(path))
    for rate, expected in ((8000, np.sin(x)), (16000, np.tanh(3 * x))):
        imported = import_model(path, samples=x, model_inputs={"rate": rate})
        y = imported.network.forward(imported.inputs.unit(x))
        np.testing.assert_allclose(y, expected, atol=2e-3)
        np.testing.assert_allclose(
            session.run(None, {"x": x, "rate": np.array(rate)})[0], expected, atol=1e-5
        )
