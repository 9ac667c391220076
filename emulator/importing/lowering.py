"""Lowering: the nodes of a network, one after another, for a graph's operators."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.importing import graph as ops
from emulator.importing.function import Stretch, identity, stretch_of, with_room
from emulator.importing.graph import Floats, Graph, Linear, Memory, Op, Seen, Unary
from emulator.importing.held import Held, concatenated
from emulator.importing.plan import plan_of
from emulator.importing.products import Second, product_node
from emulator.importing.span import Span, code_span
from emulator.network import Gate, InputRange, Node, Pool, Sampled, Table, Term
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.patches import Patches, Shape

GAIN_MAX = 64.0
"""Largest factor of an average."""
DENSE_MAX = 128
"""Values that a plain matrix passes on; more go through one group each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Entry:
    """What is known of a node: ``error`` of its table relative to its span; no span for sums."""

    node: str
    label: str
    channels: int
    span: Span | None
    stretch: Stretch | None = None
    error: float = 0.0


@dataclass(eq=False)
class Emitted:
    """The nodes made so far, with their entries and shapes of all maps; ``states``: memory, source, start."""

    shapes: list[Shape]
    nodes: list[Node] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    states: list[tuple[Memory, int, float]] = field(default_factory=list)

    def add(self, node: Node, entry: Entry) -> int:
        """Number of the node's map."""
        self.nodes.append(node)
        self.entries.append(entry)
        self.shapes.append(node.shape(self.shapes))
        return len(self.shapes) - 1


