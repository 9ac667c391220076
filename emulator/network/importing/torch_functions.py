"""PyTorch's functions and methods as operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing import layers, views
from emulator.network.importing.graph import Floats
from emulator.network.importing.torch_modules import adaptive, glu, pooled, softmax
from emulator.network.importing.torch_names import BINARY, INSTEAD, OTHERWISE, UNARY
from emulator.network.importing.values import Stack, Value, join, with_constant

POOLS = {
    "max_pool1d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "max_pool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool1d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "avg_pool2d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
}
"""Names of positional settings."""
SAME = ("dropout", "contiguous", "float", "clone", "detach", "dropout1d", "dropout2d", "alpha_dropout")
ZEROS = ("zeros", "zeros_like", "new_zeros")


def function_of(node: Any, args: tuple[Any, ...], kwargs: dict[str, Any], notes: list[str]) -> Any:
    """What a function or method of a traced graph gives, its operands given.

    Raises
    ------
    UnsupportedNodeError
        When it cannot be imported.
    """
    target = node.target
    kind = target if isinstance(target, str) else getattr(target, "__name__", "function")
    # max_pool2d is called boolean_dispatch where it is traced.
    kind = kind if kind in UNARY else kind.strip("_")
    name = node.name
    first = args[0] if args else None
    if kind in ZEROS:
        return np.zeros(1)
    if kind in ("size", "shape", "getattr", "dim"):
        return _sizes(kind, first, args)
    if not any(isinstance(v, Value | Stack) for v in _flat(args)):
        return _plain(node, args, kwargs)
    if isinstance(first, Stack) and kind == "squeeze" and len(first.layers) == 1:
        return first[0]
    if kind == "getitem":
        return _item(name, first, args[1])
    if kind in BINARY and len(args) >= 2 and not kwargs:
        return _binary(name, kind, args[0], args[1])
    if kind == "rsub":
        return with_constant(args[0], args[1], name, kind, "rsub")
    if kind in ("cat", "concat", "concatenate"):
        axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
        return views.concatenate(list(first or ()), axis, name, kind)
    if not isinstance(first, Value):
        raise UnsupportedNodeError(name, kind, OTHERWISE)
    found = _of_value(node, kind, first, list(args[1:]), kwargs, notes)
    if found is None:
        raise UnsupportedNodeError(name, kind, INSTEAD.get(kind, OTHERWISE))
    return found


def _of_value(
    node: Any, kind: str, value: Value, rest: list[Any], kwargs: dict[str, Any], notes: list[str]
) -> Any:
    """A function of one value and constants; None where there is none of this name."""
    name = node.name
    if kind in SAME:
        return value
    if kind in ("softmax", "log_softmax"):
        return softmax(name, kind, value, notes)
    if kind in ("flatten", "view", "reshape", "unflatten", "squeeze", "unsqueeze", "permute", "transpose"):
        return _viewed(name, kind, value, rest, kwargs)
    if kind in POOLS:
        return pooled(value, name, kind, {**dict(zip(POOLS[kind], rest, strict=False)), **kwargs})
    if kind.startswith("adaptive_") and kind.endswith(("pool1d", "pool2d")):
        return adaptive(value, name, kind, kwargs.get("output_size", rest[0] if rest else None))
    if kind in ("mean", "amax"):
        axes = kwargs.get("dim", rest[0] if rest else None)
        axes = list(range(1, len(value.axes))) if axes is None else axes
        axes = list(axes) if isinstance(axes, tuple | list) else [axes]
        keep = kwargs.get("keepdim", rest[1] if len(rest) > 1 else False)
        return layers.mean_over(value, "max" if kind == "amax" else "average", axes, name, keep=keep)
    if kind in ("chunk", "split"):
        return _parts(name, kind, value, rest, kwargs)
    if kind == "glu":
        return glu(value, kwargs.get("dim", rest[0] if rest else -1), name, kind)
    if kind == "pad":
        return _pad(name, value, rest, kwargs)
    constant = isinstance(rest[0], np.ndarray) if rest else False
    if kind in ("matmul", "mm") and constant:
        return layers.linear(value, rest[0], None, name, kind)
    if kind == "linear" and constant:
        return layers.linear(value, rest[0].T, rest[1] if len(rest) > 1 else kwargs.get("bias"), name, kind)
    if kind in UNARY and not any(isinstance(v, Value) for v in _flat(rest)):
        return value.apply(name, f"{kind}({{}})", _bound(node, rest, kwargs))
    return None


def _binary(name: str, kind: str, a: Any, b: Any) -> Value:
    operation, function = BINARY[kind]
    if isinstance(a, Value) and isinstance(b, Value):
        return join(a, b, name, kind, function)
    first = isinstance(a, Value)
    value, constant = (a, b) if first else (b, a)
    if not isinstance(value, Value):
        raise UnsupportedNodeError(name, kind, OTHERWISE)
    if operation in ("min", "max"):
        return value.apply(name, f"{kind}({{}})", lambda z: np.asarray(function(z, constant)))
    prefix = "" if first or operation in ("add", "mul") else "r"
    return with_constant(value, constant, name, kind, prefix + operation)


def _sizes(kind: str, value: Any, args: tuple[Any, ...]) -> Any:
    """Sizes of a tensor, ``views.SAMPLES`` for samples."""
    if not isinstance(value, Value):
        return getattr(value, str(args[1]), None) if kind == "getattr" and len(args) > 1 else None
    if kind == "dim":
        return len(value.axes)
    sizes = tuple(views.SAMPLES if a == "n" else s for a, s in zip(value.axes, value.shape, strict=True))
    return sizes[args[1]] if kind == "size" and len(args) > 1 else sizes


def _plain(node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of numbers, such as of sizes."""
    if node.op == "call_function" and all(isinstance(v, int | float | tuple | list | slice) for v in args):
        return node.target(*args, **kwargs)
    if node.op == "call_method" and isinstance(args[0], np.ndarray) and node.target in ("view", "reshape"):
        sizes = args[1] if isinstance(args[1], tuple | list) else args[1:]
        return args[0].reshape(sizes)
    kind = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "function")
    raise UnsupportedNodeError(node.name, kind, OTHERWISE)


