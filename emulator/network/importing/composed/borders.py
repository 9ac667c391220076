"""Import of Pad whose border holds the map's own values, mirrored or repeated."""

from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.composed.order import in_order
from ndrite.emulator.network.importing.composed.picking import picked
from ndrite.emulator.network.importing.layers import LAYERS, padding_of, standard
from ndrite.emulator.network.importing.values import Value, raw_input

OWN_VALUES = ("reflect", "edge")
"""Modes of Pad, and of ``numpy.pad``, whose border holds values of the map."""


def bordered(call: Call) -> Any:
    """Import a border around a map. One that holds the map's own values picks them by a product of ones."""
    mode, pads = call.a.get("mode", "constant"), padding_of(call)
    if mode not in OWN_VALUES or pads is None or not any(pads):
        return in_order(LAYERS["Pad"])(call)
    signal, rank = call.value, call.value.places.ndim
    if rank == 2 and signal.is_raw and signal.in_order:
        # A signal (n, L) that the model takes is a map of one row.
        value = raw_input((1, *signal.own), len(signal.places))
        value = Value(value.op, value.places[:, 0])
    else:
        value = standard(call)
    places = np.arange(value.size).reshape(value.op.shape)
    ends = list(zip(pads[:rank], pads[rank:], strict=True))
    positions = ends[1:] if rank == 2 else ends[2:]
    other_axes = ends[:1] if rank == 2 else ends[:2]
    around = [(0, 0)] * (3 - len(positions)) + positions
    too_wide = any(max(e) >= side for e, side in zip(around, value.op.shape, strict=True))
    if min(pads) < 0 or any(map(any, other_axes)) or (mode == "reflect" and too_wide):
        raise call.refused(
            f"its pads are {pads}; use borders around rows and columns, and mirrored ones narrower than "
            "the map"
        )
    op = picked(call.name, value.op, np.pad(places, around, mode))
    if op is None:
        raise call.refused("its map is too large for a border of its own values; use a border of zeros")
    if rank != 2:
        return value.laid(op)
    return value.then(op, np.arange(len(value.places) * op.shape[2]).reshape(len(value.places), -1))
