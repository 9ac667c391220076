"""Product: one static matrix of a module, on the tiles of a die."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emulator.errors import CompileWarning, EmulatorError
from emulator.learning.training.extra import torch
from emulator.learning.training.layers import Reading
from emulator.learning.training.view import view_of
from emulator.mapping import Die, LayerReport, MapOptions, Mapped, map_network
from emulator.network import Dense, Meaning, Network
from emulator.network import Product as Node
from emulator.spec import Program
from emulator.spec.arithmetic import INPUT_MAX, slices
from emulator.spec.patches import Patches, Shape
from ndrite.tiles.placement import Placement
from ndrite.tiles.watched import Watched

if TYPE_CHECKING:
    from torch import Tensor

ROWS_MIN = 16
"""Patches that samples must give a product."""
ROWS_MAX = 2048
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

    It holds no weights: the layer it belongs to has them, and hands them to a ``Reader``.

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
        self.watched = Watched(name)
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
        self.reading.settle(
            maps.flatten(1) if self.whole else maps, self.reading.limit(weight.to(self.low))[0]
        )

    def check_samples(self) -> None:
        """Raise EmulatorError where samples give it too few inputs to be mapped on."""
        count = 0 if self.watched.codes is None else len(self.watched.codes)
        if self.watched.seen and count < ROWS_MIN:
            raise EmulatorError(f"{self.name}: samples give it {count} inputs; accepted: at least {ROWS_MIN}")

    def forget(self) -> None:
        """Map again at the next read."""
        self.on_die = None
        self._programs.clear()

    def ready(self, weight: Tensor, bias: Tensor | None, *, check: bool = True) -> OnDie:
        """The product on the die, mapped now unless it is there; ``check``: with exactly these weights.

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
        codes, exact = watched.codes, None
        if watched.given is not None and len(watched.given) >= ROWS_MIN:
            codes, exact = watched.given, watched.codes[: len(watched.given)] / INPUT_MAX
        one = Patches(shape=(p.shape[0], *p.kernel), kernel=p.kernel, groups=p.groups)
        network = Network((Node(dense, (0,), one),), one.shape, self.name, meaning=Meaning(inputs=inputs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompileWarning)  # the report has it
            try:
                return map_network(
                    network,
                    place.chip,
                    codes,
                    exact=exact,
                    seed=place.seed,
                    options=MapOptions(column_steps=True, first_product=self.number),
                )
            except EmulatorError as error:
                raise type(error)(f"{self.name}: {error}") from None

    def show(self, x: Tensor, show: Callable[[npt.NDArray[Any], Patches, int], None]) -> None:
        """Hand a call's inputs, (n, K) or (n, C, H, W), to one of ``Watched``'s passes as maps."""
        maps = x.detach().reshape(*x.shape[:2], *(x.shape[2:] or (1, 1))).to("cpu", torch.float32).numpy()
        show(maps, self.patches_on(maps.shape[1:]), self.rows_wanted)

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
