"""A model of another library: its samples, and its own float outputs."""

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.extras import needs

torch = needs("torch")
needs("onnx")
onnxruntime = needs("onnxruntime")

nn = torch.nn


@dataclass
class Case:
    """A model (module or file), its samples, and its own outputs (n, values) as a
    function of inputs."""

    model: Any
    x: np.ndarray
    outputs: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, ...] | None = None
    calls_first: bool = False
    """Whether the model wants (calls, n, features)."""


Build = Callable[[Path], Case]


class Layers:
    """The layers of one pass of a ``Net``: each is made where it is first called, for
    what it is given."""

    def __init__(self, held: Any) -> None:
        self._held, self._next = held, 0

    def new(self, kind: Callable[..., Any], *sizes: Any, **options: Any) -> Any:
        """The next layer, to be called as often as one likes."""
        if self._next == len(self._held):
            self._held.append(kind(*sizes, **options))
        self._next += 1
        return self._held[self._next - 1]

    def full(self, x: Any, after: int) -> Any:
        return self.new(nn.Linear, x.shape[-1], after)(x)

    def conv(self, x: Any, after: int, kernel: Any, **options: Any) -> Any:
        kind = nn.Conv2d if x.dim() == 4 else nn.Conv1d
        return self.new(kind, x.shape[1], after, kernel, **options)(x)

    def norm(self, x: Any) -> Any:
        return self.new(nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d, x.shape[1])(x)


class Net(nn.Module):
    """``forward(layers, x)``, its layers made for an input of ``shape``."""

    def __init__(self, forward: Callable[[Layers, Any], Any], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers, self._forward = nn.ModuleList(), forward
        with torch.no_grad():
            self(torch.ones(shape))

    def forward(self, x: Any) -> Any:
        return self._forward(Layers(self.layers), x)


def net(*shape: int) -> Callable[[Callable[[Layers, Any], Any]], Callable[[], Net]]:
    """A builder of modules of inputs (n, *shape), from the function ``forward(layers, x)``."""
    return lambda forward: lambda: Net(forward, (2, *shape))


def normal(n: int, *shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def torch_case(model: Any, x: np.ndarray, *, calls_first: bool = False) -> Case:
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
        given = torch.from_numpy(np.asarray(x, np.float32))
        with torch.no_grad():
            return model(given.transpose(0, 1) if calls_first else given).numpy().reshape(len(x), -1)

    return Case(model, x, outputs, x.shape[1:], calls_first)


def onnx_case(path: Path, x: np.ndarray, output: int | str = 0, *, calls_first: bool = False) -> Case:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def outputs(x: np.ndarray) -> np.ndarray:
        given = np.asarray(x, np.float32)
        found = session.run(None, {name: given.swapaxes(0, 1) if calls_first else given})
        index = output if isinstance(output, int) else [o.name for o in session.get_outputs()].index(output)
        return np.asarray(found[index]).reshape(len(x), -1)

    return Case(path, x, outputs)


def seeded(build: Callable[[], Any]) -> Any:
    torch.manual_seed(3)
    return build()


def exported(folder: Path, model: Any, x: np.ndarray, *, dynamo: bool, calls_first: bool = False) -> Path:
    """Written by one of torch.onnx's two exporters, with an open batch axis."""
    path, axis = folder / "model.onnx", int(calls_first)
    example = torch.from_numpy(x[:2])
    given = (example.transpose(0, 1).contiguous() if calls_first else example,)
    model.eval()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        if dynamo:
            needs("onnxscript")
            shapes = ({axis: torch.export.Dim("batch")},)
            torch.onnx.export(model, given, path, dynamo=True, dynamic_shapes=shapes)
        else:
            axes = {"x": {axis: "batch"}}
            torch.onnx.export(
                model, given, path, dynamo=False, input_names=["x"], dynamic_axes=axes, opset_version=17
            )
    return path


def written(
    folder: Path,
    nodes: str,
    constants: dict[str, Any],
    shape: tuple[int, ...],
    outputs: int,
    *,
    opset: int = 18,
    functions: str = "",
    samples: int | str = "n",
) -> Path:
    """A file of ``nodes`` in ONNX's own text, from ``x`` (samples, *shape) to ``y``
    (samples, outputs).

    Each is named by its operator and its output, as ``Gemm_y``.
    """
    import onnx

    opsets = [
        ("", opset),
        *((name, 3) for name in ("ai.onnx.ml", "mine", "qonnx.custom_op.general") if name in nodes),
    ]
    imports = ", ".join(f'"{name}" : {version}' for name, version in opsets)
    sizes = ",".join(map(str, shape))
    model = onnx.parser.parse_model(
        f"<ir_version: 8, opset_import: [{imports}]> "
        f"graph (float[{samples},{sizes}] x) => (float[{samples},{outputs}] y) {{ {nodes} }} {functions}"
    )
    for node in model.graph.node:
        node.name = f"{node.op_type}_{next(o for o in node.output if o)}"
    for name, value in constants.items():
        array = np.asarray(value)
        array = array if array.dtype.kind in "iub" else array.astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    path = folder / "written.onnx"
    path.write_bytes(model.SerializeToString())
    return path
