"""Takes an Amaranth layout's fields out of a plain integer."""

from __future__ import annotations

from typing import Any

from amaranth import Shape
from amaranth.lib.data import ArrayLayout, StructLayout


def unpack(layout: Any, bits: int) -> Any:
    """``bits`` as nested dictionaries, lists and integers of the right sign."""
    if isinstance(layout, StructLayout):
        return {name: _field(layout[name], bits) for name in layout.members}
    if isinstance(layout, ArrayLayout):
        return [_field(layout[i], bits) for i in range(layout.length)]
    shape = Shape.cast(layout)
    value = bits & ((1 << shape.width) - 1)
    return value - (1 << shape.width) if shape.signed and value >> (shape.width - 1) else value


def _field(field: Any, bits: int) -> Any:
    width = Shape.cast(field.shape).width
    return unpack(field.shape, bits >> field.offset & ((1 << width) - 1))
