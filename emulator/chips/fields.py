"""Fields of a chip description: each knows its accepted values and refuses others by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from emulator.errors import ChipError


def number(low: float, high: float, default: Any = dataclasses.MISSING, *, multiple: int = 1) -> Any:
    """A dataclass field holding a number in [low, high]; ``multiple`` applies to whole numbers."""
    accepted = f"{low:g}..{high:g}" + (f", a multiple of {multiple}" if multiple > 1 else "")
    return dataclasses.field(
        default=default, metadata={"low": low, "high": high, "multiple": multiple, "accepted": accepted}
    )


def choice(values: Sequence[Any], default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field holding one of ``values``."""
    return dataclasses.field(
        default=default,
        metadata={"values": tuple(values), "accepted": "one of " + ", ".join(map(str, values))},
    )


def check(section: str, instance: Any) -> None:
    """Validate every field of a section; whole numbers in float fields become floats.

    Raises
    ------
    ChipError
        Naming section, field, value and what is accepted.
    """
    for field in dataclasses.fields(instance):
        if "accepted" not in field.metadata:
            continue
        value = getattr(instance, field.name)
        if "float" in str(field.type) and type(value) is int:
            value = float(value)
            object.__setattr__(instance, field.name, value)
        if not _accepts(field, value):
            raise ChipError(f"{section}.{field.name} is {value!r}; accepted: {field.metadata['accepted']}")


def _accepts(field: dataclasses.Field[Any], value: Any) -> bool:
    meta = field.metadata
    if "values" in meta:
        # type() as well, because True == 1 and 8.0 == 8 in Python.
        return any(type(value) is type(v) and value == v for v in meta["values"])
    wanted = float if "float" in str(field.type) else int
    if type(value) is not wanted or not math.isfinite(value):
        return False
    return bool(meta["low"] <= value <= meta["high"]) and (wanted is float or value % meta["multiple"] == 0)
