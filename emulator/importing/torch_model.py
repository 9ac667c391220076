"""PyTorch modules to a chain of steps, by symbolic tracing; PyTorch is only used, never needed elsewhere."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emulator.errors import MissingExtraError, NetworkError, UnsupportedNodeError
from emulator.importing import chain
from emulator.importing.chain import Floats, Read, Shape, Value

UNARY = set(
    "relu sigmoid tanh exp log log1p expm1 sin cos abs absolute sqrt rsqrt square reciprocal neg erf sign "
    "pow clamp "
    "clip leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh hardswish hardsigmoid relu6 "
    "logsigmoid tanhshrink softshrink hardshrink threshold sinh cosh atan asinh cos_ relu_ sigmoid_ tanh_ "
    "clamp_".split()
)
"""Names of functions and methods of each value by itself."""
ACTIVATIONS = set(
    "ReLU Sigmoid Tanh ReLU6 LeakyReLU ELU SELU CELU GELU SiLU Mish Softplus Softsign Hardtanh Hardswish "
    "Hardsigmoid LogSigmoid Tanhshrink Softshrink Hardshrink Threshold PReLU RReLU".split()
)
BINARY: dict[Any, tuple[str, Callable[[Any, Any], Any]]] = {
    "add": ("add", np.add),
    "iadd": ("add", np.add),
    "sub": ("sub", np.subtract),
    "isub": ("sub", np.subtract),
    "mul": ("mul", np.multiply),
    "imul": ("mul", np.multiply),
    "truediv": ("div", np.divide),
    "div": ("div", np.divide),
    "itruediv": ("div", np.divide),
    "minimum": ("min", np.minimum),
    "maximum": ("max", np.maximum),
}
DROPPED = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")
INSTEAD = {
    "LayerNorm": "it depends on the data; use BatchNorm1d, which folds into the weights",
    "GroupNorm": "it depends on the data; use BatchNorm2d, which folds into the weights",
    "LSTM": "recurrent layers are not supported; use Linear layers over a window of samples",
    "GRU": "recurrent layers are not supported; use Linear layers over a window of samples",
    "Embedding": "use a one-hot input and Linear",
    "MultiheadAttention": "attention is not supported; use Linear layers and activations",
    "ConvTranspose2d": "use Conv2d or Linear",
}
OTHERWISE = (
    "use Linear, Conv2d, MaxPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Flatten, Dropout, or "
    "a function of each value"
)


def load_torch(path: Path) -> Any:
    """A module written by ``torch.save(module, path)``, of PyTorch's own layers only: no code in it is run.

    Raises
    ------
    MissingExtraError
        Without PyTorch.
    NetworkError
        When the file holds anything else.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtraError("reading .pt files needs PyTorch: pip install 'ndrite[train]'") from None
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    nn = torch.nn
    names = [*ACTIVATIONS, *DROPPED, "Sequential", "Linear", "Flatten", "Unflatten", "Softmax", "LogSoftmax"]
    names += [f"{kind}{d}d" for kind in ("Conv", "MaxPool", "AvgPool", "BatchNorm") for d in (1, 2)]
    names += ["AdaptiveAvgPool2d"]
    try:
        with (
            torch.serialization.safe_globals([getattr(nn, name) for name in names]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # of the pickle's protocol: nothing that a user could change
            module = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch errors share no base
        first = next(iter(str(error).splitlines()), "damaged")
        raise NetworkError(
            f"{path}: not a module of PyTorch's own layers ({first}); write it with torch.onnx.export, or "
            f"pass "
            "the module to ndrite.import_model"
        ) from None
    if not isinstance(module, nn.Module):
        raise NetworkError(
            f"{path}: holds {type(module).__name__}; accepted: a module, torch.save(model, path), not a "
            f"state_dict"
        )
    return module


def read_torch(module: Any, *, shape: Shape | None = None) -> Read:
    """Steps, shape of one input sample, and notes, of a ``torch.nn.Module`` in evaluation mode.

    Raises
    ------
    NetworkError
        When the shape is not given and does not follow from a first Linear layer.
    UnsupportedNodeError
        Naming the first node that cannot be imported.
    """
    from torch import fx, nn

    was_training = module.training
    module.eval()
    try:
        try:
            graph = fx.symbolic_trace(module)
        except Exception as error:  # whatever the module's own code raises on a symbolic value
            first = next(iter(str(error).splitlines()), "")
            raise UnsupportedNodeError(
                type(module).__name__,
                "forward",
                f"it cannot be traced ({first}); use nn.Sequential, or torch.onnx.export and the .onnx file",
            ) from None
        if shape is None:
            first_layer = next(
                (m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)), None
            )
            if not isinstance(first_layer, nn.Linear):
                raise NetworkError("the input's shape does not follow from the model; give it (input_shape)")
            shape = (first_layer.in_features,)
        reader = _Reader(graph, shape)
        return reader.read()
    finally:
        module.train(was_training)


class _Reader:
    """Walks a traced graph."""

    def __init__(self, graph: Any, shape: Shape) -> None:
        self.graph, self.shape = graph, shape
        self.modules = dict(graph.named_modules())
        self.values: dict[Any, Any] = {}
        self.notes: list[str] = []

    def read(self) -> Read:
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                if self.values:
                    raise UnsupportedNodeError(
                        str(node.target), "input", "the model has several; use one input"
                    )
                self.values[node] = Value((), self.shape)
            elif node.op == "get_attr":
                self.values[node] = _attribute(self.graph, node.target)
            elif node.op == "output":
                value = self.values.get(node.args[0]) if not isinstance(node.args[0], tuple) else None
                if not isinstance(value, Value):
                    raise UnsupportedNodeError("output", "output", "return one tensor")
                return Read(value.settled().steps, self.shape, tuple(self.notes))
            elif node.op == "call_module":
                module = self.modules[node.target]
                self.values[node] = self._module(node.target, module, self._value(node, node.args[0]))
            else:
                self.values[node] = self._function(node)
        raise NetworkError("the model has no output")

    def _value(self, node: Any, argument: Any) -> Value:
        value = self.values.get(argument)
        if not isinstance(value, Value):
            raise UnsupportedNodeError(node.name, str(node.target), "its operand is not the model's data")
        return value

    def _module(self, name: str, module: Any, value: Value) -> Value:
        kind = type(module).__name__
        if kind == "Linear":
            bias = None if module.bias is None else _numpy(module.bias)
            return chain.linear(value.settled(), _numpy(module.weight).T, bias, name, kind)
        if kind in ("Conv1d", "Conv2d"):
            if kind == "Conv1d" and not value.steps and len(value.shape) == 2:
                self.shape = (value.shape[0], 1, value.shape[1])
                value = Value((), self.shape)
            return self._convolution(name, module, value.settled())
        if kind in ("BatchNorm1d", "BatchNorm2d") and module.running_mean is not None:
            gamma, beta = (None if p is None else _numpy(p) for p in (module.weight, module.bias))
            mean, variance = _numpy(module.running_mean), _numpy(module.running_var)
            return chain.batch_norm(value, gamma, beta, mean, variance, module.eps, name)
        if kind in ("MaxPool1d", "AvgPool1d", "MaxPool2d", "AvgPool2d"):
            one = kind.endswith("1d")
            padding, dilation = module.padding, getattr(module, "dilation", 1)
            if one:
                padding, dilation = _row(padding, 0), _row(dilation)
            padded = any(_two(padding)) or module.ceil_mode or set(_two(dilation)) != {1}
            if padded:
                raise UnsupportedNodeError(name, kind, "use pooling without padding, dilation and ceil_mode")
            what = "max" if kind.startswith("Max") else "average"
            size, stride = (_row(v) if one else v for v in (module.kernel_size, module.stride))
            return chain.pooling(value, what, _two(size), None if stride is None else _two(stride), name)
        if kind == "AdaptiveAvgPool2d" and _two(module.output_size) == (1, 1):
            return chain.pooling(value, "average", None, None, name)
        if kind == "Flatten" and module.start_dim == 1 and module.end_dim in (-1, len(value.shape)):
            return chain.flatten(value, name)
        if kind == "Unflatten" and not value.steps and module.dim == 1:
            self.shape = tuple(int(v) for v in module.unflattened_size)
            return Value((), self.shape)
        if kind in DROPPED:
            return value
        if kind in ("Softmax", "LogSoftmax"):
            return self._softmax(name, kind, value)
        if kind == "PReLU" and module.weight.numel() > 1:
            return chain.prelu(value, _numpy(module.weight), name)
        if kind in ACTIVATIONS:
            return value.apply(name, f"{kind.lower()}({{}})", _called(module))
        raise UnsupportedNodeError(name, kind, INSTEAD.get(kind, OTHERWISE))

    def _softmax(self, name: str, kind: str, value: Value) -> Value:
        self.notes.append(f"{name} ({kind}): outputs are taken before it; the largest one is the same")
        return replace(value, left_out=(name, kind))

    @staticmethod
    def _convolution(name: str, module: Any, value: Value) -> Value:
        one = type(module).__name__ == "Conv1d"
        if isinstance(module.padding, str):
            if module.padding == "same":
                raise UnsupportedNodeError(name, "Conv2d", "padding is 'same'; give it in numbers")
            padding = (0, 0)
        else:
            padding = _two(_row(module.padding, 0) if one else module.padding)
        if module.padding_mode != "zeros":
            raise UnsupportedNodeError(name, "Conv2d", "use padding_mode 'zeros'")
        return chain.convolution(
            value,
            _numpy(module.weight),
            None if module.bias is None else _numpy(module.bias),
            name,
            stride=_two(_row(module.stride) if one else module.stride),
            padding=(*padding, *padding),
            dilation=_two(_row(module.dilation) if one else module.dilation),
            groups=module.groups,
        )

    def _function(self, node: Any) -> Any:
        kind = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "function")
        kind = kind.strip("_") if kind not in UNARY else kind
        operands = [self.values.get(a, a) if _is_node(a) else a for a in node.args]
        computed = [v for v in operands if isinstance(v, Value)]
        if kind in ("size", "shape", "getattr", "getitem", "dim"):
            return None  # a batch size on its way to a view
        if not computed:
            raise UnsupportedNodeError(node.name, kind, OTHERWISE)
        value = computed[0]
        if kind in BINARY and len(operands) >= 2 and not node.kwargs:
            operation, function = BINARY[kind]
            if len(computed) == 2:
                return chain.join(computed[0], computed[1], node.name, kind, function)
            first = isinstance(operands[0], Value)
            constant = operands[1] if first else operands[0]
            constant = _numpy(constant) if hasattr(constant, "detach") else constant
            if operation in ("min", "max"):
                return value.apply(node.name, f"{kind}({{}})", lambda z: np.asarray(function(z, constant)))
            prefix = "" if first or operation in ("add", "mul") else "r"
            return chain.with_constant(value, constant, node.name, kind, prefix + operation)
        if kind == "rsub":
            return chain.with_constant(value, operands[1], node.name, kind, "rsub")
        if kind in ("dropout", "contiguous", "float", "clone", "detach"):
            return value
        if kind in ("softmax", "log_softmax"):
            return self._softmax(node.name, kind, value)
        if kind in ("flatten", "view", "reshape"):
            return self._reshape(node, kind, value)
        if kind in ("max_pool2d", "avg_pool2d"):
            return self._pool(node, kind, value)
        if kind in ("matmul", "mm") and isinstance(operands[0], Value) and hasattr(operands[1], "detach"):
            return chain.linear(value.settled(), _numpy(operands[1]), None, node.name, kind)
        if kind == "linear" and hasattr(operands[1], "detach"):
            bias = operands[2] if len(operands) > 2 else None
            return chain.linear(
                value.settled(),
                _numpy(operands[1]).T,
                None if bias is None else _numpy(bias),
                node.name,
                kind,
            )
        if kind in UNARY and len(computed) == 1 and isinstance(operands[0], Value):
            return value.apply(node.name, f"{kind}({{}})", _bound(node, operands[1:]))
        raise UnsupportedNodeError(node.name, kind, INSTEAD.get(kind, OTHERWISE))

    @staticmethod
    def _pool(node: Any, kind: str, value: Value) -> Value:
        names = ("kernel_size", "stride", "padding", "dilation" if kind == "max_pool2d" else "ceil_mode")
        given = {**dict(zip(names, node.args[1:], strict=False)), **node.kwargs}
        padded = _two(given.get("padding", 0)) != (0, 0) or _two(given.get("dilation", 1)) != (1, 1)
        if padded or given.get("ceil_mode") or given.get("return_indices"):
            raise UnsupportedNodeError(node.name, kind, "use pooling without padding, dilation and ceil_mode")
        stride = given.get("stride")
        what = "max" if kind == "max_pool2d" else "average"
        return chain.pooling(
            value, what, _two(given["kernel_size"]), _two(stride) if stride else None, node.name
        )

    def _reshape(self, node: Any, kind: str, value: Value) -> Value:
        size = int(np.prod(value.shape))
        rest = list(node.args[1:])
        rest = list(rest[0]) if rest and isinstance(rest[0], tuple | list) else rest
        if kind == "flatten":
            start = node.kwargs.get("start_dim", rest[0] if rest else 0)
            if start == 1:
                return chain.flatten(value, node.name)
        elif len(rest) == 2 and rest[1] in (-1, size):
            return chain.flatten(value, node.name)
        elif not value.steps and len(rest) == 4 and all(isinstance(v, int) and v > 0 for v in rest[1:]):
            self.shape = tuple(rest[1:])
            return Value((), self.shape)
        raise UnsupportedNodeError(
            node.name, kind, f"of {value.shape}; flatten to one axis from the first on"
        )


