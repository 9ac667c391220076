"""Operators that pick channels, rows and columns of a map by number: flips, crops, transposes.

A view picks channels, at no cost. A pool of windows of one value takes every n-th row
and column from the first on, or repeats a single one, exactly. Any other choice is a
product whose kernels hold a single 1, as exactly as a chip's cells do.
"""

from dataclasses import dataclass

import numpy as np

from ndrite.emulator.network.importing.graph import Op, pool, product, view
from ndrite.emulator.spec.arithmetic import Ints
from ndrite.emulator.spec.patches import Pair, Patches

WEIGHTS_MAX = 1 << 24
"""Largest number of weights of a matrix product that only reorders a map. It suffices
to transpose 16 channels of 32 x 32."""


@dataclass(frozen=True)
class Axis:
    """Windows along one axis of a map with ``size`` rows or columns; ``offsets`` lists
    which rows of each window are kept."""

    size: int
    kernel: int
    stride: int
    offsets: Ints

    @property
    def is_strided(self) -> bool:
        """Whether each window keeps exactly one value."""
        return len(self.offsets) == 1


def picked(name: str, op: Op, index: Ints) -> Op | None:
    """Return an operator whose map (C, H, W) consists of the values at the indices
    ``index`` (C, H, W) of the flattened map of ``op``.

    None: its channels differ in the positions that they take, or the product would have
    too many weights.
    """
    _, height, width = op.shape
    channel, position = np.divmod(index, height * width)
    if (channel != channel[:, :1, :1]).any() or (position != position[:1]).any():
        return None
    channels, positions = channel[:, 0, 0], position[0]
    if not np.array_equal(channels, np.arange(op.shape[0])):
        op = view(name, op, index=channels)
    if np.array_equal(positions, np.arange(height * width).reshape(height, width)):
        return op
    row, column = np.divmod(positions, width)
    # The rows and columns of the result are not rows and columns of the map (a
    # transposed map, for example), so single values are selected from the whole map.
    if (row != row[:, :1]).any() or (column != column[:1]).any():
        return _windows(name, op, _whole(height), _whole(width), positions)
    rows, columns = _axis(row[:, 0], height), _axis(column[0], width)
    if rows.is_strided or columns.is_strided:
        return _windows(name, op, rows, columns)
    # First the rows are selected, then the columns: two small matrix products need
    # fewer cells than a single one for both.
    by_row = _windows(name, op, rows, _axis(np.arange(width), width))
    every_row = _axis(np.arange(len(row)), len(row))
    return None if by_row is None else _windows(name, by_row, every_row, columns)


def _axis(numbers: Ints, size: int) -> Axis:
    """Return windows along an axis of ``size`` rows that together keep exactly the rows
    numbered ``numbers``, in this order."""
    first, step = int(numbers[0]), int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
    if step > 0 and np.array_equal(numbers, first + step * np.arange(len(numbers))):
        return Axis(int(numbers[-1]) + 1, first + 1, step, np.array([first]))
    return Axis(size, size, 1, numbers)


def _whole(size: int) -> Axis:
    return Axis(size, size, 1, np.arange(size))


def _windows(name: str, op: Op, rows: Axis, columns: Axis, places: Ints | None = None) -> Op | None:
    """Return an operator that keeps the values ``places`` (g, h) of every window
    (``rows`` by ``columns``), by default all, and writes them as a block of neighbours.
    Return None if that takes too many weights."""
    kernel: Pair = (rows.kernel, columns.kernel)
    channels = op.shape[0]
    patches = Patches(
        shape=(channels, rows.size, columns.size),
        kernel=kernel,
        stride=(rows.stride, columns.stride),
        groups=1 if kernel == (1, 1) else channels,
    )
    places = rows.offsets[:, None] * columns.kernel + columns.offsets if places is None else places
    block = (places.shape[0], places.shape[1])
    if kernel == (1, 1):
        return pool(name, op, "max", patches, block=block)
    if kernel[0] * kernel[1] * channels * places.size > WEIGHTS_MAX:
        return None
    weights = np.zeros((kernel[0] * kernel[1], channels, places.size))
    weights[places.reshape(-1), :, np.arange(places.size)] = 1.0
    bias = np.zeros(channels * places.size)
    return product(name, op, weights.reshape(len(weights), -1), bias, patches, block)
