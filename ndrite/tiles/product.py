"""Product: one static matrix of a module, on the tiles of a die."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emulator.errors import CompileWarning, EmulatorError
from emulator.learning.training.extra import torch
from emulator.learning.training.layers import RANGE_MEMORY, Reading, SteppedOutput
from emulator.learning.training.view import view_of
from emulator.mapping import Die, LayerReport, Mapped, map_network
from emulator.network import Dense, InputRange, Meaning, Network
from emulator.network import Product as Node
from emulator.network.importing.span import code_span
from emulator.spec import Program
from emulator.spec.arithmetic import INPUT_MAX, slices
from emulator.spec.patches import Patches, Shape
from ndrite.tiles.placement import Placement

if TYPE_CHECKING:
    from torch import Tensor

ROWS_MIN = 16
"""Patches that samples must give a product."""
ROWS_MAX = 4096
SPAN_MIN = 1e-12
SUMS_MAX = 1 << 23
"""Sums of tiles and slices at once while converters are calibrated: of large products fewer patches are
taken, which keeps mapping within a gibibyte."""


@dataclasses.dataclass(frozen=True, eq=False)
class OnDie:
    """A product as mapped: its program on single patches, the value of one unit of each column's sums
    float64 (M,), what mapping lost, and the digest of the weights it was mapped from."""

    program: Program
    step: npt.NDArray[np.float64]
    report: LayerReport
    digest: str


class Product(torch.nn.Module):
    """A matrix (K, M) applied to vectors (n, K), or to the patches of maps (n, C, H, W).

    It holds no weights: the layer it belongs to has them, and hands them to ``with_weights``.

    Parameters
    ----------
    name:
        In tables and errors.
    number:
        Selects its cells and its read noise, 0..255.
    placement:
        Die and board.
    outputs:
        M.
    patches:
        Of a map just large enough for the kernel; its height and width are those of each call.
    whole:
        Whether it takes vectors.
    """

    low: Tensor
    high: Tensor
    centre: Tensor

    def __init__(
        self, name: str, number: int, placement: Placement, outputs: int, patches: Patches, *, whole: bool
    ) -> None:
        super().__init__()
        self.name, self.number, self.placement = name, number, placement
        self.outputs, self.patches, self.whole = outputs, patches, whole
        self.watched = Watched()
        self.on_die: OnDie | None = None
        self._programs: dict[Shape, Program] = {}
        view = view_of(placement.chip, clip_rms=placement.clip_rms)
        # A map of the kernel's own size would be taken for a vector.
        channels, height, width = patches.shape
        wide = dataclasses.replace(patches, shape=(channels, 2 * height, 2 * width))
        self.reading = Reading(outputs, view, None if whole else wide, kept=False)
        self.register_buffer("low", torch.zeros(()), persistent=False)
        self.register_buffer("high", torch.ones(()), persistent=False)
        self.register_buffer("centre", torch.zeros(patches.shape[0]), persistent=False)

    def extra_repr(self) -> str:
        """Its size and die."""
        return (
            f"{self.patches.inputs} x {self.outputs} on {self.placement.chip.name}, die {self.placement.seed}"
        )

    @property
    def tiles(self) -> int:
        """Row tiles."""
        chip = self.placement.chip
        rows = chip.array.rows if chip.readout.kind == "adc" else self.patches.inputs
        return -(-self.patches.inputs // rows) * self.patches.groups

    @property
    def rows_wanted(self) -> int:
        """Patches to calibrate on."""
        sums = self.tiles // self.patches.groups * slices(self.placement.chip.input.dac_bits) * self.outputs
        return int(np.clip(SUMS_MAX // sums, 4 * ROWS_MIN, ROWS_MAX))

    def with_weights(self, weight: Tensor, bias: Tensor | None = None) -> Reader:
        """What reads ``weight`` (K, M) and ``bias`` (M,) as they are now, as often as is asked."""
        return Reader(self, weight, bias)

    def settle(self, weight: Tensor) -> None:
        """Training begins at the ranges and the mean that samples show with ``weight`` (K, M)."""
        if self.watched.codes is None:
            return
        given, p = self.watched.input_range, self.patches
        seen = torch.from_numpy(self.watched.codes).to(self.low) / INPUT_MAX
        seen = seen.view(len(seen), p.shape[0], *p.kernel)
        for held, value in (
            (self.low, torch.tensor(given.low[0])),
            (self.high, torch.tensor(given.high[0])),
            (self.centre, seen.mean(dim=(0, 2, 3))),
        ):
            held.copy_(value)
        maps = seen.new_zeros(len(seen), *p.shape)
        maps[:, :, :: p.dilation[0], :: p.dilation[1]] = seen - self.centre.view(-1, 1, 1)
        self.reading.settle(maps.flatten(1) if self.whole else maps, self.reading.limit(weight)[0])

    def forget(self) -> None:
        """Map again at the next read."""
        self.on_die = None
        self._programs.clear()

    def ready(self, weight: Tensor, bias: Tensor | None, *, check: bool = True) -> OnDie:
        """The product on the die, mapped now unless it is there; ``check``: with these very weights.

        Raises
        ------
        EmulatorError
            Naming the product, when it cannot be mapped.
        """
        if self.on_die is not None and not check:
            return self.on_die
        weight = self.reading.limit(weight.detach())[0]
        w = weight.to("cpu", torch.float64).numpy()
        b = np.zeros(self.outputs) if bias is None else bias.detach().to("cpu", torch.float64).numpy()
        digest = hashlib.sha256(np.ascontiguousarray(w).data)
        digest.update(np.ascontiguousarray(b).data)
        if self.on_die is None or self.on_die.digest != digest.hexdigest():
            mapped = self._map(w, b)
            self._programs.clear()
            self.on_die = OnDie(
                mapped.program, mapped.die.arrays[0].step, mapped.report.layers[0], digest.hexdigest()
            )
        return self.on_die

    def die(self, weight: Tensor, bias: Tensor | None) -> Die:
        """The die's part with this product, drawn anew: the same cells every time."""
        w, b = self.reading.limit(weight.detach())[0], torch.zeros(self.outputs) if bias is None else bias
        return self._map(*(t.detach().to("cpu", torch.float64).numpy() for t in (w, b))).die

    def _map(self, weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> Mapped:
        place, watched, p = self.placement, self.watched, self.patches
        if watched.codes is None or len(watched.codes) < ROWS_MIN:
            count = 0 if watched.codes is None else len(watched.codes)
            raise EmulatorError(f"{self.name}: samples give it {count} inputs; accepted: at least {ROWS_MIN}")
        inputs = watched.input_range
        # x = low + span * u: the span goes into the weights, the rest into the bias.
        dense = Dense(
            (weight * inputs.span).astype(np.float32),
            (bias + inputs.low * weight.sum(axis=0)).astype(np.float32),
        )
        one = Patches(shape=(p.shape[0], *p.kernel), kernel=p.kernel, groups=p.groups)
        network = Network((Node(dense, (0,), one),), one.shape, self.name, meaning=Meaning(inputs=inputs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompileWarning)  # the report has it
            try:
                return map_network(
                    network,
                    place.chip,
                    watched.codes,
                    seed=place.seed,
                    column_steps=True,
                    first_product=self.number,
                )
            except EmulatorError as error:
                raise type(error)(f"{self.name}: {error}") from None

    def patches_on(self, shape: Shape) -> Patches:
        """Its patches on maps of ``shape``."""
        return dataclasses.replace(self.patches, shape=shape)

    def program_on(self, shape: Shape) -> Program:
        """The mapped program on maps of ``shape``."""
        assert self.on_die is not None
        if shape not in self._programs:
            program = self.on_die.program
            (step,) = program.products
            patches = self.patches_on(shape)
            if patches != step.patches:
                step = dataclasses.replace(step, patches=patches)
                program = dataclasses.replace(program, shape=shape, steps=(step,))
            self._programs[shape] = program
        return self._programs[shape]


class Watched:
    """What samples show of a product's inputs: first their range, then patches as codes of that range.

    ``seen``: patches; ``codes`` uint8 (n, groups * K), evenly picked of them.
    """

    def __init__(self) -> None:
        self.low, self.high, self.seen = np.inf, -np.inf, 0
        self.codes: npt.NDArray[np.uint8] | None = None
        self._parts: list[npt.NDArray[np.uint8]] = []
        self._at = 0

    @property
    def input_range(self) -> InputRange:
        """What codes 0 and 255 stand for; 0, where it is inside, is exactly a code."""
        span = code_span(self.low, self.high, (0.0,) if self.low < 0 < self.high else ())
        return InputRange(np.array([span.low]), np.array([span.low + span.width]))

    def show_range(self, name: str, x: npt.NDArray[Any], patches: int) -> None:
        """First pass: inputs of one call, ``patches`` of them."""
        if x.size:
            low, high = float(x.min()), float(x.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise EmulatorError(f"{name}: samples give it values that are not finite")
            self.low, self.high = min(self.low, low), max(self.high, high)
        self.seen += patches

    def show_rows(self, x: npt.NDArray[Any], patches: Patches, wanted: int) -> None:
        """Second pass: maps (n, C, H, W) of the same calls."""
        count = len(x) * patches.positions
        pick = np.unique(np.linspace(0, self.seen - 1, min(wanted, self.seen)).astype(np.int64))
        pick = pick[(pick >= self._at) & (pick < self._at + count)] - self._at
        self._at += count
        if len(pick):
            self._parts.append(self.input_range.encode(patches.pick(x, pick)))
        if self._at == self.seen and self._parts:
            self.codes = np.concatenate(self._parts)
            self._parts = []


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
        watching = product.placement.watching
        if watching is not None:
            watching.show(product, x)
            return self._float(x)
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
        if self._bias is None:
            return y
        return y + (self._bias if y.dim() == 2 else self._bias.view(-1, 1, 1))

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
        if product.whole:
            return y * step
        return y.view(len(x), *program.map_shapes[-1]) * step.view(-1, 1, 1)

    def _seen(self, x: Tensor) -> Tensor:
        """Through the chip's errors; what is constant in the inputs is taken out of them first.

        The die does the same: its converters' offsets and its bias correction take the mean.
        """
        product, reading = self._product, self._product.reading
        with torch.no_grad():
            for held, now in ((product.low, x.min()), (product.high, x.max())):
                _follow(held, now)
            span = (product.high - product.low).clamp(min=SPAN_MIN)
        u = SteppedOutput.apply((x - product.low) / span)
        with torch.no_grad():
            _follow(product.centre, u.mean(dim=tuple(d for d in range(x.dim()) if d != 1)))
        around = (1, -1) if product.whole else (1, -1, 1, 1)
        if self._drawn is None:
            self._drawn = reading.drawn(self._weight)
        y = reading.read(u - product.centre.view(around), self._drawn) * span
        constant = self._of_rows(product.low + span * product.centre)
        limited = reading.limit(self._weight)[0]
        groups, share = product.patches.groups, product.outputs // product.patches.groups
        held = torch.einsum("gk,kgm->gm", constant, limited.view(-1, groups, share)).reshape(-1)
        return self._with_bias(y + (held if product.whole else held.view(-1, 1, 1)))

    def _of_rows(self, by_channel: Tensor) -> Tensor:
        """Values of channels (C,) for every row of a group's weights, (groups, K)."""
        p = self._product.patches
        return by_channel.view(p.groups, -1).repeat_interleave(p.kernel[0] * p.kernel[1], dim=1)


def _follow(held: Tensor, now: Tensor) -> None:
    """A running value, as a converter's range in training is."""
    held.copy_(RANGE_MEMORY * held + (1 - RANGE_MEMORY) * now)
