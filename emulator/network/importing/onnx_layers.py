"""ONNX's layers as operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emulator.network.importing import layers
from emulator.network.importing.layers import Four, two
from emulator.network.importing.onnx_call import Call
from emulator.network.importing.values import Value, join
from emulator.spec.patches import Pair


def _gemm(call: Call) -> Value:
    a = call.a
    if a.get("transA", 0):
        raise call.refused("use transA = 0")
    w, beta = call.constant(1) * a.get("alpha", 1.0), a.get("beta", 1.0)
    bias, computed = call.optional(2), call.values[2] if len(call.values) > 2 else None
    if call.values[0] is None:
        raise call.refused("its first operand is a constant; use x @ weights + bias")
    first = call.value
    bias = None if bias is None else bias * beta
    product = layers.linear(first, w.T if a.get("transB", 0) else w, bias, call.name, call.kind)
    if computed is None:
        return product
    if not isinstance(computed, Value):
        raise call.refused("its bias is no tensor of one call")
    return join(product, computed.affine(call.name, beta, 0.0), call.name, call.kind, np.add)


def _matmul(call: Call) -> Value | None:
    if call.values[0] is None or call.optional(1) is None:
        return None
    return layers.linear(call.value, call.constant(1), None, call.name, call.kind)


def _convolution(call: Call) -> Value:
    a = call.a
    kernels = call.constant(1)
    if len(call.computed) > 1:
        raise call.refused("its bias is computed; use constant parameters")
    kernel, stride, dilation = (
        two(list(kernels.shape[2:])),
        two(a.get("strides", [1] * (kernels.ndim - 2))),
        two(a.get("dilations", [1] * (kernels.ndim - 2))),
    )
    value = layers.standard(call.value, call.name, "Conv")
    return layers.convolution(
        value,
        kernels,
        call.optional(2),
        call.name,
        stride=stride,
        padding=_padding(call, value, kernel, stride, dilation),
        dilation=dilation,
        groups=int(a.get("group", 1)),
    )


def _pooling(call: Call) -> Value:
    a = call.a
    kernel = two(a["kernel_shape"])
    rank = len(a["kernel_shape"])
    stride, dilation = two(a.get("strides", [1] * rank)), two(a.get("dilations", [1] * rank))
    value = layers.standard(call.value, call.name, call.kind)
    return layers.pooling(
        value,
        "max" if call.kind == "MaxPool" else "average",
        call.name,
        kernel=kernel,
        stride=stride,
        padding=_padding(call, value, kernel, stride, dilation),
        dilation=dilation,
        inside=not a.get("count_include_pad", 0),
        ceil=bool(a.get("ceil_mode", 0)),
    )


def _padding(call: Call, value: Value, kernel: Pair, stride: Pair, dilation: Pair) -> Four:
    mode = call.a.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return layers.same_padding(value, kernel, stride, dilation, lower=mode == "SAME_LOWER")
    pads = [int(v) for v in call.a.get("pads", [])]
    if mode == "VALID" or not pads:
        return (0, 0, 0, 0)
    return (0, pads[0], 0, pads[1]) if len(pads) == 2 else (pads[0], pads[1], pads[2], pads[3])


def _global(call: Call) -> Value:
    return layers.pooling(call.value, "max" if "Max" in call.kind else "average", call.name)


def _reduced(call: Call) -> Value:
    axes = call.numbers(1, "axes")
    axes = list(range(1, len(call.value.axes))) if axes is None else axes
    of = "max" if call.kind == "ReduceMax" else "average"
    return layers.mean_over(call.value, of, axes, call.name, keep=bool(call.a.get("keepdims", 1)))


def _batch_norm(call: Call) -> Value:
    if call.a.get("training_mode", 0):
        raise call.refused("it is in training mode; export the model in evaluation mode")
    gamma, beta, mean, variance = (call.constant(i) for i in range(1, 5))
    epsilon = call.a.get("epsilon", 1e-5)
    return layers.batch_norm(call.value, gamma, beta, mean, variance, epsilon, call.name)


def _pad(call: Call) -> Value:
    pads, rank = call.numbers(1, "pads"), len(call.value.axes)
    axes = call.numbers(3, "axes")
    if pads is not None and axes is not None:
        places = [a % rank for a in axes]
        if len(pads) != 2 * len(places) or len(set(places)) != len(places):
            raise call.refused("use two pads for each of its axes")
        both = dict(zip(places, zip(pads[: len(places)], pads[len(places) :], strict=True), strict=True))
        pads = [both.get(i, (0, 0))[end] for end in (0, 1) for i in range(rank)]
    given = call.optional(2)
    number = float(call.a.get("value", 0.0) if given is None or not given.size else given.reshape(-1)[0])
    constant = call.a.get("mode", "constant") == "constant" and np.isfinite(number)
    if pads is None or not constant or len(pads) != 2 * rank:
        raise call.refused("use a finite constant around rows and columns")
    if not any(pads):
        return call.value
    value = layers.standard(call.value, call.name, "Pad")
    before = dict(zip(value.axes, pads[:rank], strict=True))
    after = dict(zip(value.axes, pads[rank:], strict=True))
    if min(pads) < 0 or any(before[a] or after[a] for a in value.axes if a not in "hw"):
        raise call.refused("use a constant around rows and columns")
    top, left, bottom, right = (d.get(a, 0) for d in (before, after) for a in "hw")
    return layers.border(value, (top, left, bottom, right), number, call.name)


def _resize(call: Call) -> Value:
    """The nearest value in rows and columns that are a whole number of times as many."""
    value = layers.standard(call.value, call.name, call.kind)
    scales, sizes = call.optional(1 if call.kind == "Upsample" else 2), call.optional(3)
    axes = call.a.get("axes", list(range(len(value.axes))))
    if sizes is not None and sizes.size:
        given = sizes.reshape(-1) / np.array([max(value.shape[a], 1) for a in axes])
    else:
        given = np.ones(0) if scales is None else scales.reshape(-1)
    by = {value.axes[a]: float(f) for a, f in zip(axes, given, strict=False) if value.axes[a] != "n"}
    whole = len(given) == len(axes) and all(f >= 1 and f == int(f) for f in by.values())
    turned = call.a.get("coordinate_transformation_mode") == "align_corners"
    if call.a.get("mode", "nearest") != "nearest" or not whole or turned or by.get("c", 1) != 1:
        raise call.refused("use mode nearest, and whole numbers of times as many rows and columns")
    return layers.enlarged(value, (int(by.get("h", 1)), int(by.get("w", 1))), call.name)


LAYERS: dict[str, Callable[[Call], Value | None]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Conv": _convolution,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "ReduceMean": _reduced,
    "ReduceMax": _reduced,
    "BatchNormalization": _batch_norm,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
}
