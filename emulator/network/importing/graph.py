"""A model as a graph of operators on maps (n, C, H, W), in its own unit and in float64.

A vector is (F, 1, 1) and a row of a 1-D layer (C, 1, L). What is computed a call at a time has memories: maps
that hold, in a call, what another operator gave in the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from emulator.network.activation import Ndr
from emulator.spec.patches import Pair, Patches, Shape
from emulator.spec.steps import filled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """An operator: the node it comes from, what it reads, and the shape (C, H, W) of one result."""

    node: str
    inputs: tuple[Op, ...] = ()
    shape: Shape

    def __call__(self, *x: Floats) -> Floats:
        """The result (n, C, H, W) of its inputs (n, C, H, W)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Op):
    """The model's data, of one call.

    ``axes``: where the model's own samples are maps in another order, the axes of ``shape`` in them,
    (2, 0, 1) for (H, W, C).
    """

    axes: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Memory(Op):
    """A map of the call before; ``start`` in the first."""

    start: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Op):
    """Patches times ``weights`` (K, M) plus ``bias`` (M,), K of a group's channels; zeros around the map."""

    weights: Floats
    bias: Floats
    patches: Patches

    def __call__(self, *x: Floats) -> Floats:
        patches, groups = self.patches, self.patches.groups
        cut = patches.cut(x[0])
        n, k, share = len(cut), patches.inputs, len(self.bias) // groups
        by_group = cut.reshape(-1, groups, k).transpose(1, 0, 2)
        w = self.weights.reshape(k, groups, share).transpose(1, 0, 2)
        z = np.matmul(by_group, w).transpose(1, 0, 2).reshape(n, patches.positions, -1)
        return patches.place(z + self.bias)


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Op):
    """``scale * x + shift`` by channel, (C,) each."""

    scale: Floats
    shift: Floats

    def __call__(self, *x: Floats) -> Floats:
        return x[0] * self.scale[:, None, None] + self.shift[:, None, None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Unary(Op):
    """A function of each value by itself."""

    label: str
    function: Function

    def __call__(self, *x: Floats) -> Floats:
        return np.asarray(self.function(x[0]), np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Neurons(Unary):
    """NDR neurons: one device a channel, which the chip has as they are."""

    devices: Ndr

    def __call__(self, *x: Floats) -> Floats:
        y = self.devices(np.moveaxis(x[0], 1, -1).astype(np.float32))
        return np.moveaxis(y, -1, 1).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Op):
    """``max`` or ``average`` of windows; an average counts ``border`` around the map unless ``inside``.

    Each result fills ``block`` neighbouring positions.
    """

    of: str
    patches: Patches
    inside: bool = False
    border: float = 0.0
    block: Pair = (1, 1)

    def __call__(self, *x: Floats) -> Floats:
        if self.of == "max":
            return filled(self.patches.windows(x[0], -np.inf).max(axis=(4, 5)), self.block)
        total: Floats = self.patches.windows(x[0], self.border).sum(axis=(4, 5))
        if not self.inside:
            return np.asarray(total / (self.patches.kernel[0] * self.patches.kernel[1]), np.float64)
        counted = self.patches.windows(np.ones((1, *self.patches.shape)))
        return np.asarray(total / counted.sum(axis=(4, 5)), np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Spread(Op):
    """One value a channel, (C, 1, 1), repeated over a whole map."""

    def __call__(self, *x: Floats) -> Floats:
        return np.broadcast_to(x[0], (len(x[0]), *self.shape))


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Op):
    """A map as a vector (C * H * W, 1, 1), then, with ``order``, its values in that order."""

    order: Ints | None = None

    def __call__(self, *x: Floats) -> Floats:
        flat = x[0].reshape(len(x[0]), -1, 1, 1)
        return flat if self.order is None else flat[:, self.order]


@dataclass(frozen=True, eq=False, kw_only=True)
class Select(Op):
    """Channels ``index``, any number of times each."""

    index: Ints

    def __call__(self, *x: Floats) -> Floats:
        return x[0][:, self.index]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """Channels of one input behind those of another."""

    def __call__(self, *x: Floats) -> Floats:
        return np.concatenate(x, axis=1)


@dataclass(frozen=True, kw_only=True)
class Term:
    """``factor * a * b``, or ``factor * a``: numbers of the operator's inputs."""

    a: int
    b: int | None = None
    factor: float = 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Gate(Op):
    """The sum of terms plus ``constant``, element by element."""

    terms: tuple[Term, ...]
    constant: float = 0.0

    def __call__(self, *x: Floats) -> Floats:
        total = np.full(x[0].shape, self.constant)
        for term in self.terms:
            total += term.factor * x[term.a] * (1.0 if term.b is None else x[term.b])
        return total

    @property
    def is_sum(self) -> bool:
        """Whether it multiplies nothing."""
        return all(term.b is None for term in self.terms)


def weighted_sum(node: str, *terms: tuple[float, Op]) -> Gate:
    """Factors times operators of one shape."""
    ops = tuple(op for _, op in terms)
    parts = tuple(Term(a=i, factor=factor) for i, (factor, _) in enumerate(terms))
    return Gate(node=node, inputs=ops, shape=ops[0].shape, terms=parts)


def product_of(node: str, a: Op, b: Op) -> Gate:
    """Two operators of one shape, multiplied element by element."""
    return Gate(node=node, inputs=(a, b), shape=a.shape, terms=(Term(a=0, b=1),))


@dataclass(frozen=True, eq=False)
class Graph:
    """A model: ``calls`` inputs one after another, the last call's ``output``.

    ``memories``: each with the operator whose result it holds in the next call.
    """

    input: Input
    output: Op
    memories: tuple[tuple[Memory, Op], ...] = ()
    calls: int = 1

    def order(self) -> list[Op]:
        """Every operator behind what it reads; what memories take comes first, so the output is last."""
        return ordered(
            (self.input, *(m for m, _ in self.memories), *(op for _, op in self.memories), self.output)
        )

    def run(self, x: Floats, seen: Seen | None = None) -> Floats:
        """Outputs float64 (n, M) of inputs (n, calls * C * H * W); ``seen`` is told every result."""
        order, n = self.order(), len(x)
        left = _uses(order)
        parts = x.reshape(n, self.calls, *self.input.shape)
        held = [np.full((n, *m.shape), m.start) for m, _ in self.memories]
        y: Floats = np.empty(0)
        for call in range(self.calls):
            results: dict[Op, Floats] = {self.input: parts[:, call]}
            results |= {m: h for (m, _), h in zip(self.memories, held, strict=True)}
            waiting = dict(left)
            keep = {op for _, op in self.memories} | {self.output}
            for op in order:
                if op not in results:
                    results[op] = op(*(results[i] for i in op.inputs))
                    for i in op.inputs:
                        waiting[i] -= 1
                        if not waiting[i] and i not in keep:
                            del results[i]
                if seen is not None and op in results:
                    seen.take(op, results[op])
            held = [results[op] for _, op in self.memories]
            y = results[self.output]
        return y.reshape(n, -1)


@dataclass(eq=False)
class Seen:
    """Least and greatest value of every operator's results so far."""

    of: dict[Op, tuple[float, float]] = field(default_factory=dict)

    def take(self, op: Op, y: Floats) -> None:
        """Count results."""
        low, high = self.of.get(op, (np.inf, -np.inf))
        self.of[op] = (min(low, float(y.min())), max(high, float(y.max())))


def ordered(ends: Iterable[Op]) -> list[Op]:
    """Everything that ``ends`` need, each operator behind what it reads."""
    done: dict[Op, None] = {}
    waiting = list(reversed(list(ends)))
    while waiting:
        op = waiting[-1]
        missing = [i for i in op.inputs if i not in done]
        if op in done or not missing:
            done.setdefault(waiting.pop())
        else:
            waiting += reversed(missing)
    return list(done)


def _uses(order: list[Op]) -> dict[Op, int]:
    """How often each operator is read."""
    uses = dict.fromkeys(order, 0)
    for op in order:
        for i in op.inputs:
            uses[i] += 1
    return uses


def uses_of(graph: Graph) -> dict[Op, int]:
    """How often each operator is read, by a memory or as the output too."""
    uses = _uses(graph.order())
    for op in (*(op for _, op in graph.memories), graph.output):
        uses[op] += 1
    return uses
