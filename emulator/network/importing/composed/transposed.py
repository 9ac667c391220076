"""Import of ConvTranspose, 1-D and 2-D, as a convolution of sub-pixel kernels.

With a stride s the result in row s * q + r is a sum of inputs in rows q + j, where r
and j do not depend on q: one product of the small map computes a block of s x t
results. Zeros inserted between the inputs would take s * t times the cycles. (Shi et
al., Is the deconvolution layer the same as a convolutional layer?, arXiv:1609.07009.)
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.composed.picking import picked
from ndrite.emulator.network.importing.graph import product
from ndrite.emulator.network.importing.layers import standard
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.patches import Patches

STEP_MAX = 255
"""Largest stride, dilation and padding, since a board's blocks are not larger."""


@dataclass(frozen=True)
class Axis:
    """One axis of a transposed convolution with ``size`` inputs. Outputs are numbered
    stride * q + r; an output with phase r reads inputs q + j, for the distances j
    that ``taps`` lists."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    outputs: int

    @property
    def taps(self) -> list[tuple[int, int, int]]:
        """Triples (phase r, distance j, kernel row i) of the transposed convolution:
        ``r + before = stride * j + dilation * i``."""
        pairs = itertools.product(range(self.stride), range(self.kernel))
        distances = ((r, *divmod(r + self.before - self.dilation * i, self.stride), i) for r, i in pairs)
        return [(r, j, i) for r, j, remainder, i in distances if remainder == 0]

    @property
    def border(self) -> int:
        """Number of zeros to add before the inputs of the axis."""
        return max(0, *(-j for _, j, _ in self.taps))

    @property
    def reach(self) -> int:
        """Number of inputs that one block of outputs, one output of each phase, reads."""
        return self.border + max(j for _, j, _ in self.taps) + 1

    @property
    def rest(self) -> int:
        """Number of zeros to add after the inputs of the axis; negative if the last
        inputs are not read."""
        return -(-self.outputs // self.stride) - 1 + self.reach - self.size - self.border


def transposed(call: Call) -> Value:
    """Import a transposed convolution with kernels (C, M / groups, kh, kw), or (C, M /
    groups, k) in one dimension."""
    kernels, groups = np.asarray(call.constant(1), np.float64), int(call.a.get("group", 1))
    if len(call.computed) > 1:
        raise call.refused("its bias is computed; use constant parameters")
    value = standard(call)
    if kernels.ndim == 3 and value.op.shape[1] == 1:
        kernels = kernels[:, :, None]
    fits = kernels.ndim == 4 and kernels.size and len(kernels) == value.op.shape[0]
    if not fits or groups < 1 or len(kernels) % groups:
        raise call.refused(f"kernels of shape {kernels.shape} on {value.own}; use 1-D or 2-D convolutions")
    rows, columns = _axes(call, value, kernels.shape[2:])
    share, outputs = len(kernels) // groups, kernels.shape[1]
    of_group = kernels.reshape(groups, share, *kernels.shape[1:]).swapaxes(0, 1)
    block = (rows.stride, columns.stride)
    shape = (rows.reach, columns.reach, share, groups, *block, outputs)
    call.check_weights(float(np.prod(shape, dtype=float)))
    weights = np.zeros(shape)
    for r, j, i in rows.taps:
        for s, k, n in columns.taps:
            weights[j + rows.border, k + columns.border, :, :, r, s] = of_group[..., i, n]
    bias = call.optional(2)
    by_channel = np.zeros(groups * outputs) if bias is None else np.asarray(bias, np.float64)
    if by_channel.shape != (groups * outputs,):
        raise call.refused(f"its bias has shape {by_channel.shape}; accepted: ({groups * outputs},)")
    by_column = np.broadcast_to(by_channel.reshape(groups, 1, 1, -1), (groups, *block, outputs))
    patches = Patches(
        shape=(len(kernels), rows.size + min(rows.rest, 0), columns.size + min(columns.rest, 0)),
        kernel=(rows.reach, columns.reach),
        padding=(rows.border, columns.border, max(rows.rest, 0), max(columns.rest, 0)),
        groups=groups,
    )
    size = rows.reach * columns.reach * share
    op = product(call.name, value.op, weights.reshape(size, -1), by_column.reshape(-1), patches, block)
    inside = np.arange(np.prod(op.shape)).reshape(op.shape)[:, : rows.outputs, : columns.outputs]
    return value.laid(picked(call.name, op, inside) or op)


def _axes(call: Call, value: Value, kernel: Any) -> list[Axis]:
    """Return the row axis and the column axis of a transposed convolution. A 1-D
    convolution has a single row."""
    rank, mode, sizes = value.places.ndim - 2, call.a.get("auto_pad", "NOTSET"), call.a.get("output_shape")
    usual = (("strides", 1), ("dilations", 1), ("output_padding", 0))
    numbers = [_numbers(call, name, rank, default) for name, default in usual]
    pads = _numbers(call, "pads", 2 * rank, 0)
    axes = [Axis(1, 1, 1, 1, 0, 1)] * (2 - rank)
    for i, (stride, dilation, more) in enumerate(zip(*numbers, strict=True)):
        size, k = value.own[1 + i], int(kernel[i - rank])
        full = stride * (size - 1) + dilation * (k - 1) + 1 + more
        before, outputs = pads[i], full - pads[i] - pads[i + rank]
        if mode in ("SAME_UPPER", "SAME_LOWER") or sizes is not None:
            outputs = stride * size if sizes is None else int([0, *sizes][i - rank])
            before = (full - outputs + (mode != "SAME_UPPER")) // 2
        if not 1 <= outputs <= full:
            raise call.refused(f"it makes {outputs} of {size} values of an axis; accepted: 1 to {full}")
        axes.append(Axis(size, k, stride, dilation, before, outputs))
    return axes


def _numbers(call: Call, name: str, count: int, default: int) -> list[int]:
    """Return the attribute ``name`` of the node as ``count`` numbers, each at least
    ``default``. If the attribute is missing, each number is ``default``."""
    numbers = [int(v) for v in call.a.get(name, [default] * count)]
    if len(numbers) != count or not default <= min(numbers) <= max(numbers) <= STEP_MAX:
        raise call.refused(f"{name} are {numbers}; accepted: {count} numbers from {default} to {STEP_MAX}")
    return numbers
