"""Patches: the positions of a kernel on a map, and the patches that are cut there.

Maps are (n, C, H, W) of any dtype, and may have more rows and columns than the kernel
is laid on, which stay unread. A patch is kh * kw * C values: row by row of the kernel,
column by column, the channels of a place beside each other, as they lie in a board's
map memory. With groups, each group's part of a patch follows the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import Scalar
from ndrite.emulator.spec.errors import ProgramError

Pair = tuple[int, int]
Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Patches:
    """How patches, the windows of a convolution or pool, are cut from maps of
    ``shape`` (C, H, W).

    ``kernel``, ``stride``, ``dilation`` (rows, columns); ``padding`` (top, left,
    bottom, right); ``groups`` of channels, each seen by its own share of the
    outputs. Raises ProgramError when the kernel does not fit the map, or groups do
    not divide the channels.
    """

    shape: Shape
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        sizes = (*self.shape, *self.kernel, *self.stride, *self.dilation, self.groups)
        all_integers = all(type(v) is int for v in (*sizes, *self.padding))
        if (
            len(sizes) != 10
            or len(self.padding) != 4
            or not all_integers
            or min(sizes) < 1
            or min(self.padding) < 0
        ):
            raise ProgramError(
                f"patches are {self}; accepted: integers, sizes of at least 1, padding of at least 0"
            )
        if self.shape[0] % self.groups:
            raise ProgramError(
                f"groups are {self.groups}; accepted: a divisor of the {self.shape[0]} channels"
            )
        if min(self.grid) < 1:
            raise ProgramError(
                f"kernel {self.kernel} does not fit a map of {self.shape[1:]}; accepted: smaller kernels"
            )

    @classmethod
    def whole(cls, shape: Shape) -> Patches:
        """Return patches that consist of a single one, the whole map, as a fully
        connected layer reads it."""
        return cls(shape=shape, kernel=shape[1:])

    @cached_property
    def grid(self) -> Pair:
        """Numbers of rows and columns of the result: the patches that fit below each
        other and side by side."""
        (_, h, w), (top, left, bottom, right) = self.shape, self.padding
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        return (
            (h + top + bottom - reach[0]) // self.stride[0] + 1,
            (w + left + right - reach[1]) // self.stride[1] + 1,
        )

    @property
    def positions(self) -> int:
        """Number of patches of one map."""
        return self.grid[0] * self.grid[1]

    @property
    def inputs(self) -> int:
        """Number K of values that one output reads: those of a patch in the channels of
        the output's group."""
        return self.shape[0] // self.groups * self.kernel[0] * self.kernel[1]

    @cached_property
    def is_whole(self) -> bool:
        """Whether there is a single patch, which is the whole map."""
        return self == Patches.whole(self.shape)

    def windows(self, x: npt.NDArray[Scalar], pad: float | int = 0) -> npt.NDArray[Scalar]:
        """Return the windows (n, C, rows, columns, kh, kw) of maps (n, C, H, W), as
        views; the border around the maps has the value ``pad``."""
        top, left, bottom, right = self.padding
        x = x[:, :, : self.shape[1], : self.shape[2]]
        if any(self.padding):
            x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad)
        reach = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
        return windows[:, :, :: self.stride[0], :: self.stride[1], :: self.dilation[0], :: self.dilation[1]]

    def cut(self, x: npt.NDArray[Scalar], pad: float | int = 0) -> npt.NDArray[Scalar]:
        """Return all patches (n, positions, groups * K) of maps (n, C, H, W); the
        border around the maps has the value ``pad``."""
        if self.is_whole:
            inner = x[:, :, : self.shape[1], : self.shape[2]]
            return np.ascontiguousarray(inner.transpose(0, 2, 3, 1)).reshape(len(x), 1, self.inputs)
        windows = self.windows(x, pad)
        of_group = windows.reshape(len(x), self.groups, -1, *windows.shape[2:])
        patches = np.ascontiguousarray(of_group.transpose(0, 3, 4, 1, 5, 6, 2))
        return patches.reshape(len(x), self.positions, self.groups * self.inputs)

    def pick(
        self, x: npt.NDArray[Scalar], numbers: npt.NDArray[np.int64], pad: float | int = 0
    ) -> npt.NDArray[Scalar]:
        """Return selected patches (len(numbers), groups * K) of maps (n, C, H, W).
        ``numbers`` counts the patches of all maps, map after map."""
        sample, position = np.divmod(numbers, self.positions)
        if self.is_whole:
            inner = x[sample, :, : self.shape[1], : self.shape[2]]
            return np.ascontiguousarray(inner.transpose(0, 2, 3, 1)).reshape(len(numbers), -1)
        row, column = np.divmod(position, self.grid[1])
        windows = self.windows(x, pad)[sample, :, row, column]
        of_group = windows.reshape(len(numbers), self.groups, -1, *self.kernel)
        return np.ascontiguousarray(of_group.transpose(0, 1, 3, 4, 2)).reshape(len(numbers), -1)

    def by_place(self, rows: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Reorder the values (K, ..) of a patch along their first axis, from (channel,
        kernel row, kernel column) to (kernel row, kernel column, channel)."""
        by_channel = rows.reshape(-1, self.kernel[0] * self.kernel[1], *rows.shape[1:])
        return by_channel.swapaxes(0, 1).reshape(rows.shape)

    def place(self, y: npt.NDArray[Scalar], block: Pair = (1, 1)) -> npt.NDArray[Scalar]:
        """Return maps (n, M, rows, columns) from the results (n, positions, g * h * M)
        of a matrix product. Each position yields a ``block`` of g x h pixels.

        Each result then holds a block of g x h neighbours of each group: row, column, channel.
        """
        rows, columns = self.grid
        parts = y.reshape(len(y), rows, columns, self.groups, *block, -1).transpose(0, 3, 6, 1, 4, 2, 5)
        return np.ascontiguousarray(parts).reshape(len(y), -1, rows * block[0], columns * block[1])

    def gather(self, maps: npt.NDArray[Scalar], block: Pair = (1, 1)) -> npt.NDArray[Scalar]:
        """Return the results (n, positions, g * h * M) of a matrix product from maps
        (n, M, rows, columns): the inverse of ``place``."""
        (rows, columns), (g, h) = self.grid, block
        parts = maps.reshape(len(maps), self.groups, -1, rows, g, columns, h).transpose(0, 3, 5, 1, 4, 6, 2)
        return np.ascontiguousarray(parts).reshape(len(maps), rows * columns, -1)
