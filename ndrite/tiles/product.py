"""Product: one constant matrix of a module on the tiles of a die."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import CompileWarning, EmulatorError
from ndrite.emulator.learning.training.layers import RANGE_MEMORY, Reading, SteppedOutput, along, follow
from ndrite.emulator.learning.training.view import Tensor, torch, view_of
from ndrite.emulator.mapping import Die, MapOptions, Mapped, map_network
from ndrite.emulator.network import Dense, Meaning, Network
from ndrite.emulator.network import Product as Node
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX, slices
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.host import InputError
from ndrite.tiles.inputs import Watched
from ndrite.tiles.placement import CALLS_MAX, Placement, ReadInputs

if TYPE_CHECKING:
    from ndrite.tiles.executor import Executor


NO_VALUES = "its inputs have no values to read ({}); accepted: plain tensors, a batch at a time, without vmap"
ROWS_MIN = 16
"""Fewest input patches that the samples must provide for a product."""
ROWS_MAX = 2048
SUMS_MAX = 1 << 23
"""Largest number of partial sums (of tiles and input slices) that converters are
calibrated on. For large products fewer patches are used, so that mapping stays within a
gibibyte of memory."""
SPAN_MIN = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class OnDie:
    """A matrix product mapped onto the die: its program for a single patch, the
    value of one step of each column's sum float64 (M,), and the bias that is
    included in the sums."""

    program: Program
    step: npt.NDArray[np.float64]
    bias: Tensor | None


class Product(torch.nn.Module):
    """A matrix product on tiles: a matrix (K, M), applied to vectors (n, K) or to the
    patches of maps (n, C, H, W).

    It holds no weights: they are handed to ``read``.

    ``name``: in tables and errors; ``held``: the module that has its weights, their
    attribute, and the offset in it; ``placement``: die and board; ``outputs``: M;
    ``patches``: of a map just large enough for the kernel; its height and width are
    those of each call; ``whole``: whether it takes vectors.

    ``number``, 0..255, selects its cells and its read noise.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        name: str,
        held: tuple[str, str, int],
        placement: Placement,
        outputs: int,
        patches: Patches,
        *,
        whole: bool,
    ) -> None:
        super().__init__()
        self.name, self.held, self.placement = name, held, placement
        self.number = len(placement.products)
        self.outputs, self.patches, self.whole = outputs, patches, whole
        self.watched = Watched(name, patches.shape[0])
        self.on_die: OnDie | None = None
        self._programs: dict[Shape, Program] = {}
        view = view_of(placement.chip, clip_rms=placement.clip_rms)
        # Twice the kernel's height and width: a map of exactly the kernel's size would
        # be taken for a vector.
        channels, height, width = patches.shape
        wide = dataclasses.replace(patches, shape=(channels, 2 * height, 2 * width))
        self.reading = Reading(outputs, view, None if whole else wide, kept=False)
        self.register_buffer("low", torch.zeros(()), persistent=False)
        self.register_buffer("high", torch.ones(()), persistent=False)
        self.register_buffer("centre", torch.zeros(patches.shape[0]), persistent=False)
        self.register_buffer("scale", torch.ones(patches.shape[0]), persistent=False)

    @property
    def tiles(self) -> int:
        """Return the number of row tiles that the matrix takes."""
        chip = self.placement.chip
        rows = chip.array.rows if chip.readout.kind == "adc" else self.patches.inputs
        return -(-self.patches.inputs // rows) * self.patches.groups

    @property
    def rows_wanted(self) -> int:
        """Return the number of input patches to calibrate the product on."""
        sums = self.tiles // self.patches.groups * slices(self.placement.chip.input.dac_bits) * self.outputs
        return int(np.clip(SUMS_MAX // sums, 4 * ROWS_MIN, ROWS_MAX))

    def divided(self, x: Tensor) -> Tensor:
        """Return inputs (n, K) or (n, C, H, W) divided by the scales of their channels."""
        return x if self.placement.channel_ranges is None else x / along(self.scale, x)

    def multiplied(self, weight: Tensor) -> Tensor:
        """Return the weights (K, M) multiplied by the scales of their inputs' channels:
        with divided inputs they give the same sums."""
        if self.placement.channel_ranges is None:
            return weight
        by_group = self._by_group(self.scale).to(weight).t()
        return (weight.reshape(*by_group.shape, -1) * by_group[:, :, None]).reshape(weight.shape)

    def _balance(self, weight: Tensor) -> None:
        """Choose the scales of channels, once their ranges are known."""
        share, groups = self.placement.channel_ranges, self.patches.groups
        if share is not None:
            kernel = self.patches.kernel[0] * self.patches.kernel[1]
            largest = weight.detach().abs().view(kernel, -1, groups, self.outputs // groups).amax(dim=(0, 3))
            scale = self.watched.balance(largest.t().flatten().to("cpu", torch.float64).numpy(), share)
            self.scale.copy_(torch.from_numpy(scale))

    def settle(self, codes: npt.NDArray[np.uint8], weight: Tensor) -> None:
        """Set the initial input range, mean input and converter ranges for training,
        from input ``codes`` and ``weight`` (K, M)."""
        range_given, p = self.watched.input_range, self.patches
        inputs_seen = torch.from_numpy(codes).to(self.low) / INPUT_MAX
        inputs_seen = inputs_seen.view(len(inputs_seen), p.shape[0], *p.kernel)
        self.low.fill_(float(range_given.low[0]))
        self.high.fill_(float(range_given.high[0]))
        self.centre.copy_(inputs_seen.mean(dim=(0, 2, 3)))
        maps = inputs_seen.new_zeros(len(inputs_seen), *p.shape)
        maps[:, :, :: p.dilation[0], :: p.dilation[1]] = inputs_seen - self.centre.view(-1, 1, 1)
        limited = self.reading.limit(self.multiplied(weight).to(self.low))[0]
        self.reading.settle(maps.flatten(1) if self.whole else maps, limited, self._by_group(self.centre))

    def _by_group(self, values: Tensor) -> Tensor:
        """Return ``values`` (C,) of the channels for each input of a patch, by group of
        a grouped convolution (groups, K)."""
        kernel = self.patches.kernel[0] * self.patches.kernel[1]
        return values.view(self.patches.groups, -1).repeat(1, kernel)

    def rows(self) -> npt.NDArray[np.uint8]:
        """Return the input codes (n, C * kh * kw) on which the mapping is calibrated.
        Raises EmulatorError if the samples provide too few inputs."""
        count = len(self.watched.codes)
        if count < ROWS_MIN:
            raise EmulatorError(
                f"{self.name}: the samples give it {count} input vectors; accepted: at least {ROWS_MIN}"
            )
        return self.watched.codes

    def ready(self, weight: Tensor, bias: Tensor | None) -> OnDie:
        """Return the product as mapped onto the die, mapping it first if necessary.

        Raises EmulatorError naming the product, when it cannot be mapped.
        """
        if self.on_die is None:
            _, mapped = self.mapped(weight, bias)
            bias_now = None if bias is None else bias.detach().clone()
            self.on_die = OnDie(mapped.program, mapped.die.arrays[0].step, bias_now)
        return self.on_die

    def die(self, weight: Tensor, bias: Tensor | None) -> Die:
        """Sample the cells of this product's part of the die again; the same seed makes
        them the same each time."""
        return self.mapped(weight, bias)[1].die

    def mapped(self, weight: Tensor, bias: Tensor | None) -> tuple[Network, Mapped]:
        """Map the limited weights and the bias; return a network that consists of this
        product alone, and its mapping."""
        limited = self.reading.limit(self.multiplied(weight.detach()))[0]
        bias_values = torch.zeros(self.outputs) if bias is None else bias.detach()
        w, b = (t.to("cpu", torch.float64).numpy() for t in (limited, bias_values))
        place, watched, p = self.placement, self.watched, self.patches
        codes, exact = self.rows(), None
        inputs = watched.input_range
        # An input is x = low + span * u with u in 0..1: span is multiplied into the
        # weights, low * weights is added to the bias.
        dense = Dense(
            (w * inputs.span).astype(np.float32),
            (b + inputs.low * w.sum(axis=0)).astype(np.float32),
        )
        if watched.given is not None and len(watched.given) >= ROWS_MIN:
            codes, exact = watched.given, codes[: len(watched.given)] / INPUT_MAX
        single_patch = Patches(shape=(p.shape[0], *p.kernel), kernel=p.kernel, groups=p.groups)
        network = Network(
            (Node(dense, (0,), single_patch),), single_patch.shape, self.name, meaning=Meaning(inputs=inputs)
        )
        # The report repeats these warnings.
        with warnings.catch_warnings(action="ignore", category=CompileWarning):
            try:
                mapped = map_network(
                    network,
                    place.chip,
                    codes,
                    exact=exact,
                    seed=place.seed,
                    options=MapOptions(column_steps=True, first_product=self.number),
                )
            except EmulatorError as error:
                raise type(error)(f"{self.name}: {error}") from None
        return network, mapped

    def network_on(self, network: Network, shape: Shape) -> Network:
        """Return ``network``, which consists of this product alone, changed to
        maps of ``shape``."""
        (node,) = network.products
        patches = dataclasses.replace(self.patches, shape=shape)
        return dataclasses.replace(network, nodes=(dataclasses.replace(node, patches=patches),), shape=shape)

    def program_on(self, program: Program, shape: Shape) -> Program:
        """Return ``program``, the mapped product, changed to maps of ``shape``."""
        if shape not in self._programs:
            (step,) = program.products
            patches = dataclasses.replace(self.patches, shape=shape)
            if patches != step.patches:
                step = dataclasses.replace(step, patches=patches)
                program = dataclasses.replace(program, shape=shape, steps=(step,))
            self._programs[shape] = program
        return self._programs[shape]

    def read(self, run: Executor, x: Tensor, weight: Tensor, bias: Tensor | None, each: int = 1) -> Tensor:
        """Compute the matrix product of vectors (n, K), or of maps (n, C, H, W) that
        already include their border.

        ``each``: number of vectors or maps of one sample, one after the other. Returns
        (n, M) or (n, M, rows, columns).
        """
        place, watched = self.placement, self.watched
        if x.is_meta:  # checked before this module moves to that device
            raise EmulatorError(f"{self.name}: {NO_VALUES.format('device meta')}")
        if self.low.dtype != x.dtype or self.low.device != x.device:
            self.to(x.device, x.dtype)
        if place.watching in ("range", "rows"):
            if place.watching == "rows" and not watched.shown:
                self._balance(weight)
            self._show(x)
            if len(watched.codes) and watched.shown == watched.seen:
                self.settle(watched.codes, weight.detach())
            return self._float(x, weight, bias)
        if self.name in place.digital and place.reading is None and not self.training:
            return self.exact(x, weight, bias)
        if place.watching == "given" and self.on_die is None:
            if watched.calls == len(place.samples) == 1:
                self._show(x)
            self.ready(weight, bias)
            if place.progress is not None:
                done = sum(product.on_die is not None for product in place.products.values())
                place.progress(done, len(place.products))
        call = run.calls.get(self, 0)
        if call >= CALLS_MAX:
            raise InputError(
                f"{self.name} is read {call + 1} times in one pass; accepted: at most {CALLS_MAX}"
            )
        run.calls[self] = call + 1
        if not len(x):
            return self._float(x, weight, bias)
        if self.training:
            return self._seen(run, x, weight, bias)
        if place.reading is not None:
            y = place.reading.read(self, x, weight, bias, call)
            if y is not None:
                return y
        with torch.no_grad():
            mapped = self.ready(weight, bias)
            y = self._read(mapped, x.detach(), weight, bias, each, call)
        if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
            # The forward pass runs on the die; the backward pass uses the float weights.
            float_output = self._float(x, weight, bias)
            y = float_output + (y - float_output).detach()
        return y

    def _show(self, x: Tensor) -> None:
        """Record the inputs of one read, (n, K) or (n, C, H, W), in the product's
        ``Watched`` statistics."""
        divided = self.divided(x.detach())
        maps = divided.reshape(*x.shape[:2], *(x.shape[2:] or (1, 1))).to("cpu", torch.float32).numpy()
        patches = dataclasses.replace(self.patches, shape=maps.shape[1:])
        self.watched.show(self.placement.watching, maps, patches, self.rows_wanted)

    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute the matrix product in floats, with weights that are not limited."""
        return _with(bias, self.reading.sums(x, weight))

    def _float(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.placement.clip_rms is None:
            return self.exact(x, weight, bias)
        limited = self.reading.limit(self.multiplied(weight))[0]
        return _with(bias, self.reading.sums(self.divided(x), limited))

    def _read(
        self, mapped: OnDie, x: Tensor, weight: Tensor, bias: Tensor | None, each: int, call: int
    ) -> Tensor:
        """Compute the matrix product on the board: send codes, and scale the sums that
        the board returns."""
        place = self.placement
        shape: Shape = (*x.shape[1:], 1, 1)[:3] if self.whole else tuple(x.shape[1:])
        program = self.program_on(mapped.program, shape)
        assert program.meaning.inputs is not None
        try:
            values = self.divided(x).reshape(len(x), -1).to("cpu", torch.float64).numpy()
        except RuntimeError as error:  # raised under vmap and other function transforms
            first = str(error).partition("\n")[0]
            raise EmulatorError(f"{self.name}: {NO_VALUES.format(first)}") from None
        codes = program.meaning.inputs.encode(values)
        if place.read is not None and not place.watching:
            place.read.setdefault(self, []).append(ReadInputs(weight, bias, program, codes))
        sums = place.run(self.name, program, codes, place.first_index * each, call)
        wide = torch.promote_types(x.dtype, torch.float32)  # sums exceed the range of half precision
        y = torch.from_numpy(sums).to(x.device, wide)
        step = torch.from_numpy(mapped.step).to(x.device, wide)
        if not self.whole:
            y = y.view(len(x), *program.map_shapes[-1])
        y = y * along(step, y)
        if bias is not None or mapped.bias is not None:
            # Another read of the same weights may have another bias than the mapped one.
            none = torch.zeros_like(step)
            bias_change = (none if bias is None else bias) - (
                none if mapped.bias is None else mapped.bias.to(y)
            )
            y = y + along(bias_change, y)
        return y.to(x.dtype)

    def _seen(self, run: Executor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute the matrix product with the errors of the chip, for training. The
        mean of the inputs is removed before errors are applied.

        The die does the same: its converters' offsets and its bias correction take the mean.
        """
        reading, x, weight = self.reading, self.divided(x), self.multiplied(weight)
        with torch.no_grad():
            follow(self.low, x.min(), torch.minimum)
            follow(self.high, x.max(), torch.maximum)
            span = (self.high - self.low).clamp(min=SPAN_MIN)
        u = SteppedOutput.apply((x - self.low) / span)
        with torch.no_grad():
            mean = u.mean(dim=tuple(d for d in range(x.dim()) if d != 1))
            self.centre.copy_(RANGE_MEMORY * self.centre + (1 - RANGE_MEMORY) * mean)
        if self not in run.drawn:
            run.drawn[self] = reading.drawn(weight)
        centre, drawn, view = self._by_group(self.centre), run.drawn[self], reading.view
        y = reading.read(u - along(self.centre, u), drawn, centre) * span
        limited, limit = reading.limit(weight)
        groups, share = self.patches.groups, self.outputs // self.patches.groups
        centre_sums = torch.einsum("gk,kgm->gm", self.low + span * centre, limited.view(-1, groups, share))
        centre_sums = centre_sums.reshape(-1)
        if view.columns is not None:
            with torch.no_grad():
                mean = torch.einsum("gk,kgm->gm", span * centre, drawn.view(-1, groups, share)).reshape(-1)
                full = span * limit[0].clamp(min=1e-30)
                largest = ((y + along(mean, y)) / along(full, y)).abs().max()
                noise = view.noise_scale * view.columns.noise * largest * along(full, y) * torch.randn_like(y)
                if view.columns.bias_cells and self not in run.bias_errors:
                    offset = centre_sums - mean if bias is None else centre_sums - mean + bias
                    run.bias_errors[self] = reading.bias_error(offset, full[None])
            y, centre_sums = y + noise, centre_sums + run.bias_errors.get(self, 0.0)
        if view.read_noise:
            # Read noise depends on the inputs: the part that the cells cause grows with
            # the whole input, mean included.
            sigma = view.noise_scale * view.read_noise * span * centre.norm(dim=1)
            sigma = (limit.view(groups, share) * sigma.view(-1, 1)).reshape(-1)
            y = y + torch.randn_like(y) * along(sigma, y)
        return _with(bias, y + along(centre_sums, y))


def _with(bias: Tensor | None, y: Tensor) -> Tensor:
    return y if bias is None else y + along(bias, y)
