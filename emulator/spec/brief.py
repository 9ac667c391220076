"""A dataclass on a few lines: what a person at a prompt wants to see of a result."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

LONGEST = 60
"""Characters of one field's value."""


def brief_repr(self: Any) -> str:
    """``Class(field=value, ...)`` with arrays by type and shape, containers by size, long text cut.

    Write ``__repr__ = brief_repr`` in a dataclass that holds arrays or large records.
    """
    fields = (f for f in dataclasses.fields(self) if f.repr)
    inside = ", ".join(f"{f.name}={_brief(getattr(self, f.name))}" for f in fields)
    return f"{type(self).__name__}({inside})"


def shown(value: object, most: int = LONGEST) -> str:
    """``repr`` of a value, cut to ``most`` characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    text = repr(value)
    if len(text) <= LONGEST:
        return text
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}(...)"
    if isinstance(value, dict):
        return f"{{{len(value)} entries}}"
    if isinstance(value, list | tuple):
        kinds = {type(entry).__name__ for entry in value}
        return f"[{len(value)} {' or '.join(sorted(kinds))}]"
    return shown(value)
