"""Import of operators whose operands' elements are in another order than the operator
needs: they are reordered first.

``y + y.flip(1)``, a cropped branch, a convolution of a flipped or transposed map.
"""

from dataclasses import replace

import numpy as np

from ndrite.emulator.errors import UnsupportedNodeError
from ndrite.emulator.network.importing.call import Call, Handler, Imported, moved_places, moved_values
from ndrite.emulator.network.importing.composed.picking import picked
from ndrite.emulator.network.importing.layers import elementwise
from ndrite.emulator.network.importing.values import Value, turned
from ndrite.emulator.spec.arithmetic import Array


def map_of(call: Call, value: Value) -> Value | None:
    """Return the value as a map whose elements are in the order (channel, row, column),
    or None if its elements cannot be brought into this order."""
    if value.axis != 0 or value.at is None or len(value.own) not in (2, 3):
        return None
    value = value.settled()
    channels, *area = value.own
    op = picked(call.name, value.op, value.first.reshape(channels, *[1] * (2 - len(area)), *area))
    return None if op is None else value.laid(op)


def channels_last(call: Call, value: Value) -> Value | None:
    """If the value is the model's input (n, .., F), return it as a map whose channels
    are the input's last axis F; return None for any other value."""
    channels_first = value.moved(np.moveaxis(value.places, -1, 1), call.name) if value.axis == 0 else None
    positions = None if channels_first is None else turned(channels_first)
    return None if positions is None else replace(positions, places=np.moveaxis(positions.places, 1, -1))


def in_order(handler: Handler) -> Handler:
    """Wrap the import function of an operator on maps, so that operands whose elements
    are in another order than (channel, row, column) are reordered first."""

    def read(call: Call) -> Imported:
        try:
            return handler(call)
        except UnsupportedNodeError:
            maps = [None if value is None else map_of(call, value) for value in call.values]
            if not any(maps):
                raise
            return handler(replace(call, values=maps))

    return read


def in_one_order(call: Call, a: Value, b: Value) -> tuple[Value, Value] | None:
    """Return both values with the same element order: the map of one value is reordered
    to match the other. Return None if their shapes do not fit."""
    try:
        a_places, b_places = np.broadcast_arrays(a.places, b.places)
    except ValueError:
        return None
    for base, x, branch, y in ((a, a_places, b, b_places), (b, b_places, a, a_places)):
        is_complete = base.axis is not None and base.at is not None and base.places.shape == x.shape
        if not is_complete or (x // base.size != y // branch.size).any():
            continue
        index = np.empty(base.size, np.intp)
        index[base.first.reshape(-1)] = (y.take(0, base.axis) % branch.size).reshape(-1)
        settled = branch.settled()
        op = picked(call.name, settled.op, index.reshape(base.op.shape))
        if op is not None:
            moved = settled.then(op, base.places)
            return (base, moved) if base is a else (moved, base)
    return None


def branches(call: Call) -> Value | None:
    """Import the sum, difference or product of two branches, also if their maps have
    different element orders."""
    try:
        return elementwise(call)
    except UnsupportedNodeError:
        ordered = None
        if len(call.computed) == 2 == len(call.known):
            a, b = call.computed
            turned_too = (v if (t := channels_last(call, v)) is None else t for v in (a, b))
            ordered = in_one_order(call, a, b) or in_one_order(call, *turned_too)
        if ordered is None:
            raise
        return elementwise(replace(call, values=list(ordered)))


def cropped(call: Call) -> list[Value]:
    """Import a Slice, Split or Gather, which may also cut out some of a map's
    rows and columns."""
    try:
        return moved_values(call)
    except UnsupportedNodeError:
        crops = [_crop(call, call.value, places) for places in moved_places(call)]
        crops_made = [crop for crop in crops if crop is not None]
        if len(crops_made) < len(crops):
            raise
        return crops_made


def _crop(call: Call, value: Value, places: Array) -> Value | None:
    """Return the value reduced to some channels, rows and columns of its map, each
    position used once. Return None if the indices ``places`` are not such a crop."""
    moved = value.moved(places, call.name)
    if moved is not None and moved.axis is not None:
        return moved
    value, part = value.settled(), replace(value, places=places)
    if not places.size or part.axis is None or part.at is None:
        return None
    numbers, place = np.divmod(places, value.size)
    by_axis = np.unravel_index(place, value.op.shape)
    channels, rows, columns = numbers_by_axis = [np.unique(axis) for axis in by_axis]
    index = np.ravel_multi_index(np.ix_(channels, rows, columns), value.op.shape)
    if not np.array_equal(np.sort(part.first.reshape(-1)), index.reshape(-1)):
        return None
    op = picked(call.name, value.op, index)
    if op is None:
        return None
    new_numbers = [
        np.searchsorted(all_of, axis) for all_of, axis in zip(numbers_by_axis, by_axis, strict=True)
    ]
    return value.then(op, numbers * index.size + np.ravel_multi_index(new_numbers, op.shape))
