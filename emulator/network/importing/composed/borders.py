"""Import of Pad: a border of a constant, or of the map's own values, mirrored or repeated."""

from dataclasses import replace

import numpy as np

from ndrite.emulator.network.importing.call import Call, Imported
from ndrite.emulator.network.importing.composed.order import in_order
from ndrite.emulator.network.importing.composed.picking import picked
from ndrite.emulator.network.importing.graph import pool
from ndrite.emulator.network.importing.layers import standard
from ndrite.emulator.network.importing.values import Value, raw_input
from ndrite.emulator.spec.patches import Patches

OWN_VALUES = ("reflect", "edge")
"""Modes of Pad, and of ``numpy.pad``, whose border holds values of the map."""


def bordered(call: Call) -> Imported:
    """Import a border around a map."""
    pads = _pads(call)
    if call.a.get("mode", "constant") in OWN_VALUES and pads is not None and any(pads):
        return _of_own_values(call, pads)
    return in_order(_of_a_constant)(call)


def _pads(call: Call) -> list[int] | None:
    """Return the border that a Pad adds to each axis: for every axis before its first
    value, then for every axis behind its last one. None if the node has no pads."""
    pads, rank = call.numbers(1, "pads"), call.value.places.ndim
    axes = call.numbers(3, "axes")
    if pads is not None and axes is not None:
        places = [a % rank for a in axes]
        if len(pads) != 2 * len(places) or len(set(places)) != len(places):
            raise call.refused("its pads are not twice as many as its axes; use two for each axis")
        ends_of = dict(zip(places, zip(pads[: len(places)], pads[len(places) :], strict=True), strict=True))
        pads = [ends_of.get(i, (0, 0))[end] for end in (0, 1) for i in range(rank)]
    return pads if pads is None or len(pads) == 2 * rank else None


def _of_a_constant(call: Call) -> Value:
    """Import a constant border around a map."""
    pads, rank = _pads(call), call.value.places.ndim
    number = call.optional(2)
    around = float(call.a.get("value", 0.0) if number is None or not number.size else number.reshape(-1)[0])
    constant = call.a.get("mode", "constant") == "constant" and np.isfinite(around)
    if pads is None or not constant:
        raise call.refused(
            "its border is not a finite constant; use one around rows and columns, or mode reflect or edge"
        )
    if not any(pads):
        return call.value
    value = standard(call)
    before, after = pads[:rank], pads[rank:]
    if min(pads) < 0 or any((*before[:2], *after[:2])):
        raise call.refused("it crops, or pads other axes; use a constant around rows and columns")
    (top, left), (bottom, right) = (([0, *ends] if rank == 3 else ends) for ends in (before[2:], after[2:]))
    patches = Patches(shape=value.op.shape, kernel=(1, 1), padding=(top, left, bottom, right))
    return value.laid(pool(call.name, value.op, "average", patches, pad=around))


def _of_own_values(call: Call, pads: list[int]) -> Value:
    """Import a border that holds the map's own values, which a product of ones picks."""
    signal, rank, mode = call.value, call.value.places.ndim, call.a["mode"]
    if rank == 2 and signal.is_raw and signal.in_order:
        # A signal (n, L) that the model takes is a map of one row.
        value = raw_input((1, *signal.own), len(signal.places))
    else:
        value = standard(call)
    ends = list(zip(pads[:rank], pads[rank:], strict=True))
    other_axes, positions = (ends[:1], ends[1:]) if rank == 2 else (ends[:2], ends[2:])
    around = [(0, 0)] * (3 - len(positions)) + positions
    too_wide = any(max(e) >= side for e, side in zip(around, value.op.shape, strict=True))
    if min(pads) < 0 or any(map(any, other_axes)) or (mode == "reflect" and too_wide):
        raise call.refused(
            f"its pads are {pads}; use borders around rows and columns, and mirrored ones narrower than "
            "the map"
        )
    op = picked(call.name, value.op, np.pad(np.arange(value.size).reshape(value.op.shape), around, mode))
    if op is None:
        raise call.refused("its map is too large for a border of its own values; use a border of zeros")
    result = value.laid(op)
    return replace(result, places=result.places[:, 0]) if rank == 2 else result
