"""Forms: how each PyTorch function that multiplies by a matrix is computed on the die.

A form takes the executor and the function's own arguments, and gives what it gives;
``NotImplemented``: no operand is held by the module, and PyTorch computes it.
"""

from __future__ import annotations

import inspect
import math
import string
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.spec.patches import Patches
from ndrite.host import InputError

if TYPE_CHECKING:
    from ndrite.tiles.executor import Executor

F = torch.nn.functional

Read: TypeAlias = Tensor | types.NotImplementedType
"""A tensor that was read on the die, or ``NotImplemented``."""
Sizes = int | Sequence[int]
"""One number for all dimensions of a map, or one number per dimension, as
PyTorch takes them."""


def linear(run: Executor, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Read:
    """Multiply inputs (..., K) by a weight to outputs (..., M). The first dimension of
    the inputs is samples, except in attention, where it is time."""
    x = input.reshape(-1, run.samples, input.shape[-1]).transpose(0, 1) if run.samples else input
    rows = string.ascii_uppercase[: x.dim() - 1]
    y = contract(run, x, weight, f"{rows}k,{'mk'[-weight.dim() :]}->{rows}m", bias)
    if y is NotImplemented or not run.samples:
        return y
    return y.transpose(0, 1).reshape(*input.shape[:-1], -1).contiguous()


def contract(run: Executor, x: Tensor, weight: Tensor, equation: str, bias: Tensor | None = None) -> Read:
    """Compute ``torch.einsum(equation, x, weight)`` on the die. A dimension that both
    operands and the result have becomes groups of a grouped product.

    A dimension over which the weight is expanded, such as a batch, is not a group:
    every index reads the same cells.
    """
    operands, _, out = equation.partition("->")
    of_x, of_weight = operands.split(",")
    for label, stride, count in list(zip(of_weight, weight.stride(), weight.shape, strict=True)):
        if stride == 0 and count > 1 and label in of_x and label in out:
            weight, of_weight = weight.select(of_weight.index(label), 0), of_weight.replace(label, "")
    shared = [label for label in of_x if label in of_weight]
    rows, columns = (
        [label for label in a if label not in b] for a, b in ((of_x, of_weight), (of_weight, of_x))
    )
    k, groups = ([label for label in shared if (label in out) == row_sizes] for row_sizes in (False, True))
    plain = all(len(set(labels)) == len(labels) for labels in (of_x, of_weight, out))
    if not plain or not k or not weight.numel() or set(rows + groups + columns) != set(out):
        return NotImplemented
    size = dict(zip(of_weight, weight.shape, strict=True))
    inputs, count = (math.prod(size[label] for label in part) for part in (k, groups))
    weight = weight.permute([of_weight.index(label) for label in k + groups + columns])
    matrix = weight.reshape(inputs, -1)
    product = run.product(
        weight, matrix, Patches(shape=(count * inputs, 1, 1), kernel=(1, 1), groups=count), whole=count == 1
    )
    if product is None:
        return NotImplemented
    if any(size.setdefault(label, n) != n for label, n in zip(of_x, x.shape, strict=True)):
        accepted = ", ".join("..." if label in rows else str(size[label]) for label in of_x[-len(k) - 1 :])
        raise InputError(f"{product.name} is given inputs of shape {tuple(x.shape)}; accepted: ({accepted})")
    row_sizes = [size[label] for label in rows]
    x = x.permute([of_x.index(label) for label in rows + groups + k]).reshape(-1, count * inputs)
    x = x if count == 1 else x.view(*x.shape, 1, 1)
    y = product.read(run, x, matrix, bias, math.prod(row_sizes[1:]))
    y = y.reshape(*row_sizes, *(size[label] for label in groups + columns))
    return y.permute([(rows + groups + columns).index(label) for label in out])


def einsum(run: Executor, equation: object, *operands: Tensor | Sequence[Tensor]) -> Read:
    """Compute ``torch.einsum`` of two operands of which exactly one is a parameter;
    other cases are left to PyTorch."""
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    if not isinstance(equation, str) or len(tensors) != 2:
        return NotImplemented
    inputs, arrow, out = equation.replace(" ", "").partition("->")
    free = [letter for letter in string.ascii_letters if letter not in inputs]
    pairs, widest = [], ""
    for part, tensor in zip(inputs.split(","), tensors, strict=True):
        more = tensor.dim() - len(part.replace("...", ""))
        dots = "".join(free[:more])[::-1]
        widest = max(widest, dots, key=len)
        pairs.append((tensor, part.replace("...", dots)))
    if not arrow:
        out = "..." + "".join(sorted(c for c in set(inputs) - set(".,") if inputs.count(c) == 1))
    (a, of_a), (b, of_b) = sorted(pairs, key=lambda pair: bool(run.find(pair[0])))
    if run.find(a) or any(a.shape[of_a.index(c)] != b.shape[of_b.index(c)] for c in of_b if c in of_a):
        return NotImplemented  # a size of 1 is broadcast: left to PyTorch
    return contract(run, a, b, f"{of_a},{of_b}->{out.replace('...', widest)}")


def matmul(run: Executor, input: Tensor, other: Tensor) -> Read:
    """Compute ``torch.matmul`` of vectors, matrices and batches of matrices, one of
    which is a parameter."""
    if not (input.dim() and other.dim()):
        return NotImplemented
    left, right = "rk"[-input.dim() :], "kc"[: other.dim()]
    return einsum(run, f"...{left},...{right}->...{left[:-1]}{right[1:]}", input, other)


def addmm(run: Executor, input: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Read:
    """Compute ``beta * input + alpha * a @ b``, where a and b are matrices or
    batches of matrices."""
    y = matmul(run, a, b)
    if y is NotImplemented:
        return y
    return alpha * y if beta == 0 else beta * input + alpha * y  # with beta 0, even NaN in input is ignored


def _each(value: Sizes, dimensions: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dimensions if len(values) == 1 else values


def convolution(
    run: Executor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | Literal["same", "valid"] = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Read:
    """Convolve maps of one, two or three dimensions; in three dimensions, the depth of
    the kernel counts as channels."""
    dimensions = weight.dim() - 2
    flat = (1,) * (3 - dimensions)
    sizes, stride, dilation = (
        (*flat, *_each(v, dimensions)) for v in (tuple(weight.shape[2:]), stride, dilation)
    )
    reach = [d * (k - 1) + 1 for k, d in zip(sizes, dilation, strict=True)]
    channels = weight.shape[1] * groups
    shape = (channels * sizes[0], reach[1], reach[2])
    area = {"kernel": sizes[1:], "stride": stride[1:], "dilation": dilation[1:]}
    patches = Patches(shape=shape, groups=groups, **area)
    matrix = patches.by_place(weight.reshape(len(weight), -1).t())
    product = run.product(weight, matrix, patches)
    if product is None:
        return NotImplemented
    alone = input.dim() == dimensions + 1  # a single map, without a dimension of samples
    x = input[None] if alone else input
    if x.dim() != dimensions + 2 or x.shape[1] != channels:
        accepted = ", ".join(("n", str(channels), *"DHW"[-dimensions:]))
        raise InputError(
            f"{product.name} is given inputs of shape {tuple(input.shape)}; accepted: ({accepted})"
        )
    if padding == "same":
        ends = [((r - 1) // 2, r - 1 - (r - 1) // 2) for r in reach[3 - dimensions :]]
    else:
        ends = [(p, p) for p in _each(0 if padding == "valid" else padding, dimensions)]
    border = [size for pair in reversed(ends) for size in pair]
    x = F.pad(x, border) if any(border) else x
    x = x.reshape(*x.shape[:2], *flat, *x.shape[2:])
    if any(size < r for size, r in zip(x.shape[2:], reach, strict=True)):
        raise InputError(
            f"{product.name} is given maps of {tuple(input.shape)}, smaller than its kernel; accepted: "
            "larger maps, or more padding"
        )
    # A three-dimensional convolution reads one map for every position in depth, with
    # the planes of the kernel as channels. Here ``cut`` has shape (n, C, D, H, W, k).
    cut = x.unfold(2, reach[0], stride[0])[..., :: dilation[0]]
    n, rows = len(x), cut.shape[2]
    maps = cut.permute(0, 2, 1, 5, 3, 4).reshape(n * rows, shape[0], *x.shape[3:])
    y = product.read(run, maps, matrix, bias, rows)
    y = y.view(n, rows, *y.shape[1:]).transpose(1, 2)
    y = y.reshape(*y.shape[:2], *y.shape[5 - dimensions :])
    return y[0] if alone else y


def transposed(
    run: Executor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Read:
    """Run a transposed convolution: multiply the channels of every position by all
    weights of the kernel on the die, then add overlaps and bias digitally."""
    dimensions = weight.dim() - 2
    alone, flat = input.dim() == dimensions + 1, 2 - dimensions
    maps = input[None] if alone else input
    x = maps.reshape(len(maps), groups, maps.shape[1] // groups, math.prod(maps.shape[2:]))
    columns = contract(run, x, weight.reshape(groups, len(weight) // groups, -1), "ngcp,gcm->ngmp")
    if columns is NotImplemented:
        return NotImplemented
    kernel, more = tuple(weight.shape[2:]), _each(output_padding, dimensions)
    stride, padding, dilation = (_each(v, dimensions) for v in (stride, padding, dilation))
    fields = zip(maps.shape[2:], stride, padding, dilation, kernel, more, strict=True)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, s, p, d, k, o in fields]
    unit_steps, none = (1,) * flat, (0,) * flat
    folded = (
        (*unit_steps, *size),
        (*unit_steps, *kernel),
        (*unit_steps, *dilation),
        (*none, *padding),
        (*unit_steps, *stride),
    )
    y = F.fold(columns.flatten(1, 2), *folded)
    y = y.reshape(*y.shape[:2], *size)
    if bias is not None:
        y = y + bias.view(-1, *[1] * dimensions)
    return y[0] if alone else y


def _lstm(x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Compute the next state of an LSTM cell, output first, from the sums that the
    input matrix (``x``) and the recurrent matrix (``h``) yield."""
    i, f, g, o = (x + h).chunk(4, dim=-1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, dim=-1), h.chunk(3, dim=-1)
    z = torch.sigmoid(xz + hz)
    n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
    return ((1 - z) * n + z * state[0],)


CELLS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn_tanh": lambda x, h, state: (torch.tanh(x + h),),
    "rnn_relu": lambda x, h, state: (torch.relu(x + h),),
}


def cell(
    run: Executor, x: Tensor, hx: Tensor | Sequence[Tensor], *weights: Tensor | None, kind: str
) -> Read | tuple[Tensor, ...]:
    """Run one step of a recurrent cell, as a sequence of length 1."""
    state = [hx[None]] if isinstance(hx, torch.Tensor) else [part[None] for part in hx]
    options = (len(weights) > 2, 1, 0.0, False, False, True)
    result = recurrent(run, x[:, None], state, weights, *options, kind=kind)
    if result is NotImplemented:
        return NotImplemented
    after = tuple(part[0] for part in result[1:])
    return after if len(after) > 1 else after[0]


def recurrent(
    run: Executor,
    input: Tensor,
    hx: Tensor | Sequence[Tensor],
    weights: Sequence[Tensor],
    *rest: Any,
    kind: str,
) -> tuple[Tensor, ...] | types.NotImplementedType:
    """Run the layers and directions of a recurrent module one after another; gates and
    cell state are computed in PyTorch."""
    if isinstance(weights, torch.Tensor) or isinstance(rest[0], list | tuple):
        path, module, _ = run.stack[-1]
        raise InputError(
            f"{path or type(module).__name__} is given a PackedSequence; accepted: a tensor, padded by "
            "torch.nn.utils.rnn.pad_packed_sequence"
        )
    biased, layers, dropout, training, bidirectional, batch_first = rest
    if run.find(weights[0]) is None:
        return NotImplemented
    starts = (hx,) if isinstance(hx, torch.Tensor) else tuple(hx)
    x = input if batch_first else input.transpose(0, 1)
    directions, lasts = 1 + bidirectional, []
    weights_each = len(weights) // (layers * directions)
    for layer in range(layers):
        outputs = []
        for number in range(layer * directions, layer * directions + directions):
            w_ih, w_hh, *more_weights = weights[number * weights_each : (number + 1) * weights_each]
            b_ih, b_hh = more_weights[:2] if biased else (None, None)
            projected = linear(run, x, w_ih, b_ih)
            state, steps = tuple(s[number] for s in starts), []
            backward = number % directions == 1
            for t in reversed(range(x.shape[1])) if backward else range(x.shape[1]):
                state = CELLS[kind](projected[:, t], linear(run, state[0], w_hh, b_hh), state)
                for projection in more_weights[2 * biased :]:
                    state = (linear(run, state[0], projection), *state[1:])
                steps.append(state[0])
            outputs.append(torch.stack(steps[::-1] if backward else steps, dim=1))
            lasts.append(state)
        x = torch.cat(outputs, dim=2)
        if layer < layers - 1:
            x = F.dropout(x, dropout, training)
    ends = (torch.stack(parts) for parts in zip(*lasts, strict=True))
    return (x if batch_first else x.transpose(0, 1), *ends)


_ATTENTION: Callable[..., tuple[Tensor, Tensor | None]] = F.multi_head_attention_forward
_UNSEEN = types.FunctionType(
    _ATTENTION.__code__,
    {**_ATTENTION.__globals__, "has_torch_function": lambda tensors: False},
    argdefs=_ATTENTION.__defaults__,
)
"""A copy of PyTorch's attention function that the executor does not intercept again."""


def attention(run: Executor, *args: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
    """Run attention, whose projections are three matrix products. The first dimension
    is time in PyTorch, and samples on the die."""
    arguments = inspect.signature(_ATTENTION).bind(*args, **named).arguments
    if not arguments.get("use_separate_proj_weight"):
        weights = zip("qkv", arguments["in_proj_weight"].chunk(3), strict=True)
        arguments |= {"use_separate_proj_weight": True, **{f"{key}_proj_weight": w for key, w in weights}}
    samples = arguments["query"].shape[1] if arguments["query"].dim() == 3 else 1
    run.samples = samples
    try:
        with run:
            return _UNSEEN(**arguments)
    finally:
        run.samples = None


FORMS: dict[Callable[..., Any], Callable[..., Any]] = {
    F.linear: linear,
    torch.einsum: einsum,
    torch.linalg.matmul: matmul,
    F.multi_head_attention_forward: attention,
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d), convolution),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d), transposed),
    **dict.fromkeys((torch.matmul, torch.mm, torch.bmm, torch.mv), matmul),
    **dict.fromkeys((Tensor.matmul, Tensor.mm, Tensor.bmm, Tensor.mv), matmul),
    **dict.fromkeys((torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm), addmm),
    torch.lstm: partial(recurrent, kind="lstm"),
    torch.gru: partial(recurrent, kind="gru"),
    torch.rnn_tanh: partial(recurrent, kind="rnn_tanh"),
    torch.rnn_relu: partial(recurrent, kind="rnn_relu"),
    torch.lstm_cell: partial(cell, kind="lstm"),
    torch.gru_cell: partial(cell, kind="gru"),
    torch.rnn_tanh_cell: partial(cell, kind="rnn_tanh"),
    torch.rnn_relu_cell: partial(cell, kind="rnn_relu"),
}