class Lowering:
    """Of a graph; ``seen``: ranges of its operators on samples."""

    def __init__(self, graph: Graph, seen: Seen | None) -> None:
        self.graph, self.seen = graph, seen
        self.stretches: dict[Op, Stretch] = {}
        self.spans: dict[Op, Span] = {}
        self.held: dict[Op, Held] = {}
        self.plain: dict[Op, Held] = {}
        self.out = Emitted([graph.input.shape, *(m.shape for m, _ in graph.memories)])
        self.plan = plan_of(graph, self._rises)

    def input_range(self, given: InputRange) -> InputRange:
        """The range of maps that are read, all alike, widened to what their codes must stand for."""
        span = code_span(
            float(given.low.min()), float(given.high.max()), self.plan.holds.get(self.graph.input, ())
        )
        return InputRange(np.array([span.low]), np.array([span.low + span.width]))

    def run(self, inputs: InputRange, progress: Callable[[int, int], None] | None) -> Emitted:
        """All nodes, the output last. ``inputs``: the range of one call's."""
        graph, order = self.graph, self.graph.order()
        self.held[graph.input] = self._input(inputs)
        for number, (memory, op) in enumerate(graph.memories):
            self.held[memory] = Held.of_map(1 + number, memory.shape, self._span_of(op))
        for done, op in enumerate(order):
            if op not in self.held and op not in self.plan.taken:
                self._lower(op)
            if progress is not None:
                progress(done, len(order))
        if len(self.out.shapes) <= 1 + len(graph.memories) or self.out.entries[-1].span is not None:
            self._pass_out()
        for memory, op in graph.memories:
            held = self.held[op]
            start = held.affine(1.0, -memory.start).zero
            self.out.states.append((memory, held.maps[0], 0.0 if start is None else start))
        return self.out

    def _input(self, inputs: InputRange) -> Held:
        c, h, w = self.graph.input.shape
        held = Held((0,), (c, h, w), np.ones(c), np.zeros(c))
        if inputs.low.size == 1 or h == w == 1:
            return held.affine(inputs.span, inputs.low)
        raise NetworkError(f"input range has {inputs.low.size} entries; accepted: 1, for maps")

    def _reach(self, op: Op) -> tuple[float, float] | None:
        return None if self.seen is None else self.seen.of[op]

    def _head(self, unary: Unary) -> Op:
        """What the function is of where it is computed: before the max pooling it follows, if any."""
        pool = self.plan.behind.get(unary) if hasattr(self, "plan") else None
        return unary.inputs[0] if pool is None else pool.inputs[0]

    def _rises(self, unary: Unary, head: Op) -> bool:
        return stretch_of(unary, self._reach(head)).rises

    def _stretch_of(self, op: Op, function: Unary | None = None) -> Stretch:
        """The table that gives ``op``: a function's, or a straight line's."""
        if op not in self.stretches:
            unary = function or (op if isinstance(op, Unary) else identity(op.node))
            head = self._head(op) if isinstance(op, Unary) else op
            limits = (-np.inf, np.inf)
            if isinstance(op, Unary) and head in self.held:
                limits = self.held[head].limits
            self.stretches[op] = stretch_of(unary, self._reach(head), self.plan.holds.get(op, ()), limits)
        return self.stretches[op]

    def _span_of(self, op: Op) -> Span:
        """What the codes of a product, table or gate stand for."""
        if not isinstance(op, ops.Gate) or op in self.plan.second:
            return self._stretch_of(op).span
        if op not in self.spans:
            reach = self._reach(op)
            if reach is None and not all(i in self.held for i in op.inputs):
                raise UnsupportedNodeError(
                    op.node,
                    "recurrent cell",
                    "it is unbounded: give samples of inputs, so that its range can be measured",
                )
            low, high = self._limits(op) if reach is None else with_room(*reach)
            self.spans[op] = code_span(low, high, (*self.plan.holds.get(op, ()), self._at_zeros(op)))
        return self.spans[op]

    def _limits(self, op: ops.Gate) -> tuple[float, float]:
        """Least and greatest result of a gate, from what its operands' codes can stand for."""
        low = high = op.constant
        for term in op.terms:
            a = self.held[op.inputs[term.a]].limits
            b = (1.0, 1.0) if term.b is None else self.held[op.inputs[term.b]].limits
            ends = [term.factor * x * y for x in a for y in b]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def _at_zeros(self, op: ops.Gate) -> float:
        """The result where every operand is at the value that the gate counts it from."""
        total = op.constant
        for term in op.terms:
            if term.b is None and op.inputs[term.a] in self.held:
                low, high = self.held[op.inputs[term.a]].limits
                total += term.factor * min(max(0.0, low), high)
        return total

    def _lower(self, op: Op) -> None:
        held = self.held
        if isinstance(op, Linear):
            self._product(op, op)
        elif isinstance(op, ops.Gate):
            if op in self.plan.second:
                self._sum(op)
            else:
                self._gate(op)
        elif isinstance(op, Unary):
            self._unary(op)
        elif isinstance(op, ops.Pool):
            self._pool(op)
        elif isinstance(op, ops.Spread):
            self._spread(op)
        elif isinstance(op, ops.Affine):
            held[op] = held[op.inputs[0]].affine(op.scale, op.shift)
        elif isinstance(op, ops.Flatten):
            held[op] = held[op.inputs[0]].flatten(op.order)
        elif isinstance(op, ops.Select):
            held[op] = held[op.inputs[0]].select(op.index)
        elif isinstance(op, ops.Concat):
            held[op] = concatenated([held[i] for i in op.inputs], self.out.shapes)
        else:
            raise NetworkError(f"operator {type(op).__name__} of node {op.node!r} has no place in a network")

    def _product(self, op: Op, linear: Linear, factor: float = 1.0, second: Second | None = None) -> None:
        """A matrix product, with the second operand and the function that the plan gives ``op``."""
        source = linear.inputs[0]
        x = self.held[source]
        whole = x.index is None or linear.patches.groups == 1
        if not whole or (any(linear.patches.padding) and x.zero is None):
            x = self._plainly(source)
        function = self.plan.function.get(op)
        final = op is self.graph.output
        stretch = None if final else self._stretch_of(function or op)
        activation = None if stretch is None else Sampled(stretch.unary.label, stretch.points)
        node = product_node(linear, x, factor, second, activation, self.out.shapes)
        label = "none: outputs" if stretch is None else stretch.unary.label
        number = self.out.add(node, self._entry(linear.node, label, len(linear.bias), stretch))
        if stretch is None:
            return
        result = Held.of_map(number, linear.shape, stretch.span)
        self.held[op] = result
        if function is not None and function not in self.plan.behind:
            self.held[function] = result

    @staticmethod
    def _entry(node: str, label: str, channels: int, stretch: Stretch | None) -> Entry:
        if stretch is None:
            return Entry(node=node, label=label, channels=channels, span=None)
        return Entry(
            node=node, label=label, channels=channels, span=stretch.span, stretch=stretch, error=stretch.error
        )

    def _sum(self, op: ops.Gate) -> None:
        """A product that takes in the other operand of a sum."""
        first, other = self.plan.second[op]
        linear, term = op.inputs[op.terms[first].a], op.terms[other]
        assert isinstance(linear, Linear)
        skip = self.held[op.inputs[term.a]]
        if len(skip.maps) > 1 or skip.index is not None or skip.flat or (skip.scale < 0).any():
            skip = self._plainly(op.inputs[term.a])
        self._product(op, linear, op.terms[first].factor, Second(skip.affine(term.factor, op.constant)))

    def _unary(self, op: Unary) -> None:
        """A function of a map's values: a table; or it was put before the pooling."""
        if op in self.plan.behind:
            self.held[op] = self.held[self.plan.behind[op]]
            return
        x = self.held[op.inputs[0]]
        if x.flat or not ((x.scale > 0).all() or (x.scale < 0).all()):
            x = self._plainly(op.inputs[0])
        self.held[op] = self._table(op, x, self._stretch_of(op))

    def _table(self, op: Op, x: Held, stretch: Stretch) -> Held:
        points, scale, shift = stretch.points, x.scale, x.shift
        if (scale < 0).all():
            points, scale, shift = np.stack([-points[0, ::-1], points[1, ::-1]]), -scale, -shift
        node = Table(
            x.maps,
            x.places.astype(np.int32),
            scale.astype(np.float32),
            shift.astype(np.float32),
            Sampled(stretch.unary.label, points.astype(np.float32)),
        )
        if (scale < 0).any() or x.scale[0] < 0:
            mirrored = Unary(
                node=op.node,
                shape=op.shape,
                label=stretch.unary.label,
                function=lambda z: stretch.unary.function(-z),
            )
            seen = dataclasses.replace(stretch, unary=mirrored, points=points)
        else:
            seen = stretch
        number = self.out.add(node, self._entry(op.node, stretch.unary.label, x.channels, seen))
        return Held.of_map(number, op.shape, stretch.span)

    def _plainly(self, op: Op) -> Held:
        """The value in one map whose codes all mean the same, 0 among them; one more rounding."""
        if op not in self.plain:
            x = self.held[op]
            reach = x.limits if self.seen is None else self.seen.of[op]
            stretch = stretch_of(identity(op.node), reach, (0.0,), x.limits)
            if not x.flat and (x.scale > 0).all():
                self.plain[op] = self._table(op, x, stretch)
            else:
                linear = _passing(op, x)
                node = product_node(
                    linear, x, 1.0, None, Sampled("identity(x)", stretch.points), self.out.shapes
                )
                number = self.out.add(node, self._entry(op.node, "identity(x)", x.channels, stretch))
                self.plain[op] = Held.of_map(number, op.shape, stretch.span)
        return self.plain[op]

    def _pool(self, op: ops.Pool) -> None:
        source = op.inputs[0]
        x = self.held[source]
        counts = op.of == "average" and not op.inside and any(op.patches.padding)
        if (op.of == "max" and (x.scale <= 0).any()) or (counts and x.zero is None):
            x = self._plainly(source)
        joined = concatenated([dataclasses.replace(x, index=None)], self.out.shapes).shape
        patches = dataclasses.replace(op.patches, shape=(joined[0], *op.patches.shape[1:]))
        pad = (x.zero or 0.0) if counts else 0.0
        entry = Entry(node=op.node, label=op.of, channels=x.channels, span=Span(0.0, 1.0))
        gain = self._pool_gain(op, x)
        number = self.out.add(Pool(op.of, x.maps, patches, pad, op.inside, gain), entry)
        self.held[op] = dataclasses.replace(x, maps=(number,), shape=op.shape, scale=x.scale / gain)

    def _pool_gain(self, op: ops.Pool, x: Held) -> float:
        """What averages can be stretched by: they span less than what they are of; a 0 stays a code."""
        reach = self._reach(op)
        if op.of == "max" or reach is None or (x.scale == 0).any():
            return 1.0
        ends = [(end - x.shift) / x.scale for end in (*with_room(*reach), *self.plan.holds.get(op, ()))]
        gain = min(1 / max(float(np.max(ends)), 1 / GAIN_MAX), GAIN_MAX)
        if x.zero:
            gain = np.floor(gain * x.zero * INPUT_MAX + 1e-9) / (x.zero * INPUT_MAX)
        return max(1.0, float(gain))

    def _spread(self, op: ops.Spread) -> None:
        """One value a channel over a map: the largest of windows that hold the one value and the border."""
        x = self.held[op.inputs[0]]
        x = self._plainly(op.inputs[0]) if x.flat or x.index is not None else x
        _, height, width = op.shape
        patches = Patches(
            shape=(x.channels, 1, 1),
            kernel=(height, width),
            padding=(height - 1, width - 1, height - 1, width - 1),
        )
        entry = Entry(node=op.node, label="spread", channels=x.channels, span=Span(0.0, 1.0))
        number = self.out.add(Pool("max", x.maps, patches), entry)
        self.held[op] = dataclasses.replace(x, maps=(number,), shape=op.shape)

    def _gate(self, op: ops.Gate) -> None:
        about_zero = {n for t in op.terms if t.b is not None for n in (t.a, t.b)}
        x = []
        for number, source in enumerate(op.inputs):
            held = self.held[source]
            fits = held.is_plain and (number not in about_zero or held.zero is not None)
            x.append(held if fits else self._plainly(source))
        span = self._span_of(op)
        terms, total = [], op.constant
        for term in op.terms:
            a, b = x[term.a], None if term.b is None else x[term.b]
            gain = term.factor * float(a.scale[0]) / span.width
            if b is not None:
                zeros = (a.zero or 0.0, b.zero or 0.0)
                gain *= float(b.scale[0])
                terms.append(Term(a=a.maps[0], b=b.maps[0], gain=gain, a_zero=zeros[0], b_zero=zeros[1]))
                continue
            y = float(np.clip(-a.shift[0] / a.scale[0], 0.0, 1.0))
            y = round(y * INPUT_MAX) / INPUT_MAX
            total += term.factor * float(a.shift[0] + a.scale[0] * y)
            terms.append(Term(a=a.maps[0], gain=gain, a_zero=y))
        zero = (total - span.low) / span.width
        entry = Entry(
            node=op.node, label=_formula(op), channels=op.shape[0], span=span, error=0.5 / INPUT_MAX
        )
        number = self.out.add(Gate(tuple(terms), float(np.clip(zero, 0.0, 1.0))), entry)
        self.held[op] = Held.of_map(number, op.shape, span)

    def _pass_out(self) -> None:
        """The output in the model's unit, as sums, where it is not already."""
        op = self.graph.output
        x = self.held[op]
        linear = _passing(op, x, grouped=True)
        node = product_node(linear, x, 1.0, None, None, self.out.shapes)
        self.out.add(node, self._entry("output", "none: outputs", len(linear.bias), None))


def _passing(op: Op, x: Held, *, grouped: bool = False) -> Linear:
    """The product that passes a value on: channel by channel."""
    count = x.channels
    apart = grouped and not x.flat and x.index is None and count > DENSE_MAX
    patches = Patches(shape=op.shape, kernel=(1, 1), groups=count if apart else 1)
    weights: Floats = np.ones((1, count)) if apart else np.eye(count)
    return Linear(
        node=op.node, inputs=(op,), shape=op.shape, weights=weights, bias=np.zeros(count), patches=patches
    )


def _formula(op: ops.Gate) -> str:
    letters = "abcdefgh"
    parts = [letters[t.a] if t.b is None else f"{letters[t.a]}*{letters[t.b]}" for t in op.terms]
    return " + ".join(parts)
