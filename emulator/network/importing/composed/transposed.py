"""ConvTranspose, 1-D and 2-D, as a convolution of sub-pixel kernels.

With a stride s the result in row s * q + r is a sum of inputs in rows q + j, where r and j do not depend on
q: one product of the small map computes a block of s x t results. Zeros inserted between the inputs would
take s * t times the cycles. (Shi et al., Is the deconvolution layer the same as a convolutional layer?,
arXiv:1609.07009.)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.composed.picking import picked
from ndrite.emulator.network.importing.graph import product
from ndrite.emulator.network.importing.layers import standard
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.patches import Patches


@dataclass(frozen=True)
class Axis:
    """One axis of a transposed convolution, of ``size`` inputs: results in phase r read inputs q + j."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    outputs: int

    @property
    def taps(self) -> list[tuple[int, int, int]]:
        """Phase r, distance j and kernel row i, with ``r + before = stride * j + dilation * i``."""
        starts = (
            (r, i, r + self.before - self.dilation * i)
            for r in range(self.stride)
            for i in range(self.kernel)
        )
        return [(r, start // self.stride, i) for r, i, start in starts if start % self.stride == 0]

    @property
    def border(self) -> int:
        """Zeros before the inputs."""
        return max(0, *(-j for _, j, _ in self.taps))

    @property
    def reach(self) -> int:
        """Inputs that a block reads."""
        return self.border + max(j for _, j, _ in self.taps) + 1

    @property
    def rest(self) -> int:
        """Zeros after the inputs; below 0: inputs that are not read."""
        return -(-self.outputs // self.stride) - 1 + self.reach - self.size - self.border


def transposed(call: Call) -> Value:
    """A transposed convolution, kernels (C, M / groups, kh, kw) or (C, M / groups, k)."""
    kernels, groups = np.asarray(call.constant(1), np.float64), int(call.a.get("group", 1))
    if len(call.computed) > 1:
        raise call.refused("its bias is computed; use constant parameters")
    value = standard(call)
    if kernels.ndim == 3 and value.op.shape[1] == 1:
        kernels = kernels[:, :, None]
    if kernels.ndim != 4 or len(kernels) != value.op.shape[0] or len(kernels) % groups:
        raise call.refused(
            f"kernels of shape {kernels.shape} on values of {value.own}; use 1-D or 2-D ones, with the "
            "input's shape given"
        )
    rows, columns = _axes(call, value, kernels.shape[2:])
    share, outputs = len(kernels) // groups, kernels.shape[1]
    of_group = kernels.reshape(groups, share, *kernels.shape[1:]).swapaxes(0, 1)
    block = (rows.stride, columns.stride)
    weights = np.zeros((rows.reach, columns.reach, share, groups, *block, outputs))
    for r, j, i in rows.taps:
        for s, k, n in columns.taps:
            weights[j + rows.border, k + columns.border, :, :, r, s] = of_group[..., i, n]
    bias = call.optional(2)
    by_channel = np.zeros(groups * outputs) if bias is None else np.asarray(bias, np.float64)
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
    """Rows and columns of the node; of a 1-D one the rows are a single one."""
    a, rank = call.a, value.places.ndim - 2
    pads, shape, mode = (
        list(a.get("pads", [0] * 2 * rank)),
        a.get("output_shape"),
        a.get("auto_pad", "NOTSET"),
    )
    axes = [] if rank == 2 else [Axis(1, 1, 1, 1, 0, 1)]
    for i, (size, k) in enumerate(zip(value.own[1:], kernel[-rank:], strict=True)):
        stride, dilation, more = (
            int(a.get(name, [usual] * rank)[i])
            for name, usual in (("strides", 1), ("dilations", 1), ("output_padding", 0))
        )
        full = stride * (size - 1) + dilation * (k - 1) + 1 + more
        before, outputs = int(pads[i]), full - int(pads[i]) - int(pads[i + rank])
        if mode in ("SAME_UPPER", "SAME_LOWER") or shape is not None:
            outputs = stride * size if shape is None else int(shape[-rank:][i])
            padding = full - outputs
            before = padding // 2 if mode == "SAME_UPPER" else padding - padding // 2
        if outputs < 1 or before < 0 or outputs > full:
            raise call.refused(f"it makes {outputs} of {size} values along axis {i + 2}; use pads from 0")
        axes.append(Axis(size, int(k), stride, dilation, before, outputs))
    return axes
