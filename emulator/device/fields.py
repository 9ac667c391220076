"""Fields of a chip description: each knows its accepted values and refuses others by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from emulator.errors import ChipError
from emulator.spec.brief import shown


def number(
    low: float,
    high: float,
    default: Any = dataclasses.MISSING,
    *,
    multiple: int = 1,
    models: Sequence[str] = (),
) -> Any:
    """A dataclass field holding a number in [low, high]; ``multiple`` applies to whole numbers.

    A default of None makes it optional. ``models`` names the values of the section's ``model`` it matters to.
    """
    accepted = f"{low:g}..{high:g}" + (f", a multiple of {multiple}" if multiple > 1 else "")
    return dataclasses.field(
        default=default,
        metadata={
            "low": low,
            "high": high,
            "multiple": multiple,
            "accepted": accepted,
            "models": tuple(models),
        },
    )


def numbers(low: float, high: float, longest: int) -> Any:
    """A dataclass field holding a list of up to ``longest`` numbers in [low, high]; empty by default."""
    accepted = f"a list of at most {longest} numbers in {low:g}..{high:g}"
    return dataclasses.field(
        default=(), metadata={"low": low, "high": high, "longest": longest, "accepted": accepted}
    )


def choice(values: Sequence[Any], default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field holding one of ``values``."""
    return dataclasses.field(
        default=default,
        metadata={"values": tuple(values), "accepted": "one of " + ", ".join(map(str, values))},
    )


def check(section: str, instance: Any) -> None:
    """Validate every field of a section; whole numbers in float fields become floats, lists tuples.

    Raises
    ------
    ChipError
        Naming section, field, value and what is accepted.
    """
    for field in dataclasses.fields(instance):
        if "accepted" not in field.metadata:
            continue
        value = getattr(instance, field.name)
        if "longest" in field.metadata and isinstance(value, list | tuple):
            value = tuple(float(v) if type(v) is int else v for v in value)
            object.__setattr__(instance, field.name, value)
        elif "float" in str(field.type) and type(value) is int:
            value = float(value)
            object.__setattr__(instance, field.name, value)
        if not _accepts(field, value):
            hint = ""
            if isinstance(value, str) and "low" in field.metadata and _reads_as_number(value):
                hint = " (YAML reads it as text: write 1.0e-6, not 1e-6)"
            raise ChipError(
                f"{section}.{field.name} is {shown(value, 80)}; accepted: {field.metadata['accepted']}{hint}"
            )


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _accepts(field: dataclasses.Field[Any], value: Any) -> bool:
    meta = field.metadata
    if "values" in meta:
        # type() as well, because True == 1 and 8.0 == 8 in Python.
        return any(type(value) is type(v) and value == v for v in meta["values"])
    if "longest" in meta:
        return (
            isinstance(value, tuple)
            and len(value) <= meta["longest"]
            and all(type(v) is float and meta["low"] <= v <= meta["high"] for v in value)
        )
    if value is None:
        return field.default is None
    wanted = float if "float" in str(field.type) else int
    if type(value) is not wanted or not math.isfinite(value):
        return False
    return bool(meta["low"] <= value <= meta["high"]) and (wanted is float or value % meta["multiple"] == 0)
