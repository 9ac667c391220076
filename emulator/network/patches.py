"""Convolutions as matrix products: patches of feature maps (im2col), and pooling between them.

Feature maps are (n, C, H, W) of any dtype; a patch is C * kh * kw values, channel first, then row, then
column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Where a kernel is laid on a feature map.

    ``shape`` (C, H, W) of the map; ``kernel``, ``stride``, ``dilation`` (rows, columns); ``padding`` (top,
    left, bottom, right).

    Raises
    ------
    NetworkError
        When the kernel does not fit the map.
    """

    shape: tuple[int, int, int]
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        sizes = (*self.shape, *self.kernel, *self.stride, *self.dilation)
        if len(sizes) != 9 or len(self.padding) != 4 or min(sizes) < 1 or min(self.padding) < 0:
            raise NetworkError(f"convolution is {self}; accepted: positive sizes, padding from 0")
        if min(self.grid) < 1:
            raise NetworkError(
                f"kernel {self.kernel} does not fit a map of {self.shape[1:]}; accepted: smaller"
            )

    @property
    def grid(self) -> Pair:
        """Rows and columns of the result."""
        (_, h, w), (top, left, bottom, right) = self.shape, self.padding
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        return (
            (h + top + bottom - reach[0]) // self.stride[0] + 1,
            (w + left + right - reach[1]) // self.stride[1] + 1,
        )

    @property
    def positions(self) -> int:
        """Patches of one map."""
        return self.grid[0] * self.grid[1]

    @property
    def inputs(self) -> int:
        """Values of one patch, K."""
        return self.shape[0] * self.kernel[0] * self.kernel[1]

    def cut(self, x: npt.NDArray[Any], pad: float | int = 0) -> npt.NDArray[Any]:
        """Patches (n, positions, K) of maps (n, C, H, W); ``pad`` fills the border."""
        top, left, bottom, right = self.padding
        if any(self.padding):
            x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad)
        reach = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
        windows = windows[
            :, :, :: self.stride[0], :: self.stride[1], :: self.dilation[0], :: self.dilation[1]
        ]
        patches = np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5))
        return patches.reshape(len(x), self.positions, self.inputs)

    def place(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Maps (n, M, rows, columns) of results (n, positions, M)."""
        return np.ascontiguousarray(y.transpose(0, 2, 1)).reshape(len(y), y.shape[2], *self.grid)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """``max`` or ``average`` over windows of ``kernel`` rows and columns, every ``stride``; no padding."""

    kind: str
    kernel: Pair
    stride: Pair

    def __post_init__(self) -> None:
        if self.kind not in ("max", "average"):
            raise NetworkError(f"pooling is {self.kind!r}; accepted: max, average")
        if min(*self.kernel, *self.stride) < 1:
            raise NetworkError(f"pooling is {self.kernel} every {self.stride}; accepted: positive sizes")

    def grid(self, height: int, width: int) -> Pair:
        """Rows and columns of the result."""
        rows = (height - self.kernel[0]) // self.stride[0] + 1
        columns = (width - self.kernel[1]) // self.stride[1] + 1
        if min(rows, columns) < 1:
            raise NetworkError(
                f"pooling of {self.kernel} does not fit a map of {(height, width)}; accepted: smaller"
            )
        return rows, columns

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Pooled maps (n, C, rows, columns) of maps (n, C, H, W). Averages of integers are rounded half
        up."""
        windows = np.lib.stride_tricks.sliding_window_view(x, self.kernel, axis=(2, 3))
        windows = windows[:, :, :: self.stride[0], :: self.stride[1]]
        if self.kind == "max":
            pooled: npt.NDArray[Any] = windows.max(axis=(4, 5))
            return pooled
        if not np.issubdtype(x.dtype, np.integer):
            mean: npt.NDArray[Any] = windows.mean(axis=(4, 5))
            return mean
        count = self.kernel[0] * self.kernel[1]
        total = windows.sum(axis=(4, 5), dtype=np.int64)
        rounded: npt.NDArray[Any] = ((2 * total + count) // (2 * count)).astype(x.dtype)
        return rounded
