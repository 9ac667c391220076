"""Views, which represent a value by the maps that hold it; and evaluation of networks
in real numbers and in 8-bit codes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ndr.pwl import SEGMENTS, fit_pwl
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.network import Ndr, Network, Sampled
from ndrite.emulator.network.floats import FloatArithmetic
from ndrite.emulator.network.nodes import Maps
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, Codes, Floats, unit_codes
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.evaluate import At, PerKind, last, run
from ndrite.emulator.spec.flow import Reads, joined
from ndrite.emulator.spec.patches import Shape

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Span:
    """Range of the values that a map's codes y in 0..1 represent: ``low + width * y``."""

    low: float
    width: float


def code_span(low: float, high: float, holds: Iterable[float] = ()) -> Span:
    """Return a span that covers ``low..high`` and the values ``holds``. The first of
    ``holds`` that lies inside the span falls exactly on a code.

    A border of zeros, and the zero that a gate multiplies about, are codes.
    """
    values = tuple(holds)
    low, high = min(low, *values, low), max(high, *values, high)
    width = high - low if high > low else max(1.0, abs(low))
    inside = next((v for v in values if low < v < high), None)
    if inside is None:
        return Span(low, width)
    place = (inside - low) / width * INPUT_MAX
    if abs(place - round(place)) > 1e-9:
        # The range is shifted below so that the value ``inside`` falls exactly on a
        # code. It is widened by one code first, so that after the shift it still
        # covers all values.
        width *= INPUT_MAX / (INPUT_MAX - 1)
        code = int(-(-(inside - low) / width * INPUT_MAX // 1))
        low = inside - code / INPUT_MAX * width
    return Span(low, width)


class PerOp(PerKind):
    """Visitor with one method for each kind of operator in the graph of an import."""

    @abstractmethod
    def view(self, *arguments: Any, **options: Any) -> Any:
        """Process a view, an operator that only rearranges values and
        scales them by channel."""


@record()
class View(Reads):
    """The maps ``sources`` joined, with channels selected and the codes y scaled to
    values ``shift + scale * y``. Scale and shift are (C,), one per channel.

    ``index`` (C,): its channels among those of the maps; None: all, in order. ``flat``:
    it is a vector, and the index goes through the maps flattened. Real values are
    moved; for codes 0..1, scale and shift are what they stand for.
    """

    kind = "view"

    sources: tuple[int, ...]
    scale: Floats
    shift: Floats
    index: Ints | None = None
    flat: bool = False

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``view`` of the visitor ``walk``. A finished network contains
        no views, so other visitors have no such method."""
        assert isinstance(walk, PerOp)
        return walk.view(*arguments, **options)

    @classmethod
    def of_map(cls, number: int, shape: Shape, span: Span) -> View:
        """Return the view of the whole map ``number``, whose channels share one span."""
        return cls((number,), np.full(shape[0], span.width), np.full(shape[0], span.low))

    def shape(self, maps: Sequence[Shape]) -> Shape:
        """Return the shape (C, H, W) of the value that the view represents."""
        _, height, width = (1, 1, 1) if self.flat else self.joined(maps)
        return (self.channels, height, width)

    @property
    def channels(self) -> int:
        """Number of channels of the view, C."""
        return len(self.scale)

    @property
    def places(self) -> Ints:
        """Indices of the view's channels among the joined maps' channels."""
        return np.arange(self.channels) if self.index is None else self.index

    @property
    def is_still(self) -> bool:
        """Whether the view leaves the values unscaled and unshifted."""
        return bool((self.scale == 1).all() and (self.shift == 0).all())

    @property
    def is_map(self) -> bool:
        """Whether the view is a single map with all its channels in order."""
        return len(self.sources) == 1 and self.index is None and not self.flat

    @property
    def is_plain(self) -> bool:
        """Whether the view is a single map whose channels share one scale and shift."""
        same = np.ptp(self.scale) == 0 and np.ptp(self.shift) == 0 and self.scale[0] != 0
        return self.is_map and bool(same)

    @property
    def zero(self) -> float | None:
        """The code value y that represents 0, if it is the same for all channels and
        inside 0..1; else None."""
        y = self.before(0.0)
        if y is None or not -1e-9 <= y <= 1 + 1e-9:
            return None
        code = float(np.clip(y, 0.0, 1.0)) * INPUT_MAX
        return (round(code) if abs(code - round(code)) < 1e-6 else code) / INPUT_MAX

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value that the view's codes can represent."""
        ends = (self.shift, self.shift + self.scale)
        return float(np.minimum(*ends).min()), float(np.maximum(*ends).max())

    def before(self, value: float) -> float | None:
        """Return the code y that represents ``value``, or None if the code differs
        between channels."""
        if (self.scale == 0).any():
            return None
        y = (value - self.shift) / self.scale
        return float(y[0]) if np.ptp(y) <= 1e-9 * max(1.0, float(np.abs(y).max())) else None

    def affine(self, scale: Floats | float, shift: Floats | float) -> View:
        """Return the view that represents ``scale`` times this view's value plus ``shift``."""
        return replace(self, scale=self.scale * scale, shift=self.shift * scale + shift)

    def select(self, index: Ints) -> View:
        """Return the view of only the channels ``index`` of this view's value."""
        return replace(self, scale=self.scale[index], shift=self.shift[index], index=self.places[index])

    def flatten(self, maps: Sequence[Shape]) -> View:
        """Return the view of this view's value as a vector; ``maps`` are the shapes of
        all maps by number."""
        _, height, width = self.shape(maps)
        area = height * width
        if area == 1:
            return self
        index = None if self.index is None else (self.index[:, None] * area + np.arange(area)).reshape(-1)
        scale, shift = np.repeat(self.scale, area), np.repeat(self.shift, area)
        return replace(self, scale=scale, shift=shift, index=index, flat=True)

    def of(self, parts: Sequence[View], maps: Sequence[Shape]) -> View:
        """Compose views: return one view with the effect of the views ``parts``,
        one for each source, followed by this view. ``maps`` are the shapes of
        all maps by number."""
        x = parts[0] if len(parts) == 1 else _concatenated(parts, maps)
        x = x.flatten(maps) if self.flat else x
        x = x if self.index is None else x.select(self.index)
        return x.affine(self.scale, self.shift)


def view_of(shapes: Sequence[Shape], **moves: Any) -> View:
    """Return the view that joins maps of the shapes ``shapes``. ``moves`` are fields of
    ``View``; without them the view has no other effect."""
    joined_shape, index = joined(list(shapes)), moves.get("index")
    count = (
        len(index)
        if index is not None
        else int(np.prod(joined_shape))
        if moves.get("flat")
        else joined_shape[0]
    )
    sources = tuple(range(len(shapes)))
    return View(sources, **({"scale": np.ones(count), "shift": np.zeros(count)} | moves))


def _concatenated(parts: Sequence[View], maps: Sequence[Shape]) -> View:
    """Return the concatenation of views along the channels, as one view."""
    sizes = [part.joined(maps) for part in parts]
    sources = tuple(m for part in parts for m in part.sources)
    joined_shape = joined([maps[m] for m in sources])
    flat = any(part.flat for part in parts)
    index = None
    if flat or any(part.index is not None for part in parts):
        sizes_each = [int(np.prod(size)) if flat else size[0] for size in sizes]
        starts = np.cumsum([0, *sizes_each[:-1]])
        index = np.concatenate([part.places + start for part, start in zip(parts, starts, strict=True)])
        flat = flat and joined_shape[1:] != (1, 1)
        total = int(np.prod(joined_shape)) if flat else joined_shape[0]
        index = None if np.array_equal(index, np.arange(total)) else index
    # If all parts are views of the same map, that map is read once instead of being
    # joined with itself.
    if not flat and len(sources) > 1 and len(set(sources)) == 1:
        index = (np.arange(joined_shape[0]) if index is None else index) % maps[sources[0]][0]
        sources = sources[:1]
    scale = np.concatenate([part.scale for part in parts])
    shift = np.concatenate([part.shift for part in parts])
    return View(sources, scale, shift, index, flat)


Watch = Callable[[int, Floats], None]


class RealArithmetic(FloatArithmetic, PerOp):
    """Arithmetic in real numbers, in the original model's unit: values are not
    clipped to a range, and activation functions are computed as in the original
    model, not by tables."""

    lowest = -np.inf

    def view(self, at: At, node: View, maps: Maps) -> Floats:
        """Return the values that a view represents: the source's values, rearranged and
        scaled by channel."""
        x: Floats = node.source(maps)
        x = x.reshape(len(x), -1, 1, 1) if node.flat else x
        x = x if node.index is None else x[:, node.index]
        y = x if node.is_still else x * node.scale[:, None, None] + node.shift[:, None, None]
        return np.asarray(y, np.float64)

    def function(self, at: At, activation: Any, z: Floats) -> Floats:
        inputs = z.astype(np.float32) if isinstance(activation, Ndr) else z
        return z if activation is None else np.asarray(activation(inputs), np.float64)

    def held(self, y: npt.ArrayLike) -> Floats:
        return np.asarray(y, np.float64)


REALS = RealArithmetic()


class CodeArithmetic(RealArithmetic):
    """Arithmetic with every map rounded to codes, represented as values 0..1, and with
    functions computed by the chip's tables. Weights and sums stay exact.

    ``watch`` is told the pre-activations of every node with a function, by its number.
    """

    lowest = 0.0

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._curves: dict[int, _Curve] = {}

    def function(self, at: At, activation: Any, z: Floats) -> Floats:
        if activation is None:
            return z
        if self._watch is not None:
            self._watch(at.node, z)
        if isinstance(activation, Ndr):  # the compiler fits NDR devices' tables
            return unit_codes(super().function(at, activation, z))
        if at.node not in self._curves:
            self._curves[at.node] = _Curve(activation)
        return self._curves[at.node](z)

    def held(self, y: npt.ArrayLike) -> Floats:
        return unit_codes(y)

    def number(self, y: float) -> Any:
        return unit_codes(y)


class _Curve:
    """A function as the chip computes it: rounds the input to a voltage code, and
    returns the table's output code as a value 0..1."""

    def __init__(self, activation: Sampled) -> None:
        self.window = Window(*activation.ends, SEGMENTS, 0.0)
        curve_codes = INPUT_MAX * np.clip(activation.shape(self.window.values()), 0.0, 1.0)
        self.codes = fit_pwl(curve_codes).evaluate()[0].astype(np.float64) / INPUT_MAX

    def __call__(self, z: Floats) -> Floats:
        v = np.clip(np.rint(self.window.zero + self.window.per_unit * z), V_MIN, V_MAX).astype(np.int64)
        return np.asarray(self.codes[v - V_MIN], np.float64)


def in_codes(network: Network, codes: Codes, watch: Watch | None = None) -> Floats:
    """Return the network's outputs float64 (n, M) for input codes (n, K), computed with
    codes and tables but with exact weights. This shows the loss from rounding alone."""
    firsts, starts = network.begun(codes / INPUT_MAX)
    calls = run(CodeArithmetic(watch), network.nodes, network.states, firsts, list(map(unit_codes, starts)))
    return np.asarray(last(calls)[-1].reshape(len(codes), -1))
