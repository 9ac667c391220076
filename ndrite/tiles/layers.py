"""Full layers and convolutions on tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.learning.training.extra import torch
from emulator.spec.patches import Patches
from host import InputError
from ndrite.tiles.layer import Matrix, TiledLayer, rows_of

if TYPE_CHECKING:
    from torch import Tensor


class TiledLinear(TiledLayer, torch.nn.Linear):
    """``torch.nn.Linear``."""

    def matrices(self) -> dict[str, Matrix]:
        """One."""
        return {"weight": Matrix(self.weight.t(), self.bias)}

    def forward(self, input: Tensor) -> Tensor:
        """(..., K) to (..., M)."""
        rows, each = rows_of(input, self.in_features, self.tiles["weight"].name)
        return self.reader("weight")(rows, each).view(*input.shape[:-1], self.out_features)


def _with_samples(x: Tensor, channels: int, dimensions: int, name: str) -> Tensor:
    """Maps of ``dimensions`` with a first dimension of samples, which one sample alone may lack.

    Raises
    ------
    InputError
        When they are no such maps of so many channels.
    """
    maps = x if x.dim() == dimensions + 2 else x.unsqueeze(0)
    if maps.dim() != dimensions + 2 or maps.shape[1] != channels:
        sizes = ", ".join("DHW"[-dimensions:])
        raise InputError(f"{name} is given {tuple(x.shape)}; accepted: (n, {channels}, {sizes})")
    return maps


class _TiledConvolution(TiledLayer):
    """Any number of dimensions: maps (n, C, H, W) after ``_as_maps``, kernels after ``_planes``."""

    weight: Any
    bias: Any
    groups: int
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    kernel_size: tuple[int, ...]
    in_channels: int
    padding_mode: str
    _reversed_padding_repeated_twice: list[int]

    def matrices(self) -> dict[str, Matrix]:
        """One; rows in the order channel, (depth,) row, column."""
        kernel, stride, dilation = (self._planes(v) for v in (self.kernel_size, self.stride, self.dilation))
        # Depth counts as channels.
        channels = self.in_channels * (self.kernel_size[0] if len(self.kernel_size) == 3 else 1)
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        patches = Patches(
            shape=(channels, reach[0], reach[1]),
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            groups=self.groups,
        )
        weight = self.weight.reshape(len(self.weight), -1).t()
        return {"weight": Matrix(weight, self.bias, patches)}

    @staticmethod
    def _planes(values: tuple[int, ...]) -> tuple[int, int]:
        """Of rows and columns; one of each dimension is given."""
        both = (1, *values)[-2:]
        return (both[0], both[1])

    def forward(self, input: Tensor) -> Tensor:
        """As PyTorch's, with and without a first dimension of samples."""
        name, dimensions = self.tiles["weight"].name, len(self.kernel_size)
        x = _with_samples(input, self.in_channels, dimensions, name)
        border = self._reversed_padding_repeated_twice
        if any(border):
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x = torch.nn.functional.pad(x, border, mode=mode)
        room = zip(x.shape[2:], self.kernel_size, self.dilation, strict=True)
        if any(size < d * (k - 1) + 1 for size, k, d in room):
            raise InputError(f"{name} is given maps of {tuple(input.shape)}, smaller than its kernel")
        maps, each = self._as_maps(x)
        y = self.reader("weight")(maps, each)
        y = self._back(y, x, each)
        return y if input.dim() == dimensions + 2 else y[0]

    def _as_maps(self, x: Tensor) -> tuple[Tensor, int]:
        """Maps, and how many a sample has."""
        return x, 1

    def _back(self, y: Tensor, x: Tensor, each: int) -> Tensor:
        return y


class TiledConv1d(_TiledConvolution, torch.nn.Conv1d):
    """``torch.nn.Conv1d``: maps of one row."""

    def _as_maps(self, x: Tensor) -> tuple[Tensor, int]:
        return x.unsqueeze(2), 1

    def _back(self, y: Tensor, x: Tensor, each: int) -> Tensor:
        return y[:, :, 0]


class TiledConv2d(_TiledConvolution, torch.nn.Conv2d):
    """``torch.nn.Conv2d``."""


class TiledConv3d(_TiledConvolution, torch.nn.Conv3d):
    """``torch.nn.Conv3d``: a map for every place in depth, the planes it sees beside its channels."""

    def _as_maps(self, x: Tensor) -> tuple[Tensor, int]:
        reach = self.dilation[0] * (self.kernel_size[0] - 1) + 1
        planes = x.unfold(2, reach, self.stride[0])[..., :: self.dilation[0]]  # (n, C, D, H, W, k)
        n, c, d, h, w, k = planes.shape
        return planes.permute(0, 2, 1, 5, 3, 4).reshape(n * d, c * k, h, w), d

    def _back(self, y: Tensor, x: Tensor, each: int) -> Tensor:
        return y.view(len(x), each, *y.shape[1:]).transpose(1, 2)


class _TiledTransposed(TiledLayer):
    """Every place's channels times all that its kernel makes of them; what overlaps is added in PyTorch."""

    weight: Any
    bias: Any
    groups: int
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    kernel_size: tuple[int, ...]
    in_channels: int
    out_channels: int
    _output_padding: Any

    def matrices(self) -> dict[str, Matrix]:
        """One; columns in the order group, channel, row, column. The bias is added behind the sums."""
        w = self.weight.reshape(self.groups, self.in_channels // self.groups, -1)
        patches = Patches(shape=(self.in_channels, 1, 1), kernel=(1, 1), groups=self.groups)
        return {"weight": Matrix(w.transpose(0, 1).flatten(1), None, patches)}

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As PyTorch's, with and without a first dimension of samples."""
        name, dimensions = self.tiles["weight"].name, len(self.kernel_size)
        x = _with_samples(input, self.in_channels, dimensions, name)
        more = self._output_padding(
            x, output_size, self.stride, self.padding, self.kernel_size, dimensions, self.dilation
        )
        fields = zip(
            x.shape[2:], self.stride, self.padding, self.dilation, self.kernel_size, more, strict=True
        )
        size = [(n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, s, p, d, k, o in fields]
        row = dimensions == 1
        columns = self.reader("weight")(x.unsqueeze(2) if row else x).flatten(2)
        single, none = ((1,), (0,)) if row else ((), ())
        y = torch.nn.functional.fold(
            columns,
            (*single, *size),
            (*single, *self.kernel_size),
            (*single, *self.dilation),
            (*none, *self.padding),
            (*single, *self.stride),
        )
        y = y[:, :, 0] if row else y
        if self.bias is not None:
            y = y + self.bias.view(-1, *[1] * dimensions)
        return y if input.dim() == dimensions + 2 else y[0]


class TiledConvTranspose1d(_TiledTransposed, torch.nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d``."""


class TiledConvTranspose2d(_TiledTransposed, torch.nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d``."""
