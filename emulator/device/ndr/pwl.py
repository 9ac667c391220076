"""Piecewise-linear tables: converts curves to the neuron's integers, base and
slope of each segment.

Each segment's line minimises its largest error over the segment's codes, not its error
at the ends: for a bent curve that halves the error of joining end points.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import CompileError
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS, Codes, Floats, clip, rshift_round
from ndrite.emulator.spec.brief import record

CODES = 1 << V_BITS
SEGMENT_BITS, TABLE_BITS = 7, 6
"""Bits f of a position in a segment of a piecewise-linear table, and fraction bits h of
a segment's base, as in docs/arithmetic.md."""
SEGMENTS = CODES >> SEGMENT_BITS
"""Number of segments of a piecewise-linear table."""
GOLDEN = (5**0.5 - 1) / 2
SEARCH_STEPS = 40
"""Number of golden-section steps. They reduce the search interval by a factor of 4e-9,
far below one unit of slope."""


@record()
class PwlTable:
    """Piecewise-linear tables of Q curves: base value and slope of every segment.

    Attributes
    ----------
    base, slope:
        int32 (Q, segments), 18-bit values.
    error_lsb:
        float64 (Q,): largest |table output - curve| over all 4096 voltage codes, in
        output steps; the output's own rounding (up to 0.5) is in it.
    """

    base: npt.NDArray[np.int32]
    slope: npt.NDArray[np.int32]
    error_lsb: Floats

    @property
    def max_error_lsb(self) -> float:
        """Largest error of any curve, in output steps (LSB)."""
        return float(self.error_lsb.max())

    def evaluate(self) -> Codes:
        """Return the output codes at every voltage code -2048..2047, uint8 (Q, 4096),
        computed in the neuron's integer arithmetic."""
        r = np.arange(1 << SEGMENT_BITS, dtype=np.int64)
        base, slope = (values.astype(np.int64)[..., None] for values in (self.base, self.slope))
        line = (base << SEGMENT_BITS) + slope * r
        y = clip(rshift_round(line, SEGMENT_BITS + TABLE_BITS), 0, INPUT_MAX)
        return y.reshape(len(base), CODES).astype(np.uint8)


def fit_pwl(curves: npt.ArrayLike) -> PwlTable:
    """Fit piecewise-linear tables to curves (Q, 4096): outputs in output steps, 0..255,
    at voltage codes -2048..2047. Raises CompileError for any other shape or range."""
    target = np.atleast_2d(np.asarray(curves, np.float64))
    if target.ndim != 2 or target.shape[1] != CODES:
        raise CompileError(f"curves have shape {target.shape}; accepted: (Q, {CODES})")
    if not (np.isfinite(target).all() and target.min() >= 0 and target.max() <= INPUT_MAX):
        raise CompileError(f"curves reach {target.min()}..{target.max()}; accepted: 0..{INPUT_MAX}")
    pieces = target.reshape(target.shape[0], SEGMENTS, 1 << SEGMENT_BITS)
    r = np.arange(1 << SEGMENT_BITS, dtype=np.float64)
    # The slope is rounded before the base is chosen, so that the base compensates part
    # of the slope's rounding error.
    unit = float(1 << TABLE_BITS)
    slope = np.rint(_minimax_slope(pieces, r) * (1 << SEGMENT_BITS) * unit)
    residual = pieces - slope[..., None] * (r / ((1 << SEGMENT_BITS) * unit))
    base = np.rint((residual.max(axis=-1) + residual.min(axis=-1)) / 2 * unit)
    table = PwlTable(base.astype(np.int32), slope.astype(np.int32), np.zeros(len(target)))
    return replace(table, error_lsb=np.abs(table.evaluate() - target).max(axis=1))


def _minimax_slope(pieces: Floats, r: Floats) -> Floats:
    """Return for each segment of the table the slope, per voltage code, of the line
    with the smallest maximum error: (Q, segments).

    The spread max - min of ``piece - slope * r`` is convex in the slope; its
    least is half the minimax error, and lies between the steepest and the
    flattest step of the piece.
    """
    steps = np.diff(pieces, axis=-1)
    low, high = steps.min(axis=-1), steps.max(axis=-1)
    # Where all steps of a segment are equal, its slope is known without a search; half
    # of a typical curve is flat.
    bent = low < high
    slopes: Floats = (low + high) / 2
    slopes[bent] = _searched(pieces[bent], low[bent], high[bent], r)
    return slopes


def _searched(pieces: Floats, low: Floats, high: Floats, r: Floats) -> Floats:
    """Return for each of the curve pieces (n, codes) the slope between ``low`` and
    ``high`` (n,) with the smallest maximum error, by golden-section search."""
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    work = np.empty_like(pieces)
    at_a, at_b = _spread(pieces, a, r, work), _spread(pieces, b, r, work)
    for _ in range(SEARCH_STEPS):
        left = at_a <= at_b
        low, high = np.where(left, low, a), np.where(left, b, high)
        # Golden-section search: one inner point of the new interval was already
        # computed, and only the other is new.
        new = np.where(left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        at_new = _spread(pieces, new, r, work)
        a, at_a, b, at_b = (
            np.where(left, new, b),
            np.where(left, at_new, at_b),
            np.where(left, a, new),
            np.where(left, at_a, at_new),
        )
    return np.asarray((low + high) / 2, np.float64)


def _spread(pieces: Floats, slope: Floats, r: Floats, work: Floats) -> Floats:
    """Return the range (maximum minus minimum) of ``piece - slope * r``, (n,);
    ``work`` is overwritten."""
    np.multiply(slope[:, None], r, out=work)
    np.subtract(pieces, work, out=work)
    return np.asarray(work.max(axis=1) - work.min(axis=1), np.float64)
