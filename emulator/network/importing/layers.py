"""Import of ONNX's layers and element-wise operators."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import NetworkError
from ndrite.emulator.network.importing.call import Call, Handler, join, of_channels, with_constant
from ndrite.emulator.network.importing.graph import pool, product
from ndrite.emulator.network.importing.values import Value, turned
from ndrite.emulator.spec.arithmetic import Array, Floats
from ndrite.emulator.spec.errors import ProgramError
from ndrite.emulator.spec.patches import Pair, Patches

Four = tuple[int, int, int, int]


def standard(call: Call) -> Value:
    """Return the operand as a map in the order (channel, row, column). If the order of
    the model's input axes is open, this decides it. Raises UnsupportedNodeError when
    the operand is no such map."""
    for value in (call.value, turned(call.value), call.value.picked(call.name)):
        if value is not None and value.in_order:
            c, h, w = value.op.shape
            if value.own == (c, h, w) or (value.own == (c, w) and h == 1):
                return value.settled()
    raise call.refused(
        f"its input has shape {call.value.own} per sample, or another operator takes that input's last axis "
        "for channels; use maps (channel, row, column) of one time step, and state the shape of the input"
    )


def linear(call: Call, value: Value, weights: npt.ArrayLike, bias: npt.ArrayLike | None = None) -> Value:
    """Import a fully connected layer: ``weights`` (K, M) on the last axis, at every
    position of a map."""
    w = np.asarray(weights, np.float64)
    vector = value if value.counts(-1) else value.vector(call.name)
    if (
        vector is None
        or vector.axis == vector.places.ndim - 1
        or w.ndim != 2
        or w.shape[0] != vector.op.shape[0]
    ):
        raise call.refused(
            f"weights of shape {w.shape} on values of {value.own}; flatten the values to one axis before it"
        )
    return mixed(call, vector, -1, w, bias)


def mixed(
    call: Call, value: Value, axis: int, weights: npt.ArrayLike, bias: npt.ArrayLike | None = None
) -> Value:
    """Import a layer that combines the channels along ``axis`` by ``weights`` (C, M),
    at every position."""
    value, w = value.settled(), np.asarray(weights, np.float64)
    b = np.zeros(w.shape[1]) if bias is None else np.asarray(bias, np.float64).reshape(-1)
    patches = Patches(shape=value.op.shape, kernel=(1, 1))
    op = product(call.name, value.op, w, np.broadcast_to(b, w.shape[1:]).copy(), patches)
    return value.mixed(op, axis)


def prelu(call: Call) -> Value:
    """Import a PReLU with one slope per channel or feature. It is computed exactly, as
    ``relu(x) - slope * relu(-x)``, with twice the neurons."""
    value, slopes = call.value, np.asarray(call.constant(1), np.float64)
    if call.opsets.get("", 1) < 7 and slopes.ndim == 1:  # one slope per channel, in operator sets below 7
        slopes = slopes.reshape(-1, *[1] * (value.places.ndim - 2))
    value, (a,) = of_channels(call, value, slopes)
    axis = next((i for i in range(value.places.ndim) if value.counts(i)), None)
    if axis is None:
        raise call.refused("its slopes belong to no single axis; use one slope, or one per channel")
    eye = np.eye(a.size)
    halves = mixed(call, value, axis, np.hstack([eye, -eye])).apply(
        call.name, "relu({})", lambda z: np.maximum(z, 0.0)
    )
    return mixed(call, halves, axis, np.vstack([eye, -np.diag(a)]))


def _gemm(call: Call) -> Value:
    a = call.a
    if a.get("transA", 0):
        raise call.refused("its attribute transA is not 0; use transA = 0")
    w, beta = call.constant(1) * a.get("alpha", 1.0), a.get("beta", 1.0)
    bias, computed = call.optional(2), call.values[2] if len(call.values) > 2 else None
    if call.values[0] is None:
        raise call.refused("its first operand is a constant; use x @ weights + bias")
    full = linear(call, call.value, w.T if a.get("transB", 0) else w, None if bias is None else bias * beta)
    if computed is None:
        return full
    return join(call, full, computed.affine(call.name, beta, 0.0), np.add)


def _matmul(call: Call) -> Value | None:
    if call.values[0] is None or call.optional(1) is None:
        return None
    w = call.constant(1)
    full = linear(call, call.value, w if w.ndim != 1 else w[:, None])
    return full if w.ndim != 1 else full.moved(full.places[..., 0], call.name)


def _convolution(call: Call) -> Value:
    """Import a 2-D convolution with kernels (M, C / groups, kh, kw), or a 1-D one with
    (M, C / groups, k) as a single row."""
    k, groups = np.asarray(call.constant(1), np.float64), int(call.a.get("group", 1))
    if len(call.computed) > 1:
        raise call.refused("its bias is computed; use constant parameters")
    value = standard(call)
    if k.ndim == 3 and value.op.shape[1] == 1:
        k = k[:, :, None]
    if k.ndim != 4 or k.shape[1] * groups != value.op.shape[0] or len(k) % groups:
        raise call.refused(
            f"kernels of shape {k.shape} on values of {value.own}; use 1-D or 2-D convolutions, with the "
            "input's shape given"
        )
    patches = _windows(call, value, (k.shape[2], k.shape[3]), groups=groups)
    bias = call.optional(2)
    b = np.zeros(len(k)) if bias is None else np.asarray(bias, np.float64)
    return value.laid(product(call.name, value.op, patches.by_place(k.reshape(len(k), -1).T), b, patches))


def _pooling(call: Call) -> Value:
    value = standard(call)
    patches = _windows(call, value, _two(call.a["kernel_shape"]))
    if call.a.get("ceil_mode", 0):
        (_, *sizes), pads = value.op.shape, patches.padding
        around = (pads[0] + pads[2], pads[1] + pads[3])
        axes = zip(sizes, around, patches.kernel, patches.dilation, patches.stride, strict=True)
        if any((size + pad - d * (k - 1) - 1) % s for size, pad, k, d, s in axes):
            raise call.refused(
                "its ceil_mode adds a window at the edge; use ceil_mode=False, and pad the map instead"
            )
    inside = not call.a.get("count_include_pad", 0)
    return value.laid(pool(call.name, value.op, _largest_or_average(call), patches, inside=inside))


def _largest_or_average(call: Call) -> str:
    return "max" if "Max" in call.kind else "average"


def _windows(call: Call, value: Value, kernel: Pair, *, groups: int = 1) -> Patches:
    """Return the patches that the attributes of a convolution or pooling node describe."""
    a = call.a
    stride, dilation = (_two(a.get(name, [1, 1])) for name in ("strides", "dilations"))
    mode, pads = a.get("auto_pad", "NOTSET"), [int(v) for v in a.get("pads", [])]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        padding = _same_padding(value, kernel, stride, dilation, lower=mode == "SAME_LOWER")
    elif mode == "VALID" or not pads:
        padding = (0, 0, 0, 0)
    else:
        padding = (0, pads[0], 0, pads[1]) if len(pads) == 2 else (pads[0], pads[1], pads[2], pads[3])
    try:
        return Patches(
            shape=value.op.shape,
            kernel=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
    except ProgramError as error:
        raise call.refused(str(error)) from None


def _same_padding(value: Value, kernel: Pair, stride: Pair, dilation: Pair, *, lower: bool) -> Four:
    """Return the padding for ``auto_pad`` SAME, where the result has ceil(size /
    stride) positions. Of an odd number of zeros, the extra one is at the end or, with
    ``lower``, at the beginning."""
    pads = []
    for size, k, s, d in zip(value.op.shape[1:], kernel, stride, dilation, strict=True):
        total = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
        pads.append((total - total // 2, total // 2) if lower else (total // 2, total - total // 2))
    (top, bottom), (left, right) = pads
    return top, left, bottom, right


def _two(sizes: list[int]) -> Pair:
    """Return (rows, columns) from the two numbers of a 2-D node, or from the single
    number of a 1-D node."""
    return (1, int(sizes[0])) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))


def _global(call: Call) -> Value:
    """Import a global maximum or average over a whole map."""
    return _whole(call, standard(call), keep=True)


def _whole(call: Call, value: Value, axes: list[int] | None = None, *, keep: bool) -> Value:
    """Import the maximum or average over the map axes ``axes``, which must be all
    rows and columns."""
    value, rank = value.settled(), value.places.ndim
    axes = list(range(2, rank)) if axes is None else [a % rank for a in axes]
    part = value.places.take([0], axes[0]) if axes else value.places
    for a in axes[1:]:
        part = part.take([0], a)
    sizes = [value.places.shape[a] for a in axes]
    if int(np.prod(sizes)) != value.area or (part // value.area != value.places // value.area).any():
        raise call.refused(f"it covers axes {axes} of {value.own}; use it over all rows and columns of a map")
    patches = Patches(shape=value.op.shape, kernel=value.op.shape[1:], stride=value.op.shape[1:])
    places = part // value.area if keep else (part // value.area).squeeze(tuple(axes))
    return value.then(pool(call.name, value.op, _largest_or_average(call), patches), places)


def _reduced(call: Call) -> Value:
    """Import a mean or maximum over rows and columns."""
    axes = call.numbers(1, "axes")
    axes = list(range(1, call.value.places.ndim)) if axes is None else axes
    return _whole(call, call.value, axes, keep=bool(call.a.get("keepdims", 1)))


def _batch_norm(call: Call) -> Value:
    """Import a normalisation by constants per channel, which is folded into the
    adjacent weights."""
    value = call.value
    if call.a.get("training_mode", 0):
        raise call.refused("it is in training mode; export the model in evaluation mode")
    gamma, beta, mean, variance = (np.asarray(call.constant(i), np.float64) for i in range(1, 5))
    scale = gamma / np.sqrt(variance + call.a.get("epsilon", 1e-5))
    shift = beta - mean * scale
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        raise NetworkError(f"node {call.name!r} holds a weight that is not finite; accepted: finite numbers")
    unit_axes = [1] * (value.places.ndim - 2)
    value, by_channel = of_channels(call, value, scale.reshape(-1, *unit_axes), shift.reshape(-1, *unit_axes))
    return value.by_channel(call.name, *by_channel)


def _resize(call: Call) -> Value:
    """Import nearest-neighbour upsampling by whole factors of rows and columns."""
    value = standard(call)
    first = call.kind == "Upsample" or call.opsets.get("", 1) < 11
    scales, sizes = call.optional(1 if first else 2), call.optional(3)
    if "scales" in call.a:  # before operator set 9, scales are an attribute
        scales = np.asarray(call.a["scales"], np.float64)
    rank = value.places.ndim
    axes = call.a.get("axes", list(range(rank)))
    if sizes is not None and sizes.size:
        times = sizes.reshape(-1) / np.array([value.places.shape[a] for a in axes])
    else:
        times = np.ones(0) if scales is None else scales.reshape(-1)
    by = {a % rank: float(f) for a, f in zip(axes, times, strict=False) if a % rank}
    by_integers = len(times) == len(axes) and all(f >= 1 and f == int(f) for f in by.values())
    turned_ends = call.a.get("coordinate_transformation_mode") == "align_corners"
    if call.a.get("mode", "nearest") != "nearest" or not by_integers or turned_ends or by.get(1, 1) != 1:
        raise call.refused("it does not only repeat rows and columns; use mode nearest with integer factors")
    block = (int(by.get(2, 1)) if rank == 4 else 1, int(by.get(rank - 1, 1)))
    patches = Patches(shape=value.op.shape, kernel=(1, 1))
    return value.laid(pool(call.name, value.op, "max", patches, block=block))


LAYERS: dict[str, Handler] = {
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
    "Resize": _resize,
    "Upsample": _resize,
}


UNARY = (
    "Relu Sigmoid Tanh LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign Gelu Mish Swish "
    "ThresholdedRelu Shrink Abs Neg Exp Log Sqrt Reciprocal Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh "
    "Atanh Erf Clip PRelu Pow Min Max Sign Round Floor Ceil"
).split()
"""Operators imported as a function of each value, which ONNX's reference
implementation computes."""
JOINED = "Where Greater GreaterOrEqual Less LessOrEqual Equal And Or Not Xor Mod".split()
"""Operators imported, together with the arithmetic of two operands, as functions of
several values of one operator."""
TRUTHS = {"Where": (0,), "And": (0, 1), "Or": (0, 1), "Xor": (0, 1), "Not": (0,)}
"""Operator -> indices of its operands that are truth values."""
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sum": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Min": np.minimum,
    "Max": np.maximum,
}
CONSTANT = {"Add": ("add", "add"), "Sum": ("add", "add"), "Mul": ("mul", "mul")} | {
    "Sub": ("sub", "rsub"),
    "Div": ("div", "rdiv"),
}
"""Operator -> the operation that it is if its second operand is a constant, or
its first operand."""
CODES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


def elementwise(call: Call) -> Value | None:
    """Import the node as a function of single values; None if it is not such a function."""
    kind, computed = call.kind, call.computed
    if kind == "PRelu" and call.constant(1).size > 1:
        return prelu(call)
    if kind == "Sum" and len(call.known) == 1:
        return call.value
    if len(computed) >= 2 and kind in BINARY and len(computed) == len(call.known):
        total = computed[0]
        for operand in computed[1:]:
            total = join(call, total, operand, BINARY[kind])
        return total
    if kind in CONSTANT and len(call.known) == 2 and len(computed) == 1:
        operand_index = 0 if call.known[0] is None else 1
        return with_constant(
            call, call.value, call.constant(1 - operand_index), CONSTANT[kind][operand_index]
        )
    small = all(c is None or c.size == 1 for c in call.known)
    if small and (kind in JOINED or (kind in UNARY and len(computed) == 1)):
        return _function(call)
    return None


def _function(call: Call) -> Value:
    """Import a function of one value, or of several values of one operator, such as
    ``Where``'s branches."""
    first, operands = call.value, call.computed
    for argument in operands:
        argument.check_open()
        if argument.op is not first.op or not np.array_equal(argument.places, first.places):
            raise call.refused("it joins two branches; use their sum, difference, product, larger or smaller")
    # Constants of one number are passed as scalars: a shape such as (1, 1, 1) would add axes.
    pairs = zip(call.node.input, call.known, strict=True)
    numbers: dict[str, Array] = {s: k.reshape(()) for s, k in pairs if s and k is not None}
    sources = [s for s, v in zip(call.node.input, call.values, strict=True) if v is not None]

    def function(z: Floats) -> Floats:
        constants = dict(numbers)
        for source, operand in zip(sources, operands, strict=True):
            constants[source] = operand.of(z).astype(np.float32)
        for i in TRUTHS.get(call.kind, ()):
            constants[call.node.input[i]] = constants[call.node.input[i]] != 0
        return np.asarray(call.evaluated(constants)[0], np.float64)

    label = f"{call.kind.lower()}({', '.join(o.label for o in operands)})"
    return replace(first, node=call.name, label=label, function=function, line=None)


