"""map_places: assigns to each map of a lowered program its location in the map memory."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass

from ndrite.emulator.backend.lowering import SAMPLE, Lowered
from ndrite.emulator.spec.geometry import WORD_ROWS
from ndrite.emulator.spec.patches import Pair, Shape


@dataclass(frozen=True)
class Place:
    """Location of a map (C, H, W) in memory. ``base`` is the address of its first code.
    Pixels follow each other, each with its channels side by side.

    Pixels begin ``pixel`` codes after each other: C, or more where maps are joined by
    channel. Channels lie ``plane`` apart. ``spread`` rows lie between one and the next.
    """

    base: int
    shape: Shape
    pixel: int
    plane: int = 1
    spread: int = 1

    @classmethod
    def alone(cls, base: int, shape: Shape) -> Place:
        """Return the location, from address ``base`` on, of a map that is not
        joined with other maps."""
        return cls(base, shape, shape[0])

    @property
    def line(self) -> int:
        """Return the distance, in codes, between the starts of two
        neighbouring rows of the map."""
        return self.shape[2] * self.pixel * self.spread

    @property
    def end(self) -> int:
        """Return the address behind the map's last code."""
        steps = (self.plane, self.line, self.pixel)
        return self.base + sum((n - 1) * step for n, step in zip(self.shape, steps, strict=True)) + 1

    def of_block(self, block: Pair, which: int) -> Place:
        """Return the location of the pixels at one position of every block (g, h) of
        the map, as the location of a smaller map. ``which`` numbers the positions of a
        block row by row."""
        (g, h), (channels, rows, columns) = block, self.shape
        row, column = divmod(which, h)
        base = self.base + row * self.line + column * self.pixel
        return Place(base, (channels, rows // g, columns // h), self.pixel * h, self.plane, self.spread * g)


def size(shape: Shape) -> int:
    """Return the number of codes of a map with this shape."""
    return math.prod(shape)


def places_of(
    ours: Lowered, pooled: Container[int], sample: int, tight: int | None = None
) -> dict[int, Place]:
    """Assign a memory location to every stored map: the first that fits among the maps
    that are still read.

    ``pooled``: product steps whose codes go on through the pool behind them, so that
    their own map is none. ``sample``: codes of all calls' inputs, from place 0 on.
    ``tight``: codes of a memory that is hardly large enough. Maps that live beside the
    sample then lie at its end, so that the sample's place and what lies behind it is
    free for one map after it; and results take the place of a map that their step reads
    place by place, each before it writes there, where nothing reads that again. Some
    base is negative where even that is not enough.
    """
    never = len(ours.steps)
    first, last = {SAMPLE: -1}, {SAMPLE: 0}
    for i, (step, target) in enumerate(zip(ours.steps, ours.targets, strict=True)):
        last |= dict.fromkeys(step.reads, i)
        if i in pooled or not step.fires:
            continue
        # A pool may be fused with the preceding product. It then writes its map
        # while that product runs, so the map's memory is in use from the
        # product's step (i - 1) on.
        first.setdefault(target, i - 1 if i - 1 in pooled else i)
    for number in ours.kept:
        first[number], last[number] = -1, never
    area_of = {number: area for area in ours.areas for number in area}
    units = {area_of.get(number, (number,)) for number in first}
    places: dict[int, Place] = {SAMPLE: Place.alone(0, ours.shapes[SAMPLE])}
    occupied = [(0, sample, first[SAMPLE], last[SAMPLE])]
    in_place = {} if tight is None else _in_place(ours, last, area_of)
    for unit in sorted(units - {(SAMPLE,)}, key=lambda u: (min(first[m] for m in u), u)):
        begin, end = min(first[m] for m in unit), max(last.get(m, first[m]) for m in unit)
        unit_size = sum(size(ours.shapes[m]) for m in unit)
        spans = [(low, high) for low, high, since, until in occupied if since <= end and until >= begin]
        if unit[0] in in_place:
            base = places[in_place[unit[0]]].base
        elif tight is not None and begin <= last[SAMPLE]:
            rounded = -(-unit_size // WORD_ROWS) * WORD_ROWS
            base = tight - rounded - _first_fit(rounded, [(tight - high, tight - low) for low, high in spans])
        else:
            base = _first_fit(unit_size, spans)
        occupied.append((base, base + unit_size, begin, end))
        shapes = [ours.shapes[number] for number in unit]
        by_channel = len({shape[1:] for shape in shapes}) == 1
        pixel = sum(shape[0] for shape in shapes)
        for number, shape in zip(unit, shapes, strict=True):
            places[number] = Place(base, shape, pixel) if by_channel else Place.alone(base, shape)
            base += shape[0] if by_channel else size(shape)
    return places


def _in_place(ours: Lowered, last: dict[int, int], beside: Container[int]) -> dict[int, int]:
    """Return which result maps may overwrite a map that their step reads, as a
    dictionary from the number of the result map to the number of the overwritten
    map."""
    place_of = {}
    for i, (step, target) in enumerate(zip(ours.steps, ours.targets, strict=True)):
        if target in ours.kept or target in beside:
            continue
        for read in step.alone:
            read_later = last[read] > i or read in (SAMPLE, *step.sources, *ours.kept)
            if not read_later and read not in beside:
                place_of[target] = read
    return place_of


def _first_fit(codes: int, spans: list[tuple[int, int]]) -> int:
    """Return the lowest word-aligned address at which a map of ``codes`` codes overlaps
    none of ``spans``."""
    base = 0
    for low, high in sorted(spans):
        if base + codes <= low:
            break
        base = max(base, -(-high // WORD_ROWS) * WORD_ROWS)
    return base
