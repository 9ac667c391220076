"""Crossbars for training: matrices with levels, programming error, read
noise and converters."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ndrite.emulator.learning.training.view import FLOAT, ChipView, Tensor, torch
from ndrite.emulator.spec.patches import Patches

RANGE_MEMORY = 0.95
"""Fraction of the former end of a range that is kept in each training step in which the
range becomes narrower."""
RANGE_SAMPLES = 8
"""Number of samples of a batch whose patches determine the ranges of a
convolution's row tiles."""


def along(values: Tensor, like: Tensor) -> Tensor:
    """Reshape ``values`` (M,) or (1,) to broadcast along the channels of ``like``, (n,
    M) or (n, M, H, W)."""
    return values if like.dim() == 2 else values.view(-1, 1, 1)


def floats_of(values: Tensor) -> npt.NDArray[np.float32]:
    """Return a tensor as a NumPy array in single precision."""
    return np.asarray(values.numpy(), np.float32)


class Reading(torch.nn.Module):
    """Module that computes the matrix product of patches with a matrix that is held in
    differential pairs of cells and read through converters.

    Matrices (K, M), K of a patch (of its group). Each column is limited to
    ``view.clip_rms`` times its root mean square; that limit is the weight the compiler
    maps to the largest conductance. In training the forward pass sees the nearest level
    plus a draw of programming error of both cells and of read noise, and the
    converters; the gradient goes straight through to the limited float weights, which
    evaluation and export use. All patches of a batch are read with the same draw.

    Converters of a full layer, and of kernels that fit one tile, are followed sum by
    sum: rounding and noise. Kernels of several tiles take one convolution instead of
    one a tile; rounding and noise of the tiles are then Gaussian noise of their
    variance. The range of what is seen sets the step, and cuts nothing.

    ``FLOAT`` as ``view`` makes it a plain matrix of ``outputs`` columns. Kernels are
    laid as ``patches`` say, the border is ``pad``; without, inputs are (n, K).
    ``kept``: whether its buffers are part of the state that is saved.
    """

    sigma_by_level: Tensor
    reach: Tensor

    def __init__(
        self,
        outputs: int,
        view: ChipView = FLOAT,
        patches: Patches | None = None,
        pad: float = 0.0,
        *,
        kept: bool = True,
    ) -> None:
        super().__init__()
        self.view = view
        self.patches = None if patches is None or patches.is_whole else patches
        self.pad = pad
        self.steps = view.levels - 1
        if view.sigma is not None:
            sigma = view.noise_scale * (view.sigma**2 + view.read_noise**2) ** 0.5
            self.register_buffer("sigma_by_level", torch.tensor(sigma, dtype=torch.float32), persistent=kept)
        if view.adc_bits is not None:
            self.register_buffer("reach", torch.zeros(outputs), persistent=kept)

    def limit(self, weight: Tensor, unit: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the weights (K, M) clipped to each column's limit, and the limits (1, M).

        ``unit`` (M,): weights of one unit of every neuron, where columns share one
        transimpedance: then the limits are in its ratio.
        """
        frozen, clip = weight.detach(), self.view.clip_rms
        if clip is None:
            return weight, frozen.abs().amax(dim=0, keepdim=True)
        if self.view.columns is None or unit is None:
            limit = clip * frozen.square().mean(dim=0, keepdim=True).sqrt()
        else:
            limit = clip * (frozen / unit).square().mean().sqrt() * unit.view(1, -1)
        return weight.clamp(-limit, limit), limit

    def drawn(self, weight: Tensor) -> Tensor:
        """Return the limited weights (K, M); in training mode with newly sampled errors
        of the cells added."""
        weight, limit = self.limit(weight)
        return weight + self.error(weight, limit) if self.training else weight

    def error(self, weight: Tensor, limit: Tensor) -> Tensor:
        """Sample the error (K, M) of programming weights into cells: the programmed
        weights, which are rounded to levels and have cell errors, minus the weights.
        The error is 0 if the chip's cells have no levels."""
        with torch.no_grad():
            if self.view.sigma is None:
                return torch.zeros_like(weight)
            level = (weight / limit.clamp(min=1e-30) * self.steps).round()
            sigma = self.sigma_by_level[level.abs().long()]
            return (level / self.steps + sigma * torch.randn_like(weight)) * limit - weight

    def bias_error(self, bias: Tensor, limit: Tensor) -> Tensor:
        """Sample the error of programming ``bias`` (M,) into rows of cells: the
        programmed bias minus the bias.

        As ``ndrite.emulator.mapping.weights.program_bias``; the rows of a column
        have one level here.
        """
        if self.view.sigma is None:
            return torch.zeros_like(bias)
        limit = limit[0].clamp(min=1e-30)
        level = (bias / limit * self.steps).round()
        rows = (level.abs().max() / self.steps).ceil().clamp(min=1.0)
        sigma = self.sigma_by_level[(level.abs() / rows).round().long()]
        return (level / self.steps + rows.sqrt() * sigma * torch.randn_like(bias)) * limit - bias

    def read(self, x: Tensor, weight: Tensor, constant: Tensor | None = None) -> Tensor:
        """Return the matrix product of x and ``weight``, read through converters: (n,
        K) to (n, M), or with patches maps (n, C, H, W) to (n, M, rows, columns).
        ``weight`` is the result of ``drawn``.

        ``constant`` (groups, K): what was taken off ``x``, but not off what converters see.
        """
        if not self.training or self.view.adc_bits is None:
            return self.sums(x, weight)
        return self._converted(x, weight, self.view.adc_bits, constant)

    def sums(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the matrix product of x and ``weight`` without converters;
        shapes as for ``read``."""
        p = self.patches
        if p is None:
            return x @ weight
        top, left, bottom, right = p.padding
        border = (top, left)
        if self.pad or (top, left) != (bottom, right):
            x, border = torch.nn.functional.pad(x, (left, right, top, bottom), value=self.pad), (0, 0)
        kernels = weight.t().reshape(weight.shape[1], *p.kernel, -1).permute(0, 3, 1, 2)
        return torch.nn.functional.conv2d(x, kernels, None, p.stride, border, p.dilation, p.groups)

    def settle(self, x: Tensor, weight: Tensor, constant: Tensor) -> None:
        """Set the converters' ranges from inputs ``x``; arguments as for ``read``."""
        if self.view.adc_bits is not None:
            with torch.no_grad():
                self.reach.zero_()
                self._step(
                    self._tile_sums(x, weight), self.view.adc_bits, self._by_tile(constant[None], weight)
                )

    def _converted(self, x: Tensor, weight: Tensor, bits: int, constant: Tensor | None) -> Tensor:
        has_patches = self.patches is not None
        sums = self.sums(x, weight)[None] if has_patches else self._tile_sums(x, weight)
        tiles, noise = -(-len(weight) // self.view.tile_rows), self.view.adc_noise
        with torch.no_grad():
            range_sums = self._tile_sums(x[:RANGE_SAMPLES], weight) if has_patches else sums
            constant_sums = None if constant is None else self._by_tile(constant[None], weight)
            step = along(self._step(range_sums, bits, constant_sums), sums[0])
        if tiles > len(sums):  # only the sum over all row tiles was computed
            with torch.no_grad():
                error = torch.randn_like(sums[0]).mul_(step * (tiles * (1 / 12 + noise**2)) ** 0.5)
            return sums[0] + error
        with torch.no_grad():
            error = sums.div(step).round_().mul_(step).sub_(sums).sum(dim=0)
            if noise:
                # A single random error replaces those of all row tiles.
                error += torch.randn_like(error).mul_(step * (noise * tiles**0.5))
        return sums.sum(dim=0) + error

    def _step(self, sums: Tensor, bits: int, held: Tensor | None) -> Tensor:
        """Widen the converters' range to the tile sums ``sums`` (tiles, n, M), so that
        none lies outside, and return the converter's step (M,). ``held`` (tiles, 1, M)
        is the constant part of the sums. All tiles have the same range, whose middle
        the converters' offsets remove."""
        range_sums = sums if held is None else sums + held
        high, low = range_sums.amax(dim=(0, 1)), range_sums.amin(dim=(0, 1))
        follow(self.reach, torch.maximum(high, -low) if held is None else (high - low) / 2, torch.maximum)
        return self.reach.clamp(min=1e-9) * (2.0 / (2**bits - 1))

    def _tile_sums(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the sums (tiles, n, M) that the converters of each row tile see, for
        vectors x (n, K). For maps (n, C, H, W), return the sums at all positions."""
        p, k = self.patches, len(weight)
        groups = 1 if p is None else p.groups
        if p is not None:
            top, left, bottom, right = p.padding
            x = torch.nn.functional.pad(x, (left, right, top, bottom), value=self.pad)
            x = torch.nn.functional.unfold(x, p.kernel, dilation=p.dilation, stride=p.stride)
            x = x.view(len(x), groups, -1, p.kernel[0] * p.kernel[1], x.shape[2]).permute(0, 4, 1, 3, 2)
        return self._by_tile(x.reshape(-1, groups, k), weight)

    def _by_tile(self, rows_of: Tensor, weight: Tensor) -> Tensor:
        """Return the sums (tiles, n, M) over the rows of each row tile, for patches
        ``rows_of`` (n, groups, K)."""
        _, groups, k = rows_of.shape
        rows, tiles = self.view.tile_rows, -(-k // self.view.tile_rows)
        inputs = torch.nn.functional.pad(rows_of, (0, tiles * rows - k))
        weight = torch.nn.functional.pad(weight, (0, 0, 0, tiles * rows - k))
        sums: Tensor = torch.einsum(
            "ngtr,trgm->tngm",
            inputs.view(-1, groups, tiles, rows),
            weight.view(tiles, rows, groups, -1),
        )
        return sums.reshape(tiles, len(inputs), -1)


class Crossbar(Reading):
    """A ``Reading`` that owns the trained matrix. Arguments as for ``Reading``;
    ``inputs`` is the number of rows K."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        view: ChipView = FLOAT,
        patches: Patches | None = None,
        pad: float = 0.0,
    ) -> None:
        super().__init__(outputs, view, patches, pad)
        self.weight = torch.nn.Parameter(torch.randn(inputs, outputs) * (2.0 / inputs) ** 0.5)

    def limited(self, unit: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the trained weights (K, M) clipped to each column's limit, and the
        limits (1, M); ``unit`` as for ``limit``."""
        return self.limit(self.weight, unit)

    def forward(self, x: Tensor, unit: Tensor | None = None) -> Tensor:
        """Return the column sums: (n, K) to (n, M), or with patches maps (n, C, H, W)
        to (n, M, rows, columns).

        Of analog columns the exact sums: ``columns.column_errors`` adds what they
        and their cells do.
        """
        if self.view.columns is not None:
            return self.sums(x, self.limited(unit)[0])
        return self.read(x, self.drawn(self.weight))

    def deviation(self, x: Tensor, unit: Tensor) -> Tensor:
        """Return the error of the column sums of ``x`` that newly sampled errors of the
        cells cause; shapes as for ``forward``."""
        return self.sums(x, self.error(*self.limited(unit)))


def follow(held: Tensor, now: Tensor, widest: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Update one end ``held`` of a range: move it at once if the new value ``now`` is
    wider, slowly if it is narrower. ``widest`` is the function max or min.

    What is seen now is never cut, or no gradient would come from a sequence's calls
    of larger values.
    """
    held.copy_(widest(now, RANGE_MEMORY * held + (1 - RANGE_MEMORY) * now))


class SteppedOutput(torch.autograd.Function):
    """Rounds outputs 0..1 to 255 steps; the gradient passes unchanged inside the range."""

    @staticmethod
    def forward(ctx: object, y: Tensor) -> Tensor:
        """Return ``y`` (any shape) rounded to 255 steps and clipped to 0..1."""
        ctx.save_for_backward((y >= 0) & (y <= 1))  # type: ignore[attr-defined]
        stepped: Tensor = (y.clamp(0, 1) * 255).round() / 255
        return stepped

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        """Return the gradient where the output was inside 0..1, and 0 elsewhere."""
        (inside,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * inside
