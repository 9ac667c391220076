"""Window: the range of a curve that the 12-bit voltage code covers, and the
curve at every code.

A hidden neuron's voltage code is v = -2048 + origin + per_unit * u, u the
pre-activation in units the curve is written in (an NDR neuron's own peak voltage; 1 for
named activations). Segment 0 lies below the window's low end, so a curve's kink there
(a device off below zero volts) falls on a segment boundary and the code saturates onto
the curve's value below it.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ndrite.emulator.device.ndr.pwl import SEGMENTS
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MIN, Floats

Shape = Callable[[Floats], Floats]

CODES = 1 << V_BITS
LOWS = (0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0)
HIGHS = np.concatenate([np.linspace(1.0, 12.0, 111), [16.0, 24.0]])
"""Upper ends of the windows that are tried, in the unit of the curve's input."""
FAR = 40.0
"""Pre-activations of larger magnitude than this are not considered."""
POINTS, FEW = 17, 3
"""Number of points per segment at which a fit's error is estimated, and at which a
lower bound of it is computed."""
ROUNDING = 1e-9
"""Tolerance for rounding errors when a lower bound of a window's error is
compared with an error."""
BLOCK = 64
"""Number of windows whose error bounds are computed together, which limits the memory
for several curves."""


@dataclass(frozen=True)
class Window:
    """The interval ``low..high`` of a neuron's input u, in the curve's own unit, that
    the voltage codes cover.

    ``tail_lsb``: largest error, in output steps, of holding the curve at the window's ends.
    """

    low: float
    high: float
    segments: int
    tail_lsb: float

    @property
    def per_unit(self) -> float:
        """Number of voltage codes per unit of the neuron's input u."""
        return (CODES - CODES // self.segments) / (self.high - self.low)

    @property
    def zero(self) -> float:
        """Voltage code (not rounded) at which the neuron's input u is 0."""
        return V_MIN + CODES // self.segments - self.low * self.per_unit

    @property
    def ends(self) -> tuple[float, float]:
        """Values of the neuron's input u at the first and at the last voltage code."""
        return (V_MIN - self.zero) / self.per_unit, (V_MIN + CODES - 1 - self.zero) / self.per_unit

    def values(self) -> Floats:
        """Values of the neuron's input u at every voltage code -2048..2047, float64 (4096,)."""
        return (np.arange(V_MIN, V_MIN + CODES, dtype=np.float64) - self.zero) / self.per_unit


def choose_window(shape: Shape, jumps: tuple[float, ...] = ()) -> Window:
    """Choose the window of a curve with the smallest error among all pairs of ``LOWS``
    and ``HIGHS``. The error is the larger of two: that of the piecewise-linear fit
    inside the window, and that outside, where the curve is held constant.

    ``shape`` gives a value for each u (...,), or those of several curves (..., Q): the
    largest error counts. Where the curve jumps, windows are tried as well that have a
    boundary of segments there: half a code before it, so that the codes of one segment
    all lie on one side.
    """
    part, shape = CODES // SEGMENTS, _several(shape)
    aligned = [
        (low, low + (jump - low) * (CODES - part) / (k * part - 0.5))
        for jump in jumps
        for low in LOWS
        for k in range(1, SEGMENTS - 1)
        if jump > low
    ]
    tried = [(low, high) for low in LOWS for high in HIGHS] + [w for w in aligned if w[1] <= HIGHS[-1]]
    inside = 1.0 - 1.0 / part if jumps else 1.0
    windows = [Window(low, float(high), SEGMENTS, 0.0) for low, high in tried]
    tails = _tails(shape, windows)
    # The error at a few points of each segment is a lower bound of a window's
    # error. Windows are evaluated fully in the order of this bound, until it
    # exceeds the smallest error.
    blocks = [windows[i : i + BLOCK] for i in range(0, len(windows), BLOCK)]
    bounds = np.concatenate([_inside(shape, block, inside, FEW) for block in blocks]) - ROUNDING
    bounds = np.maximum(tails, bounds)
    best, smallest_error = 0, np.inf
    for i in np.argsort(bounds):
        if bounds[i] > smallest_error:
            break
        error = max(tails[i], _inside(shape, [windows[i]], inside)[0])
        if error < smallest_error or (
            error == smallest_error and i < best
        ):  # on equal errors, choose the first window
            best, smallest_error = i, error
    return dataclasses.replace(windows[best], tail_lsb=float(tails[best] * INPUT_MAX))


def _several(shape: Shape) -> Shape:
    """Return ``shape`` as a function whose result has a last axis of curves, also if
    there is a single curve."""
    return shape if shape(np.zeros(2)).ndim == 2 else lambda u: shape(u)[..., None]


def _tails(shape: Shape, windows: list[Window]) -> Floats:
    """Return the largest error outside each window, (windows,), where the curve is held
    constant at its value at the window's end."""
    outside = np.linspace(-FAR, FAR, 8001)
    far = shape(outside)
    ends = np.array([window.ends for window in windows])
    end_values = shape(ends)
    below, above = np.searchsorted(outside, ends[:, 0], "right"), np.searchsorted(outside, ends[:, 1], "left")
    # Beyond a window's end, the table keeps the value of that end. Its largest error
    # there is at the largest or at the smallest value of the curve beyond the end.
    tails = np.zeros(len(windows))
    for extreme, none in ((np.maximum, -np.inf), (np.minimum, np.inf)):
        nothing = np.full((1, far.shape[1]), none)
        before = np.concatenate([nothing, extreme.accumulate(far)])[below]
        after = np.concatenate([extreme.accumulate(far[::-1])[::-1], nothing])[above]
        for values, end_value in ((before, end_values[:, 0]), (after, end_values[:, 1])):
            held_off = np.where(np.isfinite(values), np.abs(values - end_value), 0.0)
            tails = np.maximum(tails, held_off.max(axis=1))
    return tails


def _inside(shape: Shape, windows: list[Window], part: float, points: int = POINTS) -> Floats:
    """Return an estimate of the largest fit error inside each window, (windows,): half
    the range of the deviations from each table segment's chord, at ``points`` points
    over the first fraction ``part`` of each segment."""
    first = np.array([window.ends[0] for window in windows])[:, None]
    step = np.array([CODES / window.segments / window.per_unit for window in windows])[:, None]
    u = first + np.arange(windows[0].segments) * step
    t = np.linspace(0.0, part, points)
    y = shape(u[..., None] + t * step[..., None])
    chord = y[:, :, :1] + (y[:, :, -1:] - y[:, :, :1]) * (t / part)[:, None]
    spread: Floats = np.ptp(y - chord, axis=2).max(axis=(1, 2)) / 2
    return spread
