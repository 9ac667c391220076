"""Random geometries of fields that a test chooses from."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ndrite.emulator.spec import Geometry, GeometryError

Fields = dict[str, Any]
Choices = Mapping[str, Sequence[Any] | Callable[[Fields], Sequence[Any]]]
"""Values of each field, or what says them by the fields before it; none: those
fields are drawn again."""


def random_geometry(rng: np.random.Generator, choices: Choices) -> Geometry:
    """Any legal fields, each of its values as likely."""
    while True:
        drawn: Fields = {}
        for name, values in choices.items():
            of = values(drawn) if callable(values) else values
            if not of:
                break
            drawn[name] = of[int(rng.integers(len(of)))]
        else:
            with contextlib.suppress(GeometryError):  # fields that contradict each other
                return Geometry(**drawn)


def dividing(most: int) -> Callable[[Fields], list[int]]:
    """Powers of two up to ``most`` that divide the lanes, or those of a group."""
    return lambda drawn: [
        n for n in (1, 2, 4, 8, 16) if n <= most and drawn["lanes"] // drawn.get("lane_groups", 1) % n == 0
    ]