def _cast(call: Call) -> Value:
    """Import a Cast, computed in floats: to integers by truncation, to booleans by
    comparison with 0."""
    from onnx import TensorProto

    to = call.a.get("to", TensorProto.FLOAT)
    if call.kind == "CastLike" or to in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
        return call.value
    if to == TensorProto.BOOL:
        return call.value.apply(call.name, "({} != 0)", lambda z: (z != 0).astype(np.float64))
    if to in (TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64):
        return call.value.apply(call.name, "trunc({})", np.trunc)
    raise call.refused("its target type is not supported; cast to floats, signed integers or booleans")


def _quantised(call: Call) -> Value:
    """Import a QuantizeLinear as a function from values to the values that its codes
    represent, including saturation (which may act as a ReLU). The DequantizeLinear
    after it then changes nothing."""
    scale, zero = call.constant(1), call.optional(2)
    zero = np.zeros(1, np.uint8) if zero is None else zero
    if scale.size != 1 or zero.size != 1 or zero.dtype.name not in CODES:
        raise call.refused("its scale varies, or its codes are not of 8 or 16 bits; use one scale per tensor")
    step, offset = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
    low, high = ((code - offset) * step for code in CODES[zero.dtype.name])

    def codes(z: Floats) -> Floats:
        """Return the nearest value that a code represents, half to even, as ONNX defines it."""
        return np.asarray(np.clip(np.rint(z / step) * step, low, high), np.float64)

    return call.value.apply(call.name, "codes({})", codes)


CASTS: dict[str, Handler] = {
    "Cast": _cast,
    "CastLike": _cast,
    "QuantizeLinear": _quantised,
    "DequantizeLinear": lambda call: call.value,
}
