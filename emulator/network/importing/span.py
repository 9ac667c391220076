"""What codes 0 and 255 stand for: a range that holds given values, one of them exactly a code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emulator.spec.arithmetic import INPUT_MAX


@dataclass(frozen=True)
class Span:
    """A map's values mean ``low + width * y``, y in 0..1."""

    low: float
    width: float


def code_span(low: float, high: float, holds: Iterable[float] = ()) -> Span:
    """The span of ``low..high`` and ``holds``; the first of these that lies inside is exactly a code.

    A border of zeros, and the zero that a gate multiplies about, are codes.
    """
    values = tuple(holds)
    low, high = min(low, *values, low), max(high, *values, high)
    width = high - low if high > low else 1.0
    inside = next((v for v in values if low < v < high), None)
    if inside is None:
        return Span(low, width)
    place = (inside - low) / width * INPUT_MAX
    if abs(place - round(place)) > 1e-9:
        # One code more, so that moving the ends loses nothing.
        width *= INPUT_MAX / (INPUT_MAX - 1)
        code = int(-(-(inside - low) / width * INPUT_MAX // 1))
        low = inside - code / INPUT_MAX * width
    return Span(low, width)
