"""Held: where a value of the model is kept in the network, and what the codes there stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emulator.network.importing.graph import Floats, Ints
from emulator.network.importing.span import Span
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.patches import Shape
from emulator.spec.steps import joined


@dataclass(frozen=True, eq=False)
class Held:
    """A value (C, H, W) that is ``shift + scale * y`` by channel, y in 0..1 of maps ``maps`` joined.

    ``index`` (C,): its channels among those of the maps; None: all, in order. ``flat``: it is a vector, and
    the index goes through the maps flattened.
    """

    maps: tuple[int, ...]
    shape: Shape
    scale: Floats
    shift: Floats
    index: Ints | None = None
    flat: bool = False

    @classmethod
    def of_map(cls, number: int, shape: Shape, span: Span) -> Held:
        """A whole map of one span."""
        return cls((number,), shape, np.full(shape[0], span.width), np.full(shape[0], span.low))

    @property
    def channels(self) -> int:
        """C of the value."""
        return len(self.scale)

    @property
    def places(self) -> Ints:
        """Its channels among the maps'."""
        return np.arange(self.channels) if self.index is None else self.index

    @property
    def is_plain(self) -> bool:
        """Whether it is one map whose codes all mean the same."""
        same = np.ptp(self.scale) == 0 and np.ptp(self.shift) == 0 and self.scale[0] != 0
        return len(self.maps) == 1 and self.index is None and not self.flat and bool(same)

    @property
    def zero(self) -> float | None:
        """y that stands for 0, the same for all channels; None where there is none in 0..1."""
        if (self.scale == 0).any():
            return None
        y = -self.shift / self.scale
        if np.ptp(y) > 1e-9 * max(1.0, float(np.abs(y).max())) or not -1e-9 <= y[0] <= 1 + 1e-9:
            return None
        code = float(np.clip(y[0], 0.0, 1.0)) * INPUT_MAX
        return (round(code) if abs(code - round(code)) < 1e-6 else code) / INPUT_MAX

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest value that codes can stand for."""
        ends = (self.shift, self.shift + self.scale)
        return float(np.minimum(*ends).min()), float(np.maximum(*ends).max())

    def affine(self, scale: Floats | float, shift: Floats | float) -> Held:
        """``scale`` times the value plus ``shift``."""
        return replace(self, scale=self.scale * scale, shift=self.shift * scale + shift)

    def select(self, index: Ints) -> Held:
        """Channels ``index`` of the value."""
        return replace(self, scale=self.scale[index], shift=self.shift[index], index=self.places[index])

    def flatten(self, order: Ints | None) -> Held:
        """The value as a vector, its elements in ``order``."""
        _, height, width = self.shape
        each = height * width
        if each == 1:
            return self if order is None else self.select(order)
        index = None
        if self.index is not None:
            index = (self.index[:, None] * each + np.arange(each)).reshape(-1)
        held = replace(
            self, scale=np.repeat(self.scale, each), shift=np.repeat(self.shift, each), index=index, flat=True
        )
        return held if order is None else held.select(order)


def concatenated(parts: list[Held], shapes: list[Shape]) -> Held:
    """Values behind one another; ``shapes`` of the network's maps."""
    sizes = [joined([shapes[m] for m in part.maps]) for part in parts]
    whole = joined([shapes[m] for part in parts for m in part.maps])
    flat = any(part.flat for part in parts)
    index = None
    if flat or any(part.index is not None for part in parts):
        each = [int(np.prod(size)) if flat else size[0] for size in sizes]
        starts = np.cumsum([0, *each[:-1]])
        index = np.concatenate([part.places + start for part, start in zip(parts, starts, strict=True)])
        flat = flat and whole[1:] != (1, 1)
        total = int(np.prod(whole)) if flat else whole[0]
        index = None if np.array_equal(index, np.arange(total)) else index
    maps = tuple(m for part in parts for m in part.maps)
    if not flat and len(maps) > 1 and len(set(maps)) == 1:  # views of one map: it is read once
        channels = shapes[maps[0]][0]
        index = (np.arange(whole[0]) if index is None else index) % channels
        maps, whole = maps[:1], shapes[maps[0]]
    return Held(
        maps,
        whole,
        np.concatenate([part.scale for part in parts]),
        np.concatenate([part.shift for part in parts]),
        index,
        flat,
    )
