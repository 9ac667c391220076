"""Reader: a product with its weights, as one layer's forward pass reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.learning.training.extra import torch
from emulator.learning.training.layers import RANGE_MEMORY, SteppedOutput, along, follow
from emulator.spec.patches import Shape
from ndrite.tiles.product import Product

if TYPE_CHECKING:
    from torch import Tensor

SPAN_MIN = 1e-12


class Reader:
    """A product with weights: call it on vectors (n, K), or maps (n, C, H, W) with their border around them.

    ``each``: vectors or maps of one sample, one behind the other; gives (n, M) or (n, M, rows, columns).
    """

    def __init__(self, product: Product, weight: Tensor, bias: Tensor | None) -> None:
        self._product, self._weight, self._bias = product, weight, bias
        self._call = product.placement.first_call(product.name)
        self._drawn: Tensor | None = None

    def __call__(self, x: Tensor, each: int = 1) -> Tensor:
        """The product."""
        product, call = self._product, self._call
        watching, watched = product.placement.watching, product.watched
        if watching in ("range", "rows"):
            product.show(x, watched.show_range if watching == "range" else watched.show_rows)
            return self._float(x)
        if watching == "given" and product.on_die is None:
            if watched.calls == len(product.placement.samples):
                product.show(x, watched.show_given)
            product.ready(self._weight, self._bias)
            product.placement.mapped()
        self._call += 1
        product.placement.called(product.name, call)
        if product.training:
            return self._seen(x)
        if not len(x):
            return self._float(x)
        with torch.no_grad():
            y = self._read(x.detach(), each, call)
        if torch.is_grad_enabled() and (x.requires_grad or self._weight.requires_grad):
            # The die forward, the float weights backward.
            known = self._float(x)
            y = known + (y - known).detach()
        return y

    def _float(self, x: Tensor) -> Tensor:
        reading = self._product.reading
        return self._with_bias(reading.sums(x, reading.limit(self._weight)[0]))

    def _with_bias(self, y: Tensor) -> Tensor:
        return y if self._bias is None else y + along(self._bias, y)

    def _read(self, x: Tensor, each: int, call: int) -> Tensor:
        """Codes to the board, sums back."""
        product, place = self._product, self._product.placement
        mapped = product.ready(self._weight, self._bias, check=not place.in_forward)
        shape: Shape = (*x.shape[1:], 1, 1)[:3] if product.whole else tuple(x.shape[1:])
        program = product.program_on(shape)
        assert program.meaning.inputs is not None
        codes = program.meaning.inputs.encode(x.reshape(len(x), -1).to("cpu", torch.float64).numpy())
        sums = place.run(product.name, program, codes, place.first_index * each, call)
        y = torch.from_numpy(sums).to(x.device, x.dtype)
        step = torch.from_numpy(mapped.step).to(x.device, x.dtype)
        if not product.whole:
            y = y.view(len(x), *program.map_shapes[-1])
        return y * along(step, y)

    def _seen(self, x: Tensor) -> Tensor:
        """Through the chip's errors; what is constant in the inputs is taken out of them first.

        The die does the same: its converters' offsets and its bias correction take the mean.
        """
        product, reading = self._product, self._product.reading
        with torch.no_grad():
            follow(product.low, x.min(), torch.minimum)
            follow(product.high, x.max(), torch.maximum)
            span = (product.high - product.low).clamp(min=SPAN_MIN)
        u = SteppedOutput.apply((x - product.low) / span)
        with torch.no_grad():
            mean = u.mean(dim=tuple(d for d in range(x.dim()) if d != 1))
            product.centre.copy_(RANGE_MEMORY * product.centre + (1 - RANGE_MEMORY) * mean)
        if self._drawn is None:
            self._drawn = reading.drawn(self._weight)
        y = reading.read(u - along(product.centre, u), self._drawn) * span
        limited, limit = reading.limit(self._weight)
        groups, share = product.patches.groups, product.outputs // product.patches.groups
        centre = self._of_rows(product.centre)
        held = torch.einsum("gk,kgm->gm", product.low + span * centre, limited.view(-1, groups, share))
        view = reading.view
        if view.read_noise:
            # Read noise is not constant: what cells add at a read goes with all of the input.
            sigma = view.noise_scale * view.read_noise * span * centre.norm(dim=1)
            sigma = (limit.view(groups, share) * sigma.view(-1, 1)).reshape(-1)
            y = y + torch.randn_like(y) * along(sigma, y)
        return self._with_bias(y + along(held.reshape(-1), y))

    def _of_rows(self, by_channel: Tensor) -> Tensor:
        """Values of channels (C,) for every row of a group's weights, (groups, K)."""
        p = self._product.patches
        return by_channel.view(p.groups, -1).repeat_interleave(p.kernel[0] * p.kernel[1], dim=1)
