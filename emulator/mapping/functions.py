"""Tables of functions of codes: which stretch of the table's voltage codes the 256 input codes take."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ndr.pwl import SEGMENT_BITS, SEGMENTS
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MIN
from ndrite.emulator.spec.arrays import Floats

CODES = INPUT_MAX + 1
WHOLE = -(CODES // 2), 16
"""Offset and scale that take the input codes to all voltage codes, a whole number of codes to a segment."""
ALIGNED = 15
"""Scale that leaves room to move the input codes by more than the codes of a segment."""


def placed(values: Floats) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16], Floats]:
    """Offset and scale (Q,) of functions ``values`` (Q, 256), outputs in steps at every input code, and what
    their tables should give at every voltage code (Q, 4096).

    A device is off below 0 V, so a function of its gain and offset has a kink at some input. Where that costs
    a straight piece more than moving the input codes does, they are moved so that a segment begins there.
    """
    plain = np.full(len(values), WHOLE[0]), np.full(len(values), WHOLE[1])
    moved = _aligned(values)
    candidates = [
        (offset, scale, _between(values, offset, scale, kink))
        for (offset, scale), kink in ((plain, np.zeros(len(values), np.intp)), (moved[:2], moved[2]))
    ]
    errors = [_bent(exact_codes) for *_, exact_codes in candidates]
    better = errors[1] < errors[0]
    offset, scale, exact_codes = (
        np.where(better if a.ndim == 1 else better[:, None], b, a) for a, b in zip(*candidates, strict=True)
    )
    return offset.astype(np.int16), scale.astype(np.uint16), exact_codes


def _bent(wanted: Floats) -> Floats:
    """Largest error of straight pieces (Q,), estimated: half the spread about each segment's chord."""
    pieces = wanted.reshape(len(wanted), SEGMENTS, -1)
    part = np.linspace(0.0, 1.0, pieces.shape[2])
    about = pieces - (pieces[..., :1] + (pieces[..., -1:] - pieces[..., :1]) * part)
    return np.asarray((about.max(axis=2) - about.min(axis=2)).max(axis=1) / 2, np.float64)


def _aligned(values: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Offset, scale and the first code (Q,) behind the sharpest kink, which a segment begins with."""
    bend = np.abs(np.diff(values, n=2))
    bend_place = np.clip(bend.argmax(axis=1) + 1, 4, CODES - 5)
    # The kink lies before or behind that code: where less bend is left on both sides.
    rows = np.arange(len(values))
    left = [bend[rows, kink - 3] + bend[rows, kink] for kink in (bend_place, bend_place + 1)]
    kink = np.where(left[0] <= left[1], bend_place, bend_place + 1)
    offsets = np.arange(-(-V_MIN // ALIGNED), (-V_MIN - 1) // ALIGNED - INPUT_MAX + 1)
    voltage = (kink[:, None] + offsets) * ALIGNED - V_MIN
    begins = voltage >> SEGMENT_BITS > (voltage - ALIGNED) >> SEGMENT_BITS
    # The nearest such offset to the middle; without any the kink stays where it is.
    cost = np.where(begins, np.abs(offsets - WHOLE[0]), CODES)
    return offsets[cost.argmin(axis=1)], np.full(len(values), ALIGNED), kink


def _between(
    values: Floats,
    offset: npt.NDArray[np.intp],
    scale: npt.NDArray[np.intp],
    kink: npt.NDArray[np.intp],
) -> Floats:
    """Straight between the codes. Beyond the first and the last one, and between a kink (0: none) and the
    code before it, each segment goes on as its codes do: nothing is ever looked up there."""
    v = np.arange(1 << V_BITS) + V_MIN
    x = v / scale[:, None] - offset[:, None]
    begin = kink[:, None]
    low = np.clip(np.floor(x).astype(np.intp), 0, INPUT_MAX - 1)
    first = (begin + offset[:, None]) * scale[:, None] - V_MIN
    behind = (v - V_MIN) >> SEGMENT_BITS >= first >> SEGMENT_BITS
    low = np.where(begin == 0, low, np.where(behind, np.maximum(low, begin), np.minimum(low, begin - 2)))
    below, above = (np.take_along_axis(values, position, axis=1) for position in (low, low + 1))
    codes: Floats = np.clip(below + (x - low) * (above - below), 0.0, INPUT_MAX)
    return codes