def _is_node(a: Any) -> bool:
    return hasattr(a, "op") and hasattr(a, "target")


def _called(module: Any) -> Callable[[Floats], Floats]:
    import torch

    def function(z: Floats) -> Floats:
        with torch.no_grad():
            out = module(torch.as_tensor(np.ascontiguousarray(z), dtype=torch.float32))
        return np.asarray(out.numpy(), np.float64)

    return function


def _bound(node: Any, rest: list[Any]) -> Callable[[Floats], Floats]:
    import torch

    def function(z: Floats) -> Floats:
        with torch.no_grad():
            x = torch.as_tensor(np.array(z, np.float64))
            if node.op == "call_method":
                return np.asarray(getattr(x, node.target)(*rest, **node.kwargs).numpy(), np.float64)
            return np.asarray(node.target(x, *rest, **node.kwargs).numpy(), np.float64)

    return function


def _attribute(graph: Any, target: str) -> Any:
    return operator.attrgetter(target)(graph)


def _numpy(tensor: Any) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)


def _row(v: Any, across: int = 1) -> Any:
    """A 1-D layer's size as that of a row."""
    if v is None:
        return None
    return (across, int(v[0]) if isinstance(v, tuple | list) else int(v))


def _two(v: Any) -> tuple[int, int]:
    return (int(v[0]), int(v[1])) if isinstance(v, tuple | list) else (int(v), int(v))
