"""PyTorch's layers as operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing import layers, views
from emulator.network.importing.graph import Floats
from emulator.network.importing.torch_names import ACTIVATIONS, DROPPED, INSTEAD, OTHERWISE
from emulator.network.importing.values import Value


def module_of(name: str, module: Any, value: Value, notes: list[str]) -> Value:
    """What a layer gives.

    Raises
    ------
    UnsupportedNodeError
        When it cannot be imported.
    """
    kind = type(module).__name__
    if kind == "Linear":
        return layers.linear(value, parameter(module.weight).T, optional(module.bias), name, kind)
    if kind in ("Conv1d", "Conv2d"):
        return _convolution(name, module, value)
    if kind in ("BatchNorm1d", "BatchNorm2d") and module.running_mean is not None:
        gamma, beta = optional(module.weight), optional(module.bias)
        mean, variance = parameter(module.running_mean), parameter(module.running_var)
        return layers.batch_norm(value, gamma, beta, mean, variance, module.eps, name)
    if kind in ("MaxPool1d", "AvgPool1d", "MaxPool2d", "AvgPool2d"):
        return pooled(value, name, kind, vars(module))
    if kind.startswith("Adaptive") and kind.endswith(("Pool1d", "Pool2d")):
        return adaptive(value, name, kind, module.output_size)
    if kind in ("ZeroPad1d", "ZeroPad2d"):
        left, right, *rest = (int(v) for v in module.padding)
        top, bottom = rest or (0, 0)
        return layers.border(value, (top, left, bottom, right), name)
    if kind == "Flatten" and module.start_dim == 1 and module.end_dim in (-1, len(value.own)):
        return views.flatten(value, name)
    if kind == "Unflatten" and module.dim == 1:
        return views.reshape(value, [views.SAMPLES, *(int(v) for v in module.unflattened_size)], name, kind)
    if kind in DROPPED:
        value.check_open()
        return value
    if kind in ("Softmax", "LogSoftmax"):
        return softmax(name, kind, value, notes)
    if kind == "PReLU" and module.weight.numel() > 1:
        return layers.prelu(value, parameter(module.weight), name)
    if kind == "GLU":
        return glu(value, module.dim, name, kind)
    if kind in ACTIVATIONS:
        return value.apply(name, f"{kind.lower()}({{}})", called(module))
    raise UnsupportedNodeError(name, kind, INSTEAD.get(kind, OTHERWISE))


def softmax(name: str, kind: str, value: Value, notes: list[str]) -> Value:
    """Left out, as long as nothing follows."""
    value.check_open()
    notes.append(f"{name} ({kind}): outputs are taken before it; the largest one is the same")
    return replace(value, left_out=(name, kind))


def glu(value: Value, dim: int, name: str, kind: str) -> Value:
    """One half of the channels times the sigmoid of the other."""
    from emulator.network.importing.recurrent import SIGMOID
    from emulator.network.importing.values import join

    half = value.op.shape[0] // 2
    a = views.pick(value, dim, list(range(half)), name, kind)
    b = views.pick(value, dim, list(range(half, 2 * half)), name, kind).apply(name, "sigmoid({})", SIGMOID[1])
    return join(a, b, name, "mul", np.multiply)


def _convolution(name: str, module: Any, value: Value) -> Value:
    one = type(module).__name__ == "Conv1d"
    if module.padding_mode != "zeros":
        raise UnsupportedNodeError(name, "Conv", "use padding_mode 'zeros'")
    stride, dilation = (pair(row(v) if one else v) for v in (module.stride, module.dilation))
    if module.padding == "same":
        kernel = pair(row(module.kernel_size) if one else module.kernel_size)
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        amount = 0 if module.padding == "valid" else module.padding
        amount = pair(row(amount, 0) if one else amount)
        padding = (*amount, *amount)
    return layers.convolution(
        value,
        parameter(module.weight),
        optional(module.bias),
        name,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=module.groups,
    )


def pooled(value: Value, name: str, kind: str, given: dict[str, Any]) -> Value:
    """Max or average pooling by PyTorch's names of its settings."""
    one = "1d" in kind
    if given.get("return_indices") or given.get("divisor_override"):
        raise UnsupportedNodeError(name, kind, "use pooling without return_indices and divisor_override")
    size = given["kernel_size"]
    stride = given.get("stride")
    stride = size if stride is None or stride == [] else stride
    padding, dilation = given.get("padding", 0), given.get("dilation", 1)
    kernel, step, spread = (pair(row(v) if one else v) for v in (size, stride, dilation))
    amount = pair(row(padding, 0) if one else padding)
    return layers.pooling(
        value,
        "max" if "max" in kind.lower() else "average",
        name,
        kernel=kernel,
        stride=step,
        padding=(*amount, *amount),
        dilation=spread,
        inside=not given.get("count_include_pad", True),
        ceil=bool(given.get("ceil_mode")),
    )


def adaptive(value: Value, name: str, kind: str, size: Any) -> Value:
    """Pooling to a stated number of rows and columns that divide the map's."""
    of = "max" if "max" in kind.lower() else "average"
    _, h, w = value.op.shape
    sizes = row(size) if "1d" in kind.lower() else size
    parts = pair(sizes) if not isinstance(sizes, tuple | list) else tuple(sizes)
    rows, columns = (
        extent if part is None else int(part) for extent, part in zip((h, w), parts, strict=True)
    )
    if h % rows or w % columns:
        raise UnsupportedNodeError(
            name, kind, f"{rows} x {columns} of {h} x {w}; use a size that divides the map's"
        )
    return layers.pooling(value, of, name, kernel=(h // rows, w // columns))


def called(module: Any) -> Callable[[Floats], Floats]:
    """A module as a function of arrays."""
    import torch

    def function(z: Floats) -> Floats:
        with torch.no_grad():
            out = module(torch.as_tensor(np.ascontiguousarray(z), dtype=torch.float32))
        return np.asarray(out.numpy(), np.float64)

    return function


def parameter(tensor: Any) -> Floats:
    """A parameter in double precision."""
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)


def optional(tensor: Any) -> Floats | None:
    """A parameter, or None."""
    return None if tensor is None else parameter(tensor)


def row(v: Any, across: int = 1) -> Any:
    """A 1-D layer's size as that of a row."""
    if v is None:
        return None
    return (across, int(v[0]) if isinstance(v, tuple | list) else int(v))


def pair(v: Any) -> tuple[int, int]:
    """Rows and columns of a size given as one number or two."""
    return (int(v[0]), int(v[-1])) if isinstance(v, tuple | list) else (int(v), int(v))
