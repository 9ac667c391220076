"""Takes an Amaranth layout's fields out of plain integers, and puts them in."""

from collections.abc import Callable
from typing import Any

from amaranth import Shape
from amaranth.lib.data import ArrayLayout, StructLayout


def unpacker(layout: Any) -> Callable[[int], Any]:
    """Of an integer: its fields as nested dictionaries, lists and integers of the right sign.

    Benches ask every cycle, and Amaranth works its layouts out again at every look.
    """
    if isinstance(layout, StructLayout):
        fields = {name: _field(layout[name]) for name in layout.members}
        return lambda bits: {name: take(bits >> offset) for name, (offset, take) in fields.items()}
    if isinstance(layout, ArrayLayout):
        elements = [_field(layout[i]) for i in range(layout.length)]
        return lambda bits: [take(bits >> offset) for offset, take in elements]
    shape = Shape.cast(layout)
    mask = (1 << shape.width) - 1
    sign = 1 << shape.width - 1 if shape.signed else 0
    return lambda bits: ((bits & mask) ^ sign) - sign


def _field(field: Any) -> tuple[int, Callable[[int], Any]]:
    return field.offset, unpacker(field.shape)


def packed(layout: Any, **fields: Any) -> int:
    """The integer with these fields, and 0 in others."""
    return int(layout.const(fields).as_value().value)