def _item(name: str, value: Any, index: Any) -> Any:
    if isinstance(value, tuple | list | Stack):
        return value[index]
    parts = index if isinstance(index, tuple) else (index,)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts = (*parts[:at], *(slice(None),) * (len(value.axes) - len(parts) + 1), *parts[at + 1 :])
    axis = 0
    for part in parts:
        if part is None:
            value = views.unsqueeze(value, [axis], name)
            axis += 1
        elif isinstance(part, int):
            value = views.pick(value, axis, part, name, "getitem")
        elif part == slice(None):
            axis += 1
        elif isinstance(part, slice):
            size = value.shape[axis]
            value = views.pick(value, axis, list(range(*part.indices(size))), name, "getitem")
            axis += 1
        else:
            raise UnsupportedNodeError(name, "getitem", "take parts by numbers and slices")
    return value


def _parts(name: str, kind: str, value: Value, rest: list[Any], kwargs: dict[str, Any]) -> list[Value]:
    axis = kwargs.get("dim", rest[1] if len(rest) > 1 else 0)
    size = value.shape[axis]
    given = kwargs.get("chunks", kwargs.get("split_size_or_sections", rest[0] if rest else 1))
    if isinstance(given, int):
        each = -(-size // given) if kind == "chunk" else given
        given = [min(each, size - i) for i in range(0, size, each)]
    ends = np.cumsum([0, *given])
    return [
        views.pick(value, axis, list(range(a, b)), name, kind)
        for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    ]


def _pad(name: str, value: Value, rest: list[Any], kwargs: dict[str, Any]) -> Value:
    sizes = [int(v) for v in kwargs.get("pad", rest[0] if rest else ())]
    mode = kwargs.get("mode", rest[1] if len(rest) > 1 else "constant")
    number = kwargs.get("value", rest[2] if len(rest) > 2 else 0)
    if mode != "constant" or number not in (None, 0, 0.0) or len(sizes) > 4 or min(sizes) < 0:
        raise UnsupportedNodeError(name, "pad", "use zeros around rows and columns")
    left, right, top, bottom = (*sizes, 0, 0)[:4]
    return layers.border(value, (top, left, bottom, right), name)


def _viewed(name: str, kind: str, value: Value, rest: list[Any], kwargs: dict[str, Any]) -> Value:
    numbers = list(rest[0]) if rest and isinstance(rest[0], tuple | list) else rest
    if kind == "flatten":
        start = kwargs.get("start_dim", numbers[0] if numbers else 0)
        end = kwargs.get("end_dim", numbers[1] if len(numbers) > 1 else -1)
        rank = len(value.axes)
        if start % rank == 1 and end % rank == rank - 1:
            return views.flatten(value, name)
        if end % rank == rank - 1 and all(s == 1 for s in value.shape[start % rank + 1 :]):
            return views.reshape(value, [views.SAMPLES, *value.shape[1 : start % rank + 1]], name, kind)
    elif kind in ("view", "reshape"):
        return views.reshape(value, [int(v) for v in numbers], name, kind)
    elif kind == "unflatten" and len(rest) == 2 and rest[0] == 1:
        return views.reshape(value, [views.SAMPLES, *rest[1]], name, kind)
    elif kind == "squeeze":
        dim = kwargs.get("dim", numbers or None)
        return views.squeeze(value, [dim] if isinstance(dim, int) else dim, name)
    elif kind == "unsqueeze":
        return views.unsqueeze(value, [kwargs.get("dim", numbers[0] if numbers else 0)], name)
    elif kind == "permute":
        return views.transpose(value, [int(v) for v in numbers], name)
    elif kind == "transpose" and len(numbers) == 2:
        order = list(range(len(value.axes)))
        a, b = numbers
        order[a], order[b] = order[b], order[a]
        return views.transpose(value, order, name)
    raise UnsupportedNodeError(name, kind, f"of {value.own}; flatten to one axis from the first on")


def _flat(values: Any) -> list[Any]:
    found: list[Any] = []
    for v in values:
        found += _flat(v) if isinstance(v, tuple | list) else [v]
    return found


def _bound(node: Any, rest: list[Any], kwargs: dict[str, Any]) -> Callable[[Floats], Floats]:
    import torch

    rest = [torch.as_tensor(v) if isinstance(v, np.ndarray) else v for v in rest]

    def function(z: Floats) -> Floats:
        with torch.no_grad():
            x = torch.as_tensor(np.array(z, np.float64))
            if node.op == "call_method":
                return np.asarray(getattr(x, node.target)(*rest, **kwargs).numpy(), np.float64)
            return np.asarray(node.target(x, *rest, **kwargs).numpy(), np.float64)

    return function
