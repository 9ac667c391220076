"""A unary function on a chip: the stretch its table spans, its points, and the table's error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.compile.neuron import Window
from emulator.compile.pwl import fit_pwl
from emulator.errors import UnsupportedNodeError
from emulator.importing.chain import Unary
from emulator.spec.arithmetic import INPUT_MAX

Floats = npt.NDArray[np.float64]

SEGMENTS = 32
POINTS = (SEGMENTS - 1) * 64 + 1
"""Samples of a function; segment borders are among them, so a kink on a border stays sharp."""
MARGIN = 0.1
"""Room at either end of what the samples span, as a fraction of it."""
FAR, FURTHER = 40.0, 1000.0
"""A function that is the same at both is taken as bounded."""
FLAT = 0.1 / INPUT_MAX
"""Ends of the stretch that stay this close to their outermost value (of the range) are cut off."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """``(function - offset) / span`` in 0..1 at ``points`` float64 (2, P).

    ``error``: largest error of the fitted table in the stretch, in the same unit. ``rises``: it falls
    nowhere. ``beyond``: fraction of the samples outside.
    """

    points: Floats
    offset: float
    span: float
    error: float
    rises: bool
    beyond: float | None

    @property
    def ends(self) -> tuple[float, float]:
        """First and last pre-activation."""
        return float(self.points[0, 0]), float(self.points[0, -1])


def stretch_of(unary: Unary, z: Floats | None, border: float | None = None) -> Stretch:
    """Where to span a function's table, given the pre-activations ``z`` of samples.

    ``border``: a value that the outputs' range must hold too, what a padded convolution puts around them.

    Raises
    ------
    UnsupportedNodeError
        When there are no samples and the function has no bounds, or it is not finite where it is needed.
    """
    low, high = (-FAR, FAR) if z is None else _spanned(z)
    if z is None and not _bounded(unary):
        raise UnsupportedNodeError(
            unary.node,
            unary.label,
            "it is unbounded: give samples of inputs, so that its range can be measured",
        )
    low, high = _trimmed(unary, low, high)
    candidates = [_fitted(unary, low, high, border)]
    if low < 0 < high:
        candidates.append(_fitted(unary, _with_border(low, high, 0.0), high, border))
    points, offset, span, error = min(candidates, key=lambda c: c[3])
    beyond = None if z is None else float(((z < points[0, 0]) | (z > points[0, -1])).mean())
    if beyond is not None and z is not None:
        # Where the function is flat beyond its ends nothing is lost there.
        outside = z[(z < points[0, 0]) | (z > points[0, -1])]
        held = np.interp(outside, *points)
        lost = np.abs((_values(unary, outside) - offset) / span - held) > 1 / INPUT_MAX
        beyond = float(lost.sum() / z.size)
    rises = bool((np.diff(points[1]) >= -1e-9).all())
    return Stretch(points, offset, span, error, rises, beyond)


def _spanned(z: Floats) -> tuple[float, float]:
    low, high = float(z.min()), float(z.max())
    room = MARGIN * max(high - low, 1e-3 * max(abs(low), abs(high), 1.0))
    return low - room, high + room


def _bounded(unary: Unary) -> bool:
    with np.errstate(all="ignore"):
        far = np.asarray(unary.function(np.array([-FURTHER, -FAR, FAR, FURTHER])), np.float64)
    return bool(np.isfinite(far).all() and abs(far[0] - far[1]) < 1e-6 and abs(far[2] - far[3]) < 1e-6)


def _values(unary: Unary, z: Floats) -> Floats:
    with np.errstate(all="ignore"):
        y = np.asarray(unary.function(z), np.float64)
    if y.shape != z.shape or not np.isfinite(y).all():
        raise UnsupportedNodeError(
            unary.node, unary.label, "it is not finite on the values it meets; keep them in its domain"
        )
    return y


def _trimmed(unary: Unary, low: float, high: float) -> tuple[float, float]:
    """Without the ends where the function stays at its outermost value."""
    z = np.linspace(low, high, 8193)
    y = _values(unary, z)
    tolerance = FLAT * max(float(np.ptp(y)), 1e-12)
    moved = np.flatnonzero(np.abs(y - y[0]) > tolerance)
    first = max(int(moved[0]) - 1, 0) if len(moved) else 0
    moved = np.flatnonzero(np.abs(y - y[-1]) > tolerance)
    last = min(int(moved[-1]) + 1, len(z) - 1) if len(moved) else len(z) - 1
    if last <= first:
        return low, high
    # A kink at 0 is met exactly.
    near = 2 * float(z[1] - z[0])
    ends = (0.0 if abs(v) < near else float(v) for v in (z[first], z[last]))
    return next(ends), next(ends)


def _with_border(low: float, high: float, kink: float) -> float:
    """A lower end, at most ``low``, that puts ``kink`` on the border of two segments."""
    inner = SEGMENTS - 1
    n = int(np.ceil((kink - low) / ((high - low) / inner)))
    n = min(max(n, 1), inner - 1)
    return (inner * kink - n * high) / (inner - n)


def _fitted(
    unary: Unary, low: float, high: float, border: float | None
) -> tuple[Floats, float, float, float]:
    """Points, offset, span, and the table's largest error relative to the span."""
    # Ends in single precision, as the network file has them.
    u = np.linspace(low, high, POINTS).astype(np.float32).astype(np.float64)
    y = _values(unary, u)
    held = y if border is None else np.append(y, border)
    offset, span = float(held.min()), float(np.ptp(held))
    span = span if span > 0 else 1.0
    points = np.stack([u, np.clip((y - offset) / span, 0.0, 1.0)])
    window = Window(float(u[0]), float(u[-1]), SEGMENTS, 0.0)
    at = np.clip(window.values(), u[0], u[-1])
    wanted = np.clip((_values(unary, at) - offset) / span, 0.0, 1.0)
    table = fit_pwl(INPUT_MAX * np.interp(at, *points), segments=SEGMENTS)
    error = float(np.abs(table.evaluate()[0] / INPUT_MAX - wanted).max())
    return points, offset, span, error
